"""FFD: Xception's layers around a map, which numpy draws again."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)


def test_the_map_multiplies_the_features_of_block_seven():
    """What leaves block 7 and enters block 8, and the map between them by numpy."""
    module = models.build("ffd", num_classes=2)
    image = random.random((2, 40, 71, 3), np.float32)
    variables = filled(random, module, image)

    @jax.jit
    def run(variables, image):
        seen = {}

        def listen(call, args, kwargs, context):
            given = call(*args, **kwargs)
            if context.module.name in ("block_7", "block_8"):
                seen[context.module.name] = args[0], given
            return given

        with nn.intercept_methods(listen):
            logits, drawn = module.apply(variables, image, method="both")
        return logits, drawn, seen["block_7"][1], seen["block_8"][0]

    logits, drawn, left, entered = run(variables, image)
    assert logits.shape == (2, 2)
    params = variables["params"]
    padded = np.pad(np.float64(left), [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    kernel = np.float64(params["map_depthwise"]["kernel"])[:, :, 0]
    filtered = np.einsum("bhwcij,ijc->bhwc", windows, kernel)
    weights = np.float64(params["map_pointwise"]["kernel"])[0, 0, :, 0]
    expected = expit(filtered @ weights)
    assert np.ptp(expected) > 0.1 and drawn.shape == (2, *left.shape[1:3])
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(entered, left * drawn[..., None], rtol=1e-5, atol=1e-5)


def test_as_a_locator_it_has_the_same_layers():
    """Logits of the map that FFD draws, and its answers."""
    module = models.build("ffd")
    image = random.random((2, 33, 40, 3), np.float32)
    variables = filled(random, module, image)
    answers, drawn = jax.jit(lambda v, x: module.apply(v, x, method="both"))(
        variables, image
    )
    located = jax.jit(models.build("ffd_map").apply)(variables, image)
    np.testing.assert_allclose(located.answers, answers, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(expit(located.logits), drawn, rtol=0, atol=1e-5)


def test_called_it_is_a_detector_and_299_pixels_have_a_map_of_19():
    module = models.build("ffd")
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    (logits, drawn), variables = jax.eval_shape(
        lambda key, image: module.init_with_output(key, image, method="both"),
        jax.random.key(0),
        image,
    )
    assert drawn.shape == (1, 19, 19)
    alone = jax.eval_shape(module.apply, variables, image)
    assert alone.shape == logits.shape == (1, 1)
