"""Map measures against scikit-learn, scipy, published rows, and their empty cases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from sklearn import metrics as sk

from jaxforensics.evaluation.metrics import (
    cosine_similarity,
    iinc,
    iou,
    pixel_accuracy,
    soft_dice,
)

METRICS = [cosine_similarity, soft_dice, iou, pixel_accuracy, iinc]
ids = pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)


def maps(shape=(5, 9, 12), seed=0):
    rng = np.random.default_rng(seed)
    blobs = rng.random((2, *shape), np.float32)
    return np.where(blobs > 0.6, blobs, 0.08 * blobs)


def iinc_case_by_case(p, t):
    """Dang et al.'s Eq. 5 as it is written, in float64."""
    p, t = p >= 0.1, t >= 0.1
    inside, union = np.mean(p & t), np.mean(p | t)
    if not p.any() and not t.any():
        missed = 0.0
    elif not p.any() or not t.any():
        missed = 1.0
    else:
        missed = 2 - inside / np.mean(p) - inside / np.mean(t)
    return missed / (3 - union)


ORACLES = {
    cosine_similarity: lambda p, t: 1 - cosine(p.ravel(), t.ravel()),
    soft_dice: lambda p, t: 2 * np.sum(p * t) / (np.sum(p) + np.sum(t)),
    iou: lambda p, t: sk.jaccard_score((t >= 0.1).ravel(), (p >= 0.1).ravel()),
    pixel_accuracy: lambda p, t: sk.accuracy_score(
        (t >= 0.1).ravel(), (p >= 0.1).ravel()
    ),
    iinc: iinc_case_by_case,
}


@ids
def test_equals_its_oracle(metric):
    x, y = maps()
    want = [
        ORACLES[metric](np.float64(a), np.float64(b)) for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(metric(x, y), want, rtol=0, atol=1e-6)


@ids
def test_batch_axes_jit_and_vmap_agree(metric):
    x, y = maps((2, 3, 7, 8))
    got = metric(x, y)
    assert got.shape == (2, 3) and got.dtype == jnp.float32
    np.testing.assert_allclose(jax.jit(metric)(x, y), got, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.vmap(metric))(x, y), got, rtol=1e-6)
    np.testing.assert_allclose(metric(x[1, 2], y[1, 2]), got[1, 2], rtol=1e-6)
    half = metric(x.astype(jnp.bfloat16), y.astype(jnp.bfloat16))
    np.testing.assert_allclose(half, got, atol=0.02)


# prediction, target -> value; two empty maps, then an empty prediction or target.
EMPTY = {
    cosine_similarity: (1.0, 0.0),
    soft_dice: (1.0, 0.0),
    iou: (1.0, 0.0),
    pixel_accuracy: (1.0, 0.5),
    iinc: (0.0, 1 / (3 - 0.5)),
}


@ids
def test_empty_maps(metric):
    empty, half = np.zeros((2, 4, 4), np.float32)
    half[:2] = 0.7
    both, one = EMPTY[metric]
    assert float(metric(empty, empty)) == both
    np.testing.assert_allclose(metric(half, empty), one, rtol=1e-6)
    np.testing.assert_allclose(metric(empty, half), one, rtol=1e-6)
    perfect = 0.0 if metric is iinc else 0.7 if metric is soft_dice else 1.0
    np.testing.assert_allclose(metric(half, half), perfect, rtol=1e-6)


def test_published_rows_of_whole_images():
    # FakeLocator, Table V, PGGAN and StyleGAN (target all ones): IoU, PBCA, IINC.
    target = np.ones((100, 100), np.float32)
    for share, published in [(0.9809, 0.0095), (0.8052, 0.0973), (0.9993, 0.0003)]:
        prediction = np.arange(10000).reshape(100, 100) < round(share * 10000)
        prediction = prediction.astype(np.float32)
        assert float(iou(prediction, target)) == pytest.approx(share, abs=1e-6)
        assert float(pixel_accuracy(prediction, target)) == pytest.approx(
            share, abs=1e-6
        )
        # The table cuts digits off rather than rounding them.
        assert 0 <= float(iinc(prediction, target)) - published < 1e-4 + 1e-6


def test_iinc_extremes():
    left = np.zeros((4, 4), np.float32)
    left[:, :2] = 1
    assert float(iinc(left, 1 - left)) == 1.0
    assert float(iinc(left, left)) == 0.0


def test_the_threshold_belongs_to_the_changed_pixels():
    x, y = np.full((2, 2), 0.5, np.float32), np.full((2, 2), 0.25, np.float32)
    for metric in (iou, pixel_accuracy):
        assert float(metric(x, y, threshold=0.5)) == 0.0
        assert float(metric(x, y, threshold=0.25)) == 1.0
        assert float(metric(x, y)) == 1.0
    assert float(iinc(x, y, threshold=0.5)) == 0.5


def test_cosine_of_tiny_maps():
    x, y = maps()
    want = cosine_similarity(x, y)
    np.testing.assert_allclose(cosine_similarity(1e-30 * x, y), want, rtol=1e-5)


@pytest.mark.parametrize("metric", [cosine_similarity, soft_dice])
def test_gradients_are_right_and_finite_everywhere(metric):
    x, y = maps((4, 5))
    step = np.random.default_rng(1).standard_normal(x.shape)
    slope = np.sum(np.float64(jax.grad(metric)(x, y)) * step)
    x64, y64 = np.float64(x), np.float64(y)
    ends = [ORACLES[metric](x64 + sign * 1e-6 * step, y64) for sign in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3)
    zero = np.zeros((4, 5), np.float32)
    for target in (zero, y):
        assert np.isfinite(jax.grad(metric)(zero, target)).all()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16))
def test_symmetry_and_bounds(seed):
    x, y = maps((4, 4), seed=seed)
    for metric in METRICS:
        value = float(metric(x, y))
        assert 0 <= value <= 1 + 1e-6
        assert value == pytest.approx(float(metric(y, x)), abs=1e-6)


@ids
def test_maps_of_different_shape_are_refused(metric):
    x, y = maps()
    with pytest.raises(ValueError, match="differ"):
        metric(x, y[0])
