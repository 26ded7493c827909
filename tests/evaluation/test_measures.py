"""Measures per example, as a training takes them: on the device, the batch at hand."""

import jax
import numpy as np
import pytest

from jaxforensics.evaluation import metrics

OF_PICTURES = [metrics.psnr, metrics.ssim]
OF_MAPS = [
    metrics.cosine_similarity,
    metrics.soft_dice,
    metrics.iou,
    metrics.pixel_accuracy,
    metrics.iinc,
    metrics.map_psnr,
    metrics.map_ssim,
]


@pytest.mark.parametrize("metric", [*OF_PICTURES, *OF_MAPS], ids=lambda f: f.__name__)
def test_examples_are_measured_on_the_device(metric):
    """Within jit, without a transfer, one value for each example and no other's."""
    rng = np.random.default_rng(0)
    shape = (4, 16, 13, 3)
    given, wanted = "image", "real"
    if metric in OF_MAPS:
        shape = shape[:3]
        given, wanted = "mask", "mask"
    outputs = {given: rng.random(shape, np.float32)}
    batch = {wanted: rng.random(shape, np.float32), "valid": np.float32([1, 1, 1, 0])}
    outputs, batch = jax.device_put((outputs, batch))

    @jax.jit
    def measure(outputs, batch):
        return metric(outputs[given], batch[wanted])

    with jax.transfer_guard("disallow"):
        values = measure(outputs, batch)
    assert values.shape == (4,)
    for row in range(4):
        alone = metric(outputs[given][row], batch[wanted][row])
        np.testing.assert_allclose(values[row], alone, rtol=1e-5)


@pytest.mark.parametrize("metric", OF_MAPS, ids=lambda f: f.__name__)
def test_maps_of_bytes_are_refused(metric):
    """255 would count as 255 changed pixels."""
    with pytest.raises(ValueError, match="maps must be floats"):
        metric(np.ones((2, 4, 4), np.float32), np.full((2, 4, 4), 255, np.uint8))
    changed = np.ones((16, 16), bool)
    perfect = {metrics.iinc: 0.0, metrics.map_psnr: 100.0}
    assert float(metric(changed, changed)) == perfect.get(metric, 1.0)
