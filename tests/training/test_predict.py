"""Scores under many operations in one pass, against one operation at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxforensics.ops import degrade
from jaxforensics.training import predict
from jaxforensics.training.predict import Predictor

SHAPE = (9, 11, 3)


def batches():
    """Ten pictures as bytes in batches of four, the last one padded."""
    image = np.random.default_rng(0).integers(0, 256, (12, *SHAPE), np.uint8)
    index = np.where(np.arange(12) < 10, np.arange(12), -1)
    columns = {"image": image, "index": index, "valid": np.float32(index >= 0)}
    for start in (0, 4, 8):
        yield {k: v[start : start + 4] for k, v in columns.items()}


def pictures():
    return [np.float32(batch["image"]) / 255 for batch in batches()]


def linear(state, batch):
    """A score that every pixel moves, and two logits."""
    logits = jnp.einsum("bhwc,khwc->bk", batch["image"], state) / np.prod(SHAPE)
    return {"score": logits[:, 0], "logits": logits}


@pytest.fixture(scope="module")
def state():
    return np.random.default_rng(1).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


def shake(amount, key, image):
    return image + amount * jax.random.normal(key, image.shape)


def test_operations_share_one_pass_one_program_and_one_noise(state, key):
    decoded = []
    predicted = []
    traced = []

    def predict(state, batch):
        predicted.append(batch["image"].shape)
        return linear(state, batch)

    def counted():
        for batch in batches():
            decoded.append(1)
            yield batch

    def traced_shake(amount, key, image):
        traced.append(amount)
        return shake(amount, key, image)

    grid = {f"shake {x}": Partial(traced_shake, x) for x in (0.1, 0.2, 0.3)}
    grid = {"dark": lambda key, image: image / 2} | grid
    names = ("none 0", *grid)
    predictor = Predictor(predict, state).through(grid, key)
    outputs = predictor.over(counted(), outputs=names)
    assert len(decoded) == 3
    # JAX traces a loop's body a few times over, however long the loop is.
    assert set(predicted) == {(4, *SHAPE)}
    assert len(predicted) < len(names) and len(traced) < len(grid)
    clean = np.concatenate([linear(state, {"image": x})["score"] for x in pictures()])
    np.testing.assert_allclose(outputs["none 0"], clean[:10], atol=1e-6)
    np.testing.assert_allclose(outputs["dark"], clean[:10] / 2, atol=1e-6)
    drawn = {x: outputs[f"shake {x}"] - outputs["none 0"] for x in (0.1, 0.2, 0.3)}
    for x in (0.2, 0.3):
        np.testing.assert_allclose(drawn[x], drawn[0.1] * x / 0.1, atol=1e-6)
    assert np.abs(drawn[0.1][:4] - drawn[0.1][4:8]).max() > 1e-4
    repeated = predictor.over(batches(), outputs=names)
    np.testing.assert_array_equal(repeated["shake 0.1"], outputs["shake 0.1"])


def test_a_grid_equals_its_operations_one_by_one(state, key):
    grid = {
        f"gamma {x}": degrade.chain(degrade.gamma(low=x, high=x), degrade.quantize())
        for x in (0.6, 2)
    }
    grid |= {f"jpeg {x}": degrade.jpeg(low=x, high=x) for x in (60, 61)}
    grid |= {f"mean {x}": degrade.mean(sizes=(x,)) for x in (3, 5)}
    grid |= {
        "noise": degrade.noise(low=2, high=9),
        "some": degrade.maybe(degrade.flip(), 0.5),
        "closure": degrade.chain(lambda key, image: 1 - image, degrade.flip()),
    }
    outputs = Predictor(linear, state).through(grid, key)
    outputs = outputs.over(batches(), outputs=tuple(grid))
    apply = jax.jit(lambda operation, key, image: operation(key, image))
    starts = [batch["index"][0] for batch in batches()]
    keys = [jax.random.fold_in(key, start) for start in starts]
    for name, operation in grid.items():
        if name == "closure":
            images = [1 - image[:, :, ::-1] for image in pictures()]
        else:
            images = [apply(operation, *x) for x in zip(keys, pictures(), strict=True)]
        scores = [linear(state, {"image": image})["score"] for image in images]
        expected = np.concatenate(scores)[:10]
        np.testing.assert_allclose(outputs[name], expected, atol=2e-6, err_msg=name)


def test_only_what_is_asked_for_is_computed(state, key):
    traced = []

    def note(name, key, image):
        traced.append(name)
        return image

    grid = {
        name: lambda key, image, name=name: note(name, key, image) for name in "abc"
    }
    predictor = Predictor(linear, state).through(grid, key)
    outputs = predictor.over(batches(), outputs=("b",))
    assert set(outputs) == {"b", "index"} and set(traced) == {"b"}
    assert set(predictor.over(batches())) == {"index"}
    several = Predictor(linear, state).through(grid, key, output="logits")
    several = several.over(batches(), outputs=("c",))["c"]
    assert several.shape == (10, 2)
    np.testing.assert_allclose(several[:, 0], outputs["b"], atol=1e-6)
    image = {"image": pictures()[0], "index": np.arange(4)}
    assert set(predictor(image)) == {"none 0", *grid}


def test_the_digest_tells_names_numbers_keys_and_outputs(state, key):
    predictor = Predictor(linear, state, digest="trained")

    def mark(name="jpeg", quality=60, key=key, output="score"):
        grid = {name: degrade.jpeg(low=quality, high=quality)}
        return predictor.through(grid, key, output=output).digest

    others = [
        mark(name="JP"),
        mark(quality=61),
        mark(key=jax.random.key(1)),
        mark(output="logits"),
        predictor.digest,
    ]
    assert mark() == mark() and len({mark(), *others}) == 1 + len(others)


def test_slow_predictions_show_how_far_they_are(state, monkeypatch, capsys):
    predictor = Predictor(linear, state)
    predictor.over(batches())
    assert "predicting" not in capsys.readouterr().err
    monkeypatch.setattr(predict, "PATIENCE", 0.0)
    predictor.over(batches())
    assert "predicting: 3batch" in capsys.readouterr().err


def test_names_travel_between_processes_as_bytes():
    names = np.array([["a", "Zürich/0.png", "x"], ["", "人", "y" * 255 + "ü"]])
    rows = predict._as_bytes(names)
    assert rows.shape == (2, 3, predict.NAME_BYTES) and rows.dtype == np.uint8
    expected = names.copy()
    expected[1, 2] = "y" * 255
    np.testing.assert_array_equal(predict._as_text(rows), expected)
    np.testing.assert_array_equal(predict._as_text(rows[:, 1]), names[:, 1])


def mirrored(predict, state, batch):
    """What a predictor says of pictures in a mirror, and how bright they are."""
    seen = batch | {"image": batch["image"][:, :, ::-1]}
    brightness = batch["image"].mean((1, 2, 3))
    return {"score": predict(state, seen)["score"], "brightness": brightness}


def test_by_a_function_pictures_are_seen_otherwise(state):
    predictor = Predictor(linear, state, digest="net")
    seen = predictor.by(mirrored, description="mirrored")
    columns = seen.over(batches(), outputs=("score", "brightness"))
    image = np.concatenate(pictures())[:10]
    expected = np.einsum("bhwc,hwc->b", image[:, :, ::-1], state[0]) / np.prod(SHAPE)
    np.testing.assert_allclose(columns["score"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(columns["brightness"], image.mean((1, 2, 3)), rtol=1e-5)
    assert seen.digest not in (predictor.digest, predictor.by(mirrored, description=""))


def test_predictors_of_a_method_share_what_they_are_seen_by(state):
    first = Predictor(linear, state).by(mirrored, description="mirrored")
    second = Predictor(linear, 2 * state).by(mirrored, description="mirrored")
    assert first._compile(("score",), None) is second._compile(("score",), None)
