"""EfficientNet: every layer in float64, both borders, what is left out at random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import filled

from jaxforensics import models
from jaxforensics.models import efficientnet

random = np.random.default_rng(0)


def windows(x, size, stride, padding):
    """(b, h, w, c) -> (b, h', w', c, size, size); "same" is TensorFlow's rule."""
    sides = []
    for length in x.shape[1:3]:
        missing = max((-(-length // stride) - 1) * stride + size - length, 0)
        before, after = missing // 2, missing - missing // 2
        if padding == "symmetric":
            before = after = (size - 1) // 2
        sides.append((before, after))
    x = np.pad(x, [(0, 0), *sides, (0, 0)])
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return view[:, ::stride, ::stride]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Reference:
    """The network in numpy, from its variables."""

    def __init__(self, variables, *, padding, lite):
        self.variables = variables
        self.padding = padding
        self.lite = lite

    def layer(self, *path):
        params, stats = self.variables["params"], self.variables["batch_stats"]
        for name in path:
            params, stats = params[name], stats.get(name, {})
        return {k: np.float64(v) for k, v in {**params, **stats}.items()}

    def conv(self, x, *path, stride=1):
        kernel = self.layer(*path)["kernel"]
        view = windows(x, len(kernel), stride, self.padding)
        return np.tensordot(view, kernel, ([3, 4, 5], [2, 0, 1]))

    def norm(self, x, *path):
        at = self.layer(*path)
        return (x - at["mean"]) / np.sqrt(at["var"] + 1e-3) * at["scale"] + at["bias"]

    def activate(self, x):
        return np.clip(x, 0, 6) if self.lite else x * sigmoid(x)

    def dense(self, x, *path):
        at = self.layer(*path)
        return x @ at["kernel"] + at["bias"]

    def block(self, x, name, stage, stride):
        given = x
        if stage.expansion > 1:
            x = self.conv(x, name, "expand")
            x = self.activate(self.norm(x, name, "expand_norm"))
        kernel = self.layer(name, "depthwise")["kernel"][:, :, 0]
        view = windows(x, stage.size, stride, self.padding)
        x = np.einsum("bhwcij,ijc->bhwc", view, kernel)
        x = self.activate(self.norm(x, name, "depthwise_norm"))
        if not self.lite:
            y = self.dense(x.mean((1, 2), keepdims=True), name, "attention", "reduce")
            x = x * sigmoid(self.dense(y * sigmoid(y), name, "attention", "expand"))
        x = self.norm(self.conv(x, name, "project"), name, "project_norm")
        return given + x if x.shape == given.shape else x

    def __call__(self, image, stages):
        x = self.conv(2 * np.float64(image) - 1, "stem", stride=2)
        x = self.activate(self.norm(x, "stem_norm"))
        for place, stage in enumerate(stages, 1):
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                x = self.block(x, f"block_{place}_{i}", stage, stride)
        x = self.activate(self.norm(self.conv(x, "head"), "head_norm"))
        return self.dense(x.mean((1, 2)), "logits")


@pytest.mark.parametrize(
    "scale, padding, shape",
    [
        ("b0", "same", (2, 50, 37, 3)),
        ("b0", "symmetric", (1, 64, 39, 3)),
        ("lite0", "same", (1, 38, 41, 3)),
    ],
)
def test_equals_numpy(scale, padding, shape):
    module = models.build(
        f"efficientnet_{scale}", num_classes=3, shrink=0.25, padding=padding
    )
    image = random.random(shape, np.float32)
    variables = filled(random, module, image)
    stages, _, _ = efficientnet.widths(scale, shrink=0.25)
    reference = Reference(variables, padding=padding, lite=scale == "lite0")
    expected = reference(image, stages)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))


def test_widths_are_those_of_the_papers_table():
    stages, stem, head = efficientnet.widths("b0")
    assert (stem, head) == (32, 1280)
    assert [s.width for s in stages] == [16, 24, 40, 80, 112, 192, 320]
    stages, stem, head = efficientnet.widths("b7")
    assert (stem, head) == (64, 2560)
    assert [s.width for s in stages] == [32, 48, 80, 160, 224, 384, 640]
    assert [s.repeats for s in stages] == [4, 7, 7, 10, 10, 13, 4]


def test_whole_branches_are_left_out_at_random():
    """Of some pictures, in training, and what remains is as large on average."""
    stage = efficientnet.Stage(1, 3, 1, 1, 8)
    common = efficientnet.Common(False, "same", 0.9, 1e-3, jnp.float32)
    x = random.normal(size=(200, 4, 4, 8)).astype(np.float32)
    made = [efficientnet.Block(stage, 1, drop, common) for drop in (0.0, 0.4)]
    variables = filled(random, made[0], x, train=True)

    def branch(block):
        keys = {"dropout": jax.random.key(1)}
        y, _ = block.apply(variables, x, train=True, rngs=keys, mutable=["batch_stats"])
        return np.asarray(y) - x

    whole, dropped = branch(made[0]), branch(made[1])
    is_left_out = np.abs(dropped).max((1, 2, 3)) < 1e-6
    assert 0.25 < is_left_out.mean() < 0.55
    kept = dropped[~is_left_out], whole[~is_left_out]
    np.testing.assert_allclose(kept[0], kept[1] / 0.6, rtol=1e-3, atol=1e-4)


def test_a_stem_of_stride_one_keeps_the_size():
    module = models.build("efficientnet_b0", shrink=0.5, stem_stride=1)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)

    def last_map(variables, image):
        _, state = module.apply(variables, image, capture_intermediates=True)
        return state["intermediates"]["head_norm"]["__call__"][0]

    assert jax.eval_shape(last_map, variables, image).shape[1:3] == (4, 4)
