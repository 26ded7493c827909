"""Batches of several frames of a clip pass where batches of pictures do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxforensics.training import fit, loop
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.nets import (
    Method,
    Net,
    Stage,
    descend,
    masked_mean,
    new_state,
)
from jaxforensics.training.predict import Predictor
from jaxforensics.training.watch import Watch

FRAMES = 3
SIZE = 5
STEPS = 4


class Clips:
    """Clips of bytes in batches of four; the later frames tell the label."""

    batch_size = 4
    digest = "clips"

    def batches(self, start=0):
        while True:
            yield self.batch(start)
            start += 1

    def validation(self):
        yield self.batch(100)
        yield self.batch(101, padding=3)

    def batch(self, step, *, padding=0):
        draw = np.random.default_rng([7, step])
        label = draw.integers(0, 2, 4).astype(np.int32)
        image = draw.integers(0, 128, (4, FRAMES, SIZE, SIZE, 3))
        image[:, 1:] += 100 * label[:, None, None, None, None]
        mask = draw.integers(0, 256, (4, FRAMES, SIZE, SIZE))
        numbers = 4 * step + np.arange(4)
        return {
            "image": image.astype(np.uint8),
            "mask": mask.astype(np.uint8),
            "label": label,
            "valid": np.float32(np.arange(4) < 4 - padding),
            "index": numbers,
            "video": np.asarray([f"video{n}" for n in numbers]),
            "group": np.asarray([f"person{n // 2}" for n in numbers]),
        }


def averaging():
    """Logistic regression on pixels averaged over frames."""
    tx = optax.sgd(0.5)

    def init(key, batch):
        del key
        weights = jnp.zeros(batch["image"].shape[-3:])
        return new_state(linear=Net(weights, {}, tx.init(weights)))

    def logits_of(weights, image):
        return jnp.einsum("bhwc,hwc->b", image.mean(1), weights)

    def step(key, state, batch):
        del key
        assert batch["image"].shape == (4, FRAMES, SIZE, SIZE, 3)
        assert batch["image"].dtype == batch["mask"].dtype == jnp.float32

        def loss(params):
            logits = logits_of(params["linear"], batch["image"])
            losses = optax.sigmoid_binary_cross_entropy(logits, batch["label"])
            value = masked_mean(losses, batch["valid"])
            return value, ({}, {"loss": value})

        nets, metrics = descend({"linear": tx}, state.nets, loss, "linear")
        return state.replace(step=state.step + 1, nets=nets), metrics

    def predict(state, batch):
        logits = logits_of(state.nets["linear"].params, batch["image"])
        return {"logits": logits, "score": jax.nn.sigmoid(logits)}

    return Method(init, (Stage("train", STEPS, "clips", step),), predict, {})


def brightness(outputs, batch):
    """Of a clip and of its masks, over all frames: (b,) each."""
    return {
        "clip": batch["image"].mean((1, 2, 3, 4)),
        "masks": batch["mask"].mean((1, 2, 3)),
    }


@pytest.mark.parametrize("devices", [1, 4])
def test_clips_are_trained_on_and_predicted(tmp_path, devices):
    mesh = data_mesh(devices=jax.devices()[:devices])
    streams = {"clips": Clips()}
    fitted = fit.fit(
        tmp_path,
        averaging(),
        streams,
        seed=0,
        watch=Watch(measures=brightness, select="clip"),
        mesh=mesh,
    )
    weights = np.zeros((SIZE, SIZE, 3))
    for step in range(STEPS):
        batch = Clips().batch(step)
        means = np.float64(batch["image"]).mean(1) / 255
        scores = 1 / (1 + np.exp(-np.einsum("bhwc,hwc->b", means, weights)))
        errors = (batch["label"] - scores) / 4
        weights = weights + 0.5 * np.einsum("bhwc,b->hwc", means, errors)
    np.testing.assert_allclose(
        fitted.state.nets["linear"].params, weights, rtol=1e-4, atol=1e-6
    )

    predictor = Predictor(averaging().predict, fitted.state, mesh=mesh)
    columns = predictor.over(Clips().validation(), measures=brightness)
    clips = [Clips().batch(100), Clips().batch(101)]
    chosen = np.array([*range(4), 4])  # the second batch is one clip and padding
    assert set(columns) == {
        *("logits", "score", "label", "index"),
        *("video", "group", "clip", "masks"),
    }
    for name in ("label", "index", "video", "group"):
        expected = np.concatenate([batch[name] for batch in clips])[chosen]
        np.testing.assert_array_equal(columns[name], expected, err_msg=name)
    images = np.concatenate([batch["image"] for batch in clips])[chosen] / 255
    logits = np.einsum("bhwc,hwc->b", images.mean(1), weights)
    np.testing.assert_allclose(columns["logits"], logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(columns["clip"], images.mean((1, 2, 3, 4)), rtol=1e-5)
    best = fitted.note["best"]
    assert best["value"] == pytest.approx(images.mean(), rel=1e-5)


def test_the_initial_state_sees_a_clip_of_floats():
    shapes = []

    def init(key, batch):
        shapes.append({name: (v.shape, v.dtype) for name, v in batch.items()})
        return averaging().init(key, batch)

    method = averaging()._replace(init=init)
    loop.initial_state(method, {"clips": Clips()}, seed=0, mesh=data_mesh())
    assert shapes[0]["image"] == ((1, FRAMES, SIZE, SIZE, 3), np.float32)
    assert "video" not in shapes[0] and "group" not in shapes[0]
