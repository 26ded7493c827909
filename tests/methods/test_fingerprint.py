"""NF: means of residuals against scipy, correlations against numpy, decisions."""

import jax
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from jaxforensics.methods import fingerprint

rng = np.random.default_rng(0)
SIDE, SOURCES = 16, 4  # the last of which is never seen
MARKS = rng.normal(0, 0.02, (3, SIDE, SIDE, 1))


def batch(count=12, *, padding=0):
    """Smooth pictures with the pattern of their source; padding is nonsense."""
    source = np.int32(np.arange(count) % 3)
    shade = rng.uniform(0.3, 0.7, (count, 1, 1, 3))
    image = shade + MARKS[source] + rng.normal(0, 0.005, (count, SIDE, SIDE, 3))
    valid = np.float32(np.arange(count) < count - padding)
    image[valid == 0] = rng.random((SIDE, SIDE, 3))
    label = np.int32(source > 0)
    image = np.float32(image)
    return {"image": image, "source": source, "label": label, "valid": valid}


def residuals(images):
    """A picture's luma less its adaptive Wiener filtering in windows of 3 x 3."""
    gray = np.float64(images) @ [0.299, 0.587, 0.114]
    found = []
    for x in gray:
        mean = uniform_filter(x, 3, mode="mirror")
        variance = uniform_filter(x**2, 3, mode="mirror") - mean**2
        noise = variance.mean()
        gain = np.maximum(variance - noise, 0) / np.maximum(variance, noise)
        found.append(x - mean - gain * (x - mean))
    return np.array(found)


@pytest.fixture(scope="module")
def trained():
    batches = [batch(), batch(padding=5), batch()]
    method = fingerprint.make(sources=SOURCES, steps=len(batches))
    state = method.init(jax.random.key(0), batches[0])
    step = jax.jit(method.stages[0].step)
    for each in batches:
        state, metrics = step(jax.random.key(1), state, each)
    assert metrics["sources_seen"] == 0.75 and int(state.step) == 3
    return method, state, batches


def test_fingerprints_are_mean_residuals(trained):
    _, state, batches = trained
    kept = [(b["image"][b["valid"] > 0], b["source"][b["valid"] > 0]) for b in batches]
    images, sources = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    means = [residuals(images[sources == s]).mean(0) for s in range(3)]
    stats = state.nets["fingerprints"].stats
    np.testing.assert_array_equal(stats["count"], [*np.bincount(sources), 0])
    np.testing.assert_allclose(stats["mean"][:3], means, atol=2e-6)


def test_answers_are_correlations(trained):
    method, state, _ = trained
    shown = batch(9)
    found = method.predict(state, shown)
    marks = np.float64(state.nets["fingerprints"].stats["mean"])
    for residual, logits in zip(
        residuals(shown["image"]), found["logits"], strict=True
    ):
        expected = [np.corrcoef(residual.ravel(), m.ravel())[0, 1] for m in marks[:3]]
        np.testing.assert_allclose(logits[:3], expected, atol=2e-4)
    assert (found["logits"][:, 3] == -1).all()  # nobody resembles the unknown
    fake, real = found["logits"][:, 1:].max(1), found["logits"][:, 0]
    np.testing.assert_allclose(found["score"], (2 + fake - real) / 4, atol=1e-6)
    assert (np.argmax(found["logits"], 1) == shown["source"]).all()
    assert ((found["score"] > 0.5) == shown["label"]).all()


def test_pictures_may_be_degraded_before():
    shown, averages = batch(), []
    for augment in ((), ({"name": "blur", "sizes": (5,)},)):
        method = fingerprint.make(sources=3, augment=augment, steps=1)
        state = method.init(jax.random.key(0), shown)
        state, _ = method.stages[0].step(jax.random.key(0), state, shown)
        averages.append(np.abs(state.nets["fingerprints"].stats["mean"]).mean())
    assert averages[1] < 0.5 * averages[0]


@pytest.mark.parametrize("reals", [(), (0, 1, 2), (5,)])
def test_reals_are_some_of_the_sources(reals):
    with pytest.raises(ValueError, match="of 3 sources .* cannot be the reals"):
        fingerprint.make(sources=3, reals=reals, steps=1)
