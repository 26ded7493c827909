"""What holds for every operation on pictures: the same numbers however it is called.

Alone or in a batch, mapped, compiled, from host or device; a new operation joins with
one row.  What the numbers are is for its module's own tests.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from jaxforensics import ops
from jaxforensics.ops import (
    augment,
    color,
    fakeness,
    filters,
    jpeg,
    noise,
    resample,
    residuals,
    spectrum,
)

SIDES = 9, 10


class Case(NamedTuple):
    """An operation of pictures and maps, all of them with the batch axes (2, 3)."""

    call: Callable
    channels: tuple = (3,)  # of its arrays; 0: (..., h, w)
    atol: float = 2e-7
    rtol: float = 0.0
    is_random: bool = False  # draws for a whole batch, of which one picture is no part


KEY = jax.random.key(0)
spectral = functools.partial(Case, atol=2e-5, rtol=2e-5)
resized = functools.partial(Case, atol=2e-6)
CASES = {
    "to_gray": Case(color.to_gray),
    "rgb_to_ycbcr": Case(color.rgb_to_ycbcr),
    "ycbcr_to_rgb": Case(color.ycbcr_to_rgb),
    "adjust_gamma": Case(lambda image: color.adjust_gamma(image, 0.7)),
    "gaussian_blur": Case(lambda image: filters.gaussian_blur(image, size=5)),
    "mean_blur": Case(lambda image: filters.mean_blur(image, size=5)),
    "median_blur": Case(lambda image: filters.median_blur(image, size=5)),
    "pixelwise_gaussian_blur": Case(
        lambda image, precision: filters.pixelwise_gaussian_blur(
            image, 3 * precision, size=5
        ),
        channels=(3, 0),
    ),
    "wiener": Case(lambda gray: filters.wiener(gray, size=5), channels=(0,)),
    "jpeg": Case(lambda image: jpeg.jpeg(image, 75), atol=0),
    "jpeg full": Case(lambda image: jpeg.jpeg(image, 75, subsample=False), atol=0),
    "add_gaussian": Case(
        lambda image: noise.add_gaussian(KEY, image, sigma=3), is_random=True
    ),
    "resize": resized(lambda image: resample.resize(image, (7, 5), method="bicubic")),
    "resize corners": resized(
        lambda image: resample.resize(
            image, (18, 7), method="bilinear", align_corners=True
        )
    ),
    "resize doubled": resized(
        lambda image: resample.rescale(image, 2, method="bilinear")
    ),
    "rescale": resized(lambda image: resample.rescale(image, 0.6, method="lanczos")),
    "crop_resize": resized(
        lambda image, extra: resample.crop_resize(
            image, 4 * extra[..., 0, 0, [0, 1, 0, 1]] + 3, (6, 9), method="bilinear"
        ),
        channels=(3, 2),
    ),
    "warp": resized(
        lambda image, flow: resample.warp(image, 9 * flow), channels=(3, 2)
    ),
    "shuffle_quadrants": Case(
        lambda image: resample.shuffle_quadrants(KEY, image), is_random=True
    ),
    "place": resized(
        lambda image, extra: augment.place(
            image,
            augment.Placement(
                is_mirrored=extra[..., 0, 0, 0] > 0.5,
                shift=0.2 * extra[..., 0, 1, :2] - 0.1,
                scale=0.9 + 0.2 * extra[..., 1, 0, 0],
                angle=0.3 * extra[..., 1, 1, 0],
            ),
        ),
        channels=(3, 2),
    ),
    "fakeness_map": Case(fakeness.fakeness_map, channels=(3, 3)),
    "attention_map": Case(
        lambda region: fakeness.attention_map(region > 0.8), channels=(0,), atol=1e-6
    ),
    "srm": Case(residuals.srm, atol=1e-6),
    "high_pass": Case(residuals.high_pass, atol=1e-6),
    "enlargement_residual": Case(residuals.enlargement_residual, atol=1e-6),
    "noise_residual": Case(residuals.noise_residual, channels=(0,), atol=1e-6),
    "amplitude_phase": spectral(spectrum.amplitude_phase, channels=(0,)),
    "amplitude_phase log": spectral(
        lambda gray: spectrum.amplitude_phase(gray, log=True), channels=(0,)
    ),
    "log_spectrum": spectral(spectrum.log_spectrum),
    "split_bands": spectral(
        lambda image: jnp.stack(spectrum.split_bands(image, sigma=2.5), axis=-1)
    ),
    "azimuthal_power": spectral(spectrum.azimuthal_power),
    "azimuthal_power log": spectral(
        lambda image: spectrum.azimuthal_power(image, bins=4, log=True, around_dc=False)
    ),
    "azimuthal_power high": spectral(
        lambda image: spectrum.azimuthal_power(image, high=2.5)
    ),
    "equalize_spectrum": spectral(
        lambda image: spectrum.equalize_spectrum(image, np.float32([20, 3, 2, 1]))
    ),
    "dct2": spectral(spectrum.dct2, channels=(0,)),
    "idct2": spectral(spectrum.idct2, channels=(0,)),
    "log_dct": spectral(spectrum.log_dct),
}
# Of numbers and settings, of kernels, or of several pictures together.  Degradations
# draw for every picture, and have a common test of their own.
OTHERS = {
    *("to_float", "widened", "gaussian_sigma", "quantization_tables", "weight_matrix"),
    *("constrain", "fingerprint", "correlation", "nearest", "to_precision"),
    *("Placement", "draw_placement", "draw_shift", "photometric"),
}


def inputs(case):
    draw = np.random.default_rng(0)
    shapes = [(2, 3, *SIDES, *((c,) if c else ())) for c in case.channels]
    return [draw.random(shape, np.float32) for shape in shapes]


@functools.cache
def expected(name):
    case = CASES[name]
    return np.asarray(case.call(*inputs(case)))


def close(ours, name, *, part=()):
    case = CASES[name]
    np.testing.assert_allclose(
        ours, expected(name)[part], rtol=case.rtol, atol=case.atol
    )


class EveryOperation(chex.TestCase):
    """With jit and without, from the device and from the host."""

    @chex.all_variants(with_pmap=False)
    @parameterized.named_parameters((name, name) for name in CASES)
    def test_is_the_same(self, name):
        case = CASES[name]
        close(self.variant(case.call)(*inputs(case)), name)


@pytest.mark.parametrize("name", [n for n in CASES if not CASES[n].is_random])
def test_equals_its_vmap_and_one_picture(name):
    case = CASES[name]
    arrays = inputs(case)
    close(jax.vmap(jax.vmap(case.call))(*arrays), name)
    close(case.call(*(array[1, 2] for array in arrays)), name, part=(1, 2))


@pytest.mark.parametrize("name", CASES)
def test_other_shapes_are_refused_by_name(name):
    arrays = [np.zeros(5, np.float32), *inputs(CASES[name])[1:]]
    with pytest.raises(AssertionError, match=r"shape \(5,\) but expected"):
        CASES[name].call(*arrays)


def test_every_operation_has_a_row():
    paths = pkgutil.iter_modules(ops.__path__, f"{ops.__name__}.")
    modules = [importlib.import_module(path.name) for path in paths]
    public = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, callable)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if not module.__name__.endswith(".degrade")
    }
    assert public == {name.partition(" ")[0] for name in CASES} | OTHERS
