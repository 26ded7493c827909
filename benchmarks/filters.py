"""Filters and residuals against PyTorch and scipy: 32 colour pictures of 128x128.

Peers get the same float32 pictures.  PyTorch's may be planar or channels-last, one
convolution or several: the fastest of the listed ways is the one compared with.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from harness import compare, milliseconds, save

from jaxforensics.ops import filters, residuals

try:
    import torch
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/filters.py measures against PyTorch: pip install torch")

BATCH = 32
SIZE = 128  # pixels per side
WINDOW = 9
RADIUS = WINDOW // 2
OFFSETS = range(-RADIUS, RADIUS + 1)


def fastest(peers):
    """Name and function of the quickest of several ways to the same result."""
    times = {}
    for name, function in peers.items():
        milliseconds(function)
        times[name] = min(milliseconds(function) for _ in range(3))
    name = min(times, key=times.get)
    return {"peer_name": name, "peer": peers[name]}


def pad(planes, radius):
    return functional.pad(planes, (radius,) * 4, mode="reflect")


def unfold_pixelwise(planes, precision):
    """The usual formulation: all patches, times all weights."""
    offsets = torch.tensor(OFFSETS, dtype=torch.float32)
    squares = (offsets[:, None] ** 2 + offsets**2).reshape(1, -1, 1)
    weights = torch.exp(-squares / 2 * precision.flatten(1)[:, None])
    weights = weights / weights.sum(1, keepdim=True)
    patches = functional.unfold(pad(planes, RADIUS), WINDOW)
    patches = patches.reshape(BATCH, 3, WINDOW**2, -1)
    return (patches * weights[:, None]).sum(2).reshape(planes.shape)


def shifted_pixelwise(planes, precision):
    padded = pad(planes, RADIUS)
    total = norm = 0.0
    for u in OFFSETS:
        for v in OFFSETS:
            weight = torch.exp(-(u * u + v * v) / 2 * precision)[:, None]
            rows = padded[:, :, u + RADIUS : u + RADIUS + SIZE]
            total = total + weight * rows[..., v + RADIUS : v + RADIUS + SIZE]
            norm = norm + weight
    return total / norm


def without_gradient(function, *arrays):
    def call():
        with torch.no_grad():
            return function(*arrays)

    return call


def pixelwise(images):
    """Rows of the pixel-wise blur and of its gradient to image and map."""
    generator = np.random.default_rng(1)
    precision = generator.uniform(0.1, 4, images.shape[:-1]).astype(np.float32)
    cotangent = generator.standard_normal(images.shape, dtype=np.float32)
    device = [jnp.asarray(x) for x in (images, precision, cotangent)]
    planes = torch.tensor(np.moveaxis(images, -1, 1).copy(), requires_grad=True)
    weight = torch.tensor(precision, requires_grad=True)
    torch_cotangent = torch.tensor(np.moveaxis(cotangent, -1, 1).copy())

    def blur(image, precision):
        return filters.pixelwise_gaussian_blur(image, precision, size=WINDOW)

    @jax.jit
    def gradient(image, precision, cotangent):
        return jax.vjp(blur, image, precision)[1](cotangent)

    def torch_gradient():
        blurred = unfold_pixelwise(planes, weight)
        return torch.autograd.grad(blurred, (planes, weight), torch_cotangent)

    np.testing.assert_allclose(
        np.moveaxis(blur(*device[:2]), -1, 1),
        without_gradient(unfold_pixelwise, planes, weight)().numpy(),
        atol=1e-4,  # PyTorch's exponential is now and then off by 1e-5
    )
    return [
        compare(
            "pixel-wise blur 9x9",
            lambda: blur(*device[:2]),
            without_gradient(unfold_pixelwise, planes, weight),
            peer_name="torch unfold",
            goal=20,
        ),
        compare(
            "pixel-wise blur 9x9",
            lambda: blur(*device[:2]),
            without_gradient(shifted_pixelwise, planes, weight),
            peer_name="torch shifted slices",
            goal=1,
        ),
        compare(
            "pixel-wise blur 9x9, gradient",
            lambda: gradient(*device),
            torch_gradient,
            peer_name="torch unfold",
            goal=4,
            rounds=3,
        ),
    ]


def torch_layouts(images):
    """The pictures as PyTorch likes them: planar, and channels-last in memory."""
    last = torch.tensor(images).permute(0, 3, 1, 2)
    return {"planar": last.contiguous(), "channels-last": last}


def srm(images):
    kernels = torch.tensor(np.array(residuals.SRM_KERNELS))[:, None]

    def dense(planes):
        return functional.conv2d(planes, kernels.expand(-1, 3, -1, -1), padding=2)

    def grouped(planes):
        weights = kernels.repeat(3, 1, 1, 1)
        maps = functional.conv2d(planes, weights, padding=2, groups=3)
        return maps.unflatten(1, (3, 3)).sum(1)

    def summed(planes):
        return functional.conv2d(planes.sum(1, keepdim=True), kernels, padding=2)

    ways = {"conv2d 3->3": dense, "grouped conv2d": grouped, "conv2d of sum": summed}
    peers = {
        f"torch {way}, {layout}": without_gradient(function, planes)
        for way, function in ways.items()
        for layout, planes in torch_layouts(images).items()
    }
    device = jnp.asarray(images)
    for peer in peers.values():
        maps = np.moveaxis(peer().numpy(), 1, -1)
        np.testing.assert_allclose(residuals.srm(device), maps, atol=1e-5)
    return compare("SRM", lambda: residuals.srm(device), **fastest(peers), goal=1.5)


def gaussian(images, size):
    radius = size // 2
    sigma = filters.gaussian_sigma(size)
    offsets = torch.arange(-radius, radius + 1)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = taps / taps.sum()
    row, column, square = (
        kernel.expand(3, 1, -1, -1).contiguous()
        for kernel in (taps[None], taps[:, None], taps[:, None] * taps)
    )

    def separable(planes):
        padded = pad(planes, radius)
        return functional.conv2d(
            functional.conv2d(padded, column, groups=3), row, groups=3
        )

    def full(planes):
        return functional.conv2d(pad(planes, radius), square, groups=3)

    ways = {"separable": separable, "2-D": full}
    peers = {
        f"torch {way}, {layout}": without_gradient(function, planes)
        for way, function in ways.items()
        for layout, planes in torch_layouts(images).items()
    }
    device = jnp.asarray(images)

    def blur():
        return filters.gaussian_blur(device, size=size)

    for peer in peers.values():
        np.testing.assert_allclose(blur(), peer().permute(0, 2, 3, 1), atol=1e-5)
    return compare(f"Gaussian blur {size}x{size}", blur, **fastest(peers), goal=1)


def median(images, size):
    planes = [*np.moveaxis(images, -1, 1).reshape(-1, SIZE, SIZE)]
    peers = {
        "scipy, whole batch": lambda: scipy.ndimage.median_filter(
            images, size=(1, size, size, 1), mode="mirror"
        ),
        "scipy, plane by plane": lambda: [
            scipy.ndimage.median_filter(plane, size=size, mode="mirror")
            for plane in planes
        ],
    }
    device = jnp.asarray(images)

    def blur():
        return filters.median_blur(device, size=size)

    np.testing.assert_array_equal(blur(), peers["scipy, whole batch"]())
    return compare(f"median {size}x{size}", blur, **fastest(peers), goal=5, rounds=3)


def main():
    generator = np.random.default_rng(0)
    images = generator.random((BATCH, SIZE, SIZE, 3), dtype=np.float32)
    rows = pixelwise(images)
    rows.append(srm(images))
    rows += [gaussian(images, size) for size in (3, 5, 9)]
    rows += [median(images, size) for size in (3, 5, 7)]
    save(rows, "filters")


if __name__ == "__main__":
    main()
