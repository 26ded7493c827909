"""AMTEN's maps, their content, and the pictures that they are drawn of."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from configs import amten as config
from jaxforensics import models
from jaxforensics.experiments.amten import traces
from jaxforensics.training.nets import Net, State


def test_content_is_the_share_that_colours_explain():
    rng = np.random.default_rng(0)
    images = rng.random((2, 9, 7, 3))
    maps = np.stack(
        [
            images @ [0.2, 0.5, -1],  # nothing else
            images[..., 0] + rng.standard_normal((2, 9, 7)),
            rng.standard_normal((2, 9, 7)),
            np.full((2, 9, 7), 3.0),
        ],
        axis=-1,
    )
    shares = traces.content(maps, images)
    assert shares[:, 0] == pytest.approx(1)
    assert np.isnan(shares[:, 3]).all()
    for i, c in np.ndindex(2, 3):
        x, y = images[i].reshape(-1, 3), maps[i, ..., c].ravel()
        oracle = LinearRegression().fit(x, y).score(x, y)
        assert shares[i, c] == pytest.approx(oracle, abs=1e-9)


def test_mean_content_leaves_out_the_border_and_constant_maps():
    rng = np.random.default_rng(0)
    images = rng.random((2, 14, 14, 3))
    colour = images[..., 0].copy()
    colour[:, :5] = colour[:, -5:] = rng.random((2, 5, 14))
    maps = np.stack([colour, np.ones_like(colour)], axis=-1)
    assert traces.mean_content(maps, images) == pytest.approx(1)
    assert np.isnan(traces.mean_content(maps[..., 1:], images))


def predictor_of(params):
    return SimpleNamespace(state=State(0, {"classifier": Net(params, {}, ())}))


@pytest.mark.parametrize(
    ("title", "widths"),
    [
        ("AMTENnet", {"F2": 6, "F1": 3, "F_mt": 3}),
        ("AMTEN_2", {"F2": 6, "F1": 3}),
        ("AMTEN_4", {"F2": 12, "F1": 3, "F_mt": 3}),
    ],
)
def test_maps_are_those_of_the_network(key, title, widths):
    settings = dict(config.MODELS[title])
    net = models.build(settings.pop("model"), num_classes=2, **settings)
    images = jax.random.uniform(key, (2, 32, 32, 3))
    params = net.init(key, images)["params"]
    maps = traces.maps(config.MODELS[title], predictor_of(params), images)
    assert {name: part.shape[-1] for name, part in maps.items()} == widths
    if "F_mt" in maps:
        kernel = params["amten"]["conv_1"]["kernel"]
        expected = jax.lax.conv_general_dilated(
            255 * images,
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        np.testing.assert_allclose(maps["F_mt"], expected - 255 * images, atol=1e-3)


def test_examples_are_a_real_then_fakes_then_other_reals(tiny):
    images, sources = traces.examples(tiny.main.test)
    assert sources == ["real", "began", "pggan"]
    assert images.shape == (3, 64, 64, 3) and images.dtype == np.float32
    assert 0 <= images.min() and images.max() <= 1
