"""SSIM and its gradient against scikit-image, the AUC bootstrap against a loop."""

import jax
import numpy as np
from harness import compare, save
from skimage.metrics import structural_similarity
from sklearn.metrics import roc_auc_score

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.intervals import bootstrap

SETTINGS = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1,
    "channel_axis": -1,
}


def images(shape):
    rng = np.random.default_rng(0)
    x = rng.random(shape, np.float32)
    return x, np.clip(x + 0.1 * rng.standard_normal(shape, np.float32), 0, 1)


def ssim(name, shape, *, goal):
    """The forward pass must reach `goal`, the gradient scikit-image's own."""
    x, y = images(shape)
    device = jax.device_put((x, y))
    forward = jax.jit(metrics.ssim)
    backward = jax.jit(jax.grad(lambda x, y: metrics.ssim(x, y).sum()))

    def peer(*, gradient=False):
        return [
            structural_similarity(a, b, gradient=gradient, **SETTINGS)
            for a, b in zip(x, y, strict=True)
        ]

    np.testing.assert_allclose(forward(*device), peer(), rtol=0, atol=1e-5)
    skimage = "skimage, image by image"
    return [
        compare(
            f"ssim {name}", lambda: forward(*device), peer, peer_name=skimage, goal=goal
        ),
        compare(
            f"ssim gradient {name}",
            lambda: backward(*device),
            lambda: peer(gradient=True),
            peer_name=skimage,
            goal=1,
        ),
    ]


def auc_bootstrap(*, size=10_000, samples=1000, looped=20):
    """1000 resamples of 10k scores; the loop runs `looped` of them, scaled up."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size)
    scores = rng.normal(size=size) + labels

    def ours():
        return bootstrap(metrics.auc, labels, scores, samples=samples)

    def peer():
        for _ in range(looped):
            rows = rng.integers(size, size=size)
            roc_auc_score(labels[rows], scores[rows])

    row = compare(
        f"auc bootstrap {size} x {samples}",
        ours,
        peer,
        peer_name=f"scikit-learn, {looped} of {samples}",
        goal=looped / samples,
        rounds=5,
    )
    whole = row["ratio"] * samples / looped
    print(f"{'':34s} all {samples} resamples: {whole:.1f}x faster", flush=True)
    return row | {"ratio_of_all_resamples": whole}


def main():
    print(f"{jax.devices()[0].device_kind}, {len(jax.devices())} device(s)")
    rows = [
        *ssim("32 x 128x128x3", (32, 128, 128, 3), goal=1.5),
        *ssim("2 x 1024x1024x3", (2, 1024, 1024, 3), goal=1),
        auc_bootstrap(),
    ]
    save(rows, "metrics")


if __name__ == "__main__":
    main()
