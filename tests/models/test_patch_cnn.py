"""Patch-CNN: Xception's own maps, mean probabilities in numpy, what a patch sees."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special
from variables import filled

from jaxforensics import models
from jaxforensics.models import patch_cnn

random = np.random.default_rng(0)


def below(whole, part):
    """The variables of `whole` that `part` names too."""
    if not isinstance(part, dict):
        return whole
    return {name: below(whole[name], part[name]) for name in part if name in whole}


def test_patches_are_a_1x1_convolution_of_xceptions_maps():
    shape = 2, 37, 46, 3
    image = random.random(shape, np.float32)
    xception = models.build("xception", num_classes=3)
    whole = filled(random, xception, shape)
    module = models.build("patch_cnn", num_classes=3)
    variables = filled(random, module, shape)
    head = variables["params"]["logits"]
    variables = below(whole, variables)
    variables["params"] = variables["params"] | {"logits": head}

    @jax.jit
    def maps(variables, image):
        def seen(module, method):
            return module.name == "block_2"

        _, state = xception.apply(variables, image, capture_intermediates=seen)
        return state["intermediates"]["block_2"]["__call__"][0]

    x = np.float64(maps(whole, image))
    patches = jax.jit(lambda v, x: module.apply(v, x, method="patches"))
    expected = x @ np.float64(head["kernel"])[0, 0] + head["bias"]
    found = patches(variables, image)
    assert found.shape == (2, 4, 5, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    mean = special.softmax(expected, axis=-1).mean((1, 2))
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(jax.nn.softmax(logits), mean, atol=1e-4)
    np.testing.assert_allclose(logits, np.log(mean), atol=1e-3)


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("spread", [1, 100])
def test_pooled_logits_are_those_of_the_mean_probability(classes, spread):
    """Also where sigmoids are 0 or 1 in float32, and their gradients with them."""
    logits = spread * random.normal(size=(3, 4, 5, classes))
    logits[0] = -np.abs(logits[0]) if classes == 1 else logits[0]
    if classes == 1:
        fake, real = (special.expit(x).mean((1, 2)) for x in (logits, -logits))
        expected = np.log(fake) - np.log(real)
    else:
        expected = special.log_softmax(logits, axis=-1)
        expected = special.logsumexp(expected, axis=(1, 2)) - np.log(20)
    logits = jnp.float32(logits)
    np.testing.assert_allclose(patch_cnn.pooled(logits), expected, rtol=1e-4, atol=1e-5)
    gradient = jax.jit(jax.grad(lambda x: patch_cnn.pooled(x)[..., 0].sum()))(logits)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    same = jnp.broadcast_to(logits[:, :1, :1], logits.shape)
    alone = same[:, 0, 0] if classes == 1 else jax.nn.log_softmax(same[:, 0, 0])
    np.testing.assert_allclose(patch_cnn.pooled(same), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("block, width, apart", [(1, 19, 4), (2, 43, 8)])
def test_a_patch_sees_its_window_and_nothing_else(block, width, apart):
    """Noise in the last corner: the patches whose windows reach it change, no other."""
    module = models.build("patch_cnn", block=block)
    shape = 2, 87, 71, 3  # odd: the stem has no border, and leaves out no last column
    image = np.repeat(random.random((1, *shape[1:]), np.float32), 2, axis=0)
    image[1, -1, -1] += 5
    variables = filled(random, module, shape)
    patches = jax.jit(lambda v, x: module.apply(v, x, method="patches"))
    before, after = np.asarray(patches(variables, image))[..., 0]
    changed = np.abs(after - before) > 1e-5  # more than rounding
    starts = (np.arange(n) * apart + 3 - width // 2 for n in before.shape)
    reach = (a + width > n - 1 for a, n in zip(starts, shape[1:3], strict=True))
    rows, columns = reach
    np.testing.assert_array_equal(changed, rows[:, None] & columns[None])
    assert changed.any() and not changed.all()


def test_weights_start_small_and_normalisations_around_one(key):
    module = models.build("patch_cnn", block=1)
    image = jnp.zeros((1, 7, 7, 3))
    params = jax.jit(module.init)(key, image)["params"]
    kernel = params["block_1"]["separable_2"]["pointwise"]["kernel"]
    assert jnp.std(kernel) == pytest.approx(0.02 * np.sqrt(2 / 256), rel=0.03)
    kernel = params["block_1"]["separable_2"]["depthwise"]["kernel"]
    spread = 0.02 * np.sqrt(2 / (9 + 9 * 128))
    assert jnp.std(kernel) == pytest.approx(spread, rel=0.1)
    assert jnp.max(jnp.abs(kernel)) > 2.5 * spread  # a normal that is not cut off
    spread = 0.02 * np.sqrt(2 / (128 + 1))
    assert jnp.std(params["logits"]["kernel"]) == pytest.approx(spread, rel=0.25)
    scale = params["block_1"]["separable_2"]["norm"]["scale"]
    assert jnp.mean(scale) == pytest.approx(1, abs=0.01)
    assert jnp.std(scale) == pytest.approx(0.02, rel=0.25)


def test_training_on_patches():
    """The picture's label at every patch: gradients, moved statistics."""
    module = models.build("patch_cnn", num_classes=2, block=1)
    image = random.random((3, 19, 22, 3), np.float32)
    variables = filled(random, module, image.shape)
    label = jnp.array([0, 1, 1])

    @jax.jit
    def train(params):
        def loss(params):
            logits, moved = module.apply(
                variables | {"params": params},
                image,
                train=True,
                method="patches",
                mutable=["batch_stats"],
            )
            labels = jnp.broadcast_to(label[:, None, None], logits.shape[:-1])
            values = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return values.mean(), moved["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    gradients, moved = train(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 1e-5, path
    changed = jax.tree.map(lambda a, b: (a != b).all(), moved, variables["batch_stats"])
    assert all(jax.tree.leaves(changed))


def test_bfloat16():
    image = random.random((2, 24, 24, 3), np.float32)
    variables = filled(random, models.build("patch_cnn"), image.shape)
    exact, half = (
        jax.jit(models.build("patch_cnn", dtype=dtype).apply)(variables, image)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, exact, atol=0.1)
    assert (half != exact).all()


def test_errors_name_the_block_and_the_size():
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    for block in (0, 13):
        module = models.build("patch_cnn", block=block)
        with pytest.raises(ValueError, match=f"block {block} .*blocks are 1 to 12"):
            jax.eval_shape(module.init, jax.random.key(0), image)
    image = jax.ShapeDtypeStruct((1, 6, 32, 3), jnp.float32)
    for name in ("patch_cnn", "xception"):
        with pytest.raises(ValueError, match="6x32 pixels: .* 7x7"):
            jax.eval_shape(models.build(name).init, jax.random.key(0), image)
