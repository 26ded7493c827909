"""What tables say of maps: all-ones identities, regions, empty maps apart, means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import jaccard_score

from jaxforensics.evaluation import localisation, metrics, quality

random = np.random.default_rng(0)


def maps(*shape):
    """A prediction and a target, changed here and there."""
    blobs = random.random((2, *shape), np.float32)
    return np.where(blobs > 0.6, blobs, 0.08 * blobs)


def test_a_map_of_ones():
    """FakeLocator's Table V, its patch classifier on StarGAN, is such a map."""
    _, target = maps(4, 13, 17)
    ones = np.ones_like(target)
    found = localisation.measures(ones, target)
    area = (target >= 0.1).mean((1, 2))
    mean = target.mean((1, 2))
    for name, expected in {
        "iou": area,
        "pixel_accuracy": area,
        "iinc": (1 - area) / 2,
        "soft_dice": 2 * mean / (1 + mean),
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)
    assert (1 - 0.3887) / 2 == pytest.approx(0.3056, abs=1e-4)
    published = np.full((100, 100), 0.113, np.float32)
    assert float(metrics.soft_dice(np.ones_like(published), published)) == (
        pytest.approx(0.2033, abs=3e-4)
    )


def test_psnr_and_ssim_of_maps():
    predictions, targets = maps(3, 19, 14)
    for x, y, psnr, ssim in zip(
        predictions,
        targets,
        metrics.map_psnr(predictions, targets),
        metrics.map_ssim(predictions, targets),
        strict=True,
    ):
        assert float(psnr) == pytest.approx(
            peak_signal_noise_ratio(y, x, data_range=1), abs=1e-4
        )
        expected = structural_similarity(
            y,
            x,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
        )
        assert float(ssim) == pytest.approx(expected, abs=1e-5)
    assert float(metrics.map_psnr(targets[0], targets[0])) == 100
    assert float(metrics.map_psnr(targets[0], targets[0] + 1e-7)) == 100
    slope = jax.grad(lambda x: metrics.map_psnr(x, targets[0]))(jnp.array(targets[0]))
    assert np.isfinite(slope).all()


def test_the_map_of_similarity_is_what_ssim_averages():
    image, other = random.random((2, 21, 16, 3), np.float32)
    _, expected = structural_similarity(
        image,
        other,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
        full=True,
    )
    found = quality.ssim_map(image, other)
    inside = (slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(found[inside], expected.mean(-1)[inside], atol=1e-5)
    assert float(found[inside].mean()) == pytest.approx(
        float(quality.ssim(image, other)), abs=1e-6
    )
    assert float(found.mean()) == pytest.approx(
        float(quality.ssim(image, other, borders=True)), abs=1e-6
    )


def test_a_region_by_hand():
    """Two pixels of four: (0.5, 0) against (1, 0.2)."""
    prediction = np.float32([[0.5, 1], [0, 1]])
    target = np.float32([[1, 0], [0.2, 0]])
    region = np.array([[True, False], [True, False]])

    def value(metric):
        return float(metric(prediction, target, region=region))

    assert value(metrics.cosine_similarity) == pytest.approx(0.5 / (0.5 * 1.04**0.5))
    assert value(metrics.soft_dice) == pytest.approx(2 * 0.5 / 1.7)
    error = (0.5**2 + 0.2**2) / 2
    assert value(metrics.map_psnr) == pytest.approx(-10 * np.log10(error), abs=1e-4)
    assert value(metrics.iou) == pytest.approx(1 / 2)
    assert value(metrics.pixel_accuracy) == pytest.approx(1 / 2)
    assert value(metrics.iinc) == pytest.approx((2 - 1 - 1 / 2) / (3 - 1))
    # The other two pixels are wrong altogether, and change nothing.
    right = np.where(region, prediction, target)
    for metric in (metrics.cosine_similarity, metrics.map_psnr, metrics.iou):
        assert float(metric(right, target, region=region)) == value(metric)
        assert float(metric(prediction, target)) != value(metric)


@pytest.mark.parametrize("name", ["cosine_similarity", "soft_dice", "iou", "iinc"])
def test_a_region_is_a_picture_of_its_pixels(name):
    metric = getattr(metrics, name)
    predictions, targets = maps(3, 9, 8)
    regions = random.random((3, 9, 8)) < 0.4
    found = jax.jit(lambda x, y, r: metric(x, y, region=r))(
        predictions, targets, regions
    )
    expected = [
        metric(x[r][None], y[r][None])
        for x, y, r in zip(predictions, targets, regions, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_similarity_in_a_region_is_that_of_the_whole_map_there():
    prediction, target = maps(20, 15)
    region = np.zeros((20, 15), bool)
    region[3:9, 4:7] = True
    everywhere = quality.ssim_map(prediction[..., None], target[..., None])
    expected = np.asarray(everywhere)[region].mean()
    found = metrics.map_ssim(prediction, target, region=region)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_a_region_without_pixels_has_no_value():
    prediction, target = maps(12, 12)
    found = localisation.measures(prediction, target, region=np.zeros((12, 12)))
    assert set(found) == {
        *("region_cosine_similarity", "region_map_psnr", "region_map_ssim")
    }
    assert all(np.isnan(value) for value in found.values())
    for metric in (
        metrics.iou,
        metrics.pixel_accuracy,
        metrics.iinc,
        metrics.soft_dice,
    ):
        assert np.isnan(metric(prediction, target, region=np.zeros((12, 12))))


def test_false_area_and_agreement():
    shown = np.zeros((3, 10, 20), np.float32)
    shown[1, 0, 0] = 0.1  # half a hundredth: enough
    shown[2, :5] = 0.09
    np.testing.assert_allclose(metrics.false_area(shown), [0, 0.005, 0], atol=1e-7)
    found = metrics.agreement(shown, np.float32([0.2, 0.7, 0.9]))
    np.testing.assert_allclose(found, [0.8, 0.7, 0.1], rtol=1e-6)
    np.testing.assert_array_equal(metrics.has_change(shown), [False, True, False])


def test_a_map_has_the_score_of_its_highest_pixels():
    shown = random.random((2, 20, 15), np.float32)
    expected = np.sort(shown.reshape(2, -1))[:, -3:].mean(1)
    np.testing.assert_allclose(localisation.map_score(shown), expected, rtol=1e-6)
    assert float(localisation.map_score(shown[0, :2, :2])) == shown[0, :2, :2].max()


def test_parsing():
    given, said = random.integers(0, 4, (2, 3, 7, 9))
    given[0][given[0] == 3] = 0
    said[0][said[0] == 3] = 1
    found = metrics.parsing_iou(said, given, 6)
    expected = [
        jaccard_score(x.ravel(), y.ravel(), labels=np.union1d(x, y), average="macro")
        for x, y in zip(given, said, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_summary_counts_whom_it_should():
    """Fakes; of those the changed; reals; regions that exist; and not the rest."""
    columns = {
        "label": np.array([1, 1, 0, 1]),
        "cosine_similarity": np.array([0.2, 0.4, 9.0, 0.9]),
        "iou": np.array([0.5, 1.0, 9.0, 0.7]),  # the second: two empty maps
        "has_change": np.array([1.0, 0.0, 0.0, 1.0]),
        "false_area": np.array([0.9, 0.9, 0.25, 0.9]),
        "region_map_psnr": np.array([20.0, np.nan, np.nan, 30.0]),
        "score": np.array([1.0, 1.0, 1.0, 1.0]),
    }
    found = localisation.summarise(columns)
    assert found == {
        "cosine_similarity": pytest.approx(0.5),
        "iou": pytest.approx(0.6),
        "has_change": pytest.approx(2 / 3),
        "false_area": pytest.approx(0.25),
        "region_map_psnr": pytest.approx(25),
    }
