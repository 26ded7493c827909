"""U-Net, parser and branch: layers in float64, odd sizes, attention, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers64 import Reference, correlate
from variables import filled

from jaxforensics import models
from jaxforensics.models.branch import Branch

random = np.random.default_rng(0)
SHAPE = 2, 13, 18, 3


def pair(reference, x):
    for i in (1, 2):
        x = np.maximum(reference.normed(x, f"conv_{i}", f"norm_{i}", size=3), 0)
    return x


def halved(x):
    """Maxima of 2 x 2, the last of an odd side alone: borders as jax's "SAME"."""
    sides = [(0, n % 2) for n in x.shape[1:3]]
    x = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=-np.inf)
    rows = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def enlarged(x, shape):
    """Linear between centres of pixels, along rows and then along columns."""
    for axis, size in zip((1, 2), shape, strict=True):
        places = (np.arange(size) + 0.5) * x.shape[axis] / size - 0.5
        known = np.arange(x.shape[axis])
        x = np.apply_along_axis(
            lambda row, k=known, p=places: np.interp(p, k, row), axis, x
        )
    return x


def unet(variables, image):
    """Two levels in numpy."""
    reference = Reference(variables)
    mean = np.array([0.485, 0.456, 0.406])
    x = (np.float64(image) - mean) / np.array([0.229, 0.224, 0.225])
    near = pair(reference.inside("down_1"), x)
    features = pair(reference.inside("down_2"), halved(near))
    x = np.concatenate([near, enlarged(features, near.shape[1:3])], -1)
    x = pair(reference.inside("up_1"), x)
    logits = variables["params"]["logits"]
    return x @ np.float64(logits["kernel"]) + logits["bias"], features


@pytest.fixture(scope="module")
def small():
    module = models.build("unet", width=4, levels=2)
    image = random.random(SHAPE, np.float32)
    return module, filled(random, module, image), image


def test_equals_numpy(small):
    module, variables, image = small
    logits, features = unet(variables, image)
    located = jax.jit(module.apply)(variables, image)
    for ours, expected in (
        (located.logits, logits[..., 0]),
        (located.features, features),
    ):
        scale = np.ptp(expected)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * scale)


def test_the_parser_is_a_unet_with_classes(small):
    _, variables, image = small
    module = models.build("face_parser", classes=5, width=4, levels=2)
    own = filled(random, module, image)
    params = variables["params"] | {"logits": own["params"]["logits"]}
    variables = variables | {"params": params}
    expected, _ = unet(variables, image)
    logits = jax.jit(module.apply)(variables, image)
    assert logits.shape == (*SHAPE[:3], 5)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_attention_weighs_the_last_level_alone(small):
    module, variables, image = small
    nowhere = np.zeros(SHAPE[:3], np.float32)

    @jax.jit
    def run(attention):
        return module.apply(variables, image, attention=attention)

    white, black = run(None), run(nowhere)
    np.testing.assert_array_equal(white.features, black.features)
    np.testing.assert_array_equal(white.features, white.attended)
    assert not np.any(black.attended)
    assert np.abs(white.logits - black.logits).max() > 1e-3


def test_the_branch_equals_numpy():
    module = Branch(widths=(5, 4), dense=(6,))
    features = random.normal(size=(2, 7, 4, 3)).astype(np.float32)
    variables = filled(random, module, features)
    params = variables["params"]
    x = np.float64(features)
    for i in (1, 2):
        layer = params[f"conv_{i}"]
        x = np.maximum(correlate(x, layer["kernel"], padding=1) + layer["bias"], 0)
    x = halved(x[:, :6]).reshape(2, -1)  # whole squares alone
    x = np.maximum(x @ params["dense_1"]["kernel"] + params["dense_1"]["bias"], 0)
    expected = x @ params["logits"]["kernel"] + params["logits"]["bias"]
    found = jax.jit(module.apply)(variables, features)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_branch_of_224_pixels_has_the_parameters_of_its_widths():
    features = jax.ShapeDtypeStruct((1, 28, 28, 2048), jnp.float32)
    params = jax.eval_shape(Branch().init, jax.random.key(0), features)
    assert sum(x.size for x in jax.tree.leaves(params)) == 6_728_545


@pytest.mark.parametrize(
    "module, shape, message",
    [
        (
            models.build("unet"),
            (1, 7, 20, 3),
            "7x20 pixels: a U-Net of 4 levels needs 8",
        ),
        (models.build("unet", attend_after=5), (1, 16, 16, 3), "1 to 4, not 5"),
        (Branch(), (1, 1, 5, 3), "features of 1x5: the branch needs 2x2"),
    ],
)
def test_what_is_refused(module, shape, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            module.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32)
        )
