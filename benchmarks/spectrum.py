"""Spectra and resizing against numpy, scipy and Pillow: 32 colour pictures of 128x128.

Peers get the same float32 pictures on the host and are written as one would without
JAX: over the whole batch where the library can, picture by picture where it cannot.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from harness import compare, save
from PIL import Image

from jaxforensics.ops import resample, spectrum

BATCH = 32
SIZE = 128  # pixels per side
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def rings():
    offset = np.fft.fftfreq(SIZE, 1 / SIZE)
    return np.hypot(offset[:, None], offset).astype(int).ravel()


def numpy_azimuthal_power(images, ring, count):
    power = np.abs(np.fft.fft2(images @ LUMA)) ** 2
    return np.array([np.bincount(ring, picture.ravel()) for picture in power]) / count


def numpy_log_spectrum(images):
    magnitude = np.abs(np.fft.fft2(images @ LUMA))
    return np.fft.fftshift(np.log(magnitude + 1e-4), axes=(1, 2))


def numpy_amplitude_phase(gray):
    transform = np.fft.fft2(gray)
    return np.stack([np.abs(transform), np.angle(transform)], axis=-1)


def numpy_split_bands(images, gaussian):
    transform = np.fft.rfft2(images, axes=(1, 2)) * gaussian
    low = np.fft.irfft2(transform, s=(SIZE, SIZE), axes=(1, 2))
    return low, images - low


def scipy_dct(planes):
    return scipy.fft.dctn(planes, axes=(-2, -1), norm="ortho", workers=2)


def pillow_resize(images, size):
    filter = Image.Resampling.BICUBIC
    resized = (
        np.asarray(Image.fromarray(channel).resize((size, size), filter))
        for image in images
        for channel in np.moveaxis(image, -1, 0)
    )
    return np.stack([*resized]).reshape(-1, 3, size, size)


def fourier(images):
    """Rows of the Fourier functions."""
    device = jnp.asarray(images)
    host_gray = images[..., 0].copy()
    gray = jnp.asarray(host_gray)
    ring = rings()
    count = np.bincount(ring)
    rows = np.fft.fftfreq(SIZE, 1 / SIZE)
    columns = np.arange(SIZE // 2 + 1)
    gaussian = np.exp(-(rows[:, None] ** 2 + columns**2) / 200).astype(np.float32)
    gaussian = gaussian[..., None]
    power = jax.jit(spectrum.azimuthal_power)
    logarithm = jax.jit(spectrum.log_spectrum)
    polar = jax.jit(spectrum.amplitude_phase)
    bands = jax.jit(lambda image: spectrum.split_bands(image, sigma=10.0))
    return [
        compare(
            "azimuthal power",
            lambda: power(device),
            lambda: numpy_azimuthal_power(images, ring, count),
            peer_name="numpy fft2, bincount",
            goal=4,
        ),
        compare(
            "log spectrum",
            lambda: logarithm(device),
            lambda: numpy_log_spectrum(images),
            peer_name="numpy",
            goal=2,
        ),
        compare(
            "amplitude and phase",
            lambda: polar(gray),
            lambda: numpy_amplitude_phase(host_gray),
            peer_name="numpy",
            goal=1,
        ),
        compare(
            "split bands",
            lambda: bands(device),
            lambda: numpy_split_bands(images, gaussian),
            peer_name="numpy rfft2",
            goal=1,
        ),
    ]


def cosine(images):
    """Rows of the DCT, forward and with its gradient."""
    planes = np.ascontiguousarray(np.moveaxis(images, -1, 1))
    device = jnp.asarray(planes)
    dct = jax.jit(spectrum.dct2)
    matmul, fft = (
        jax.jit(jax.grad(lambda x, f=f: jnp.sum(f(x) ** 4)))
        for f in (
            spectrum.dct2,
            lambda x: jax.scipy.fft.dctn(x, axes=(2, 3), norm="ortho"),
        )
    )
    return [
        compare(
            "DCT",
            lambda: dct(device),
            lambda: scipy_dct(planes),
            peer_name="scipy.fft.dctn, 2 workers",
            goal=0.5,
        ),
        compare(
            "DCT gradient",
            lambda: matmul(device),
            lambda: fft(device),
            peer_name="jax.scipy.fft.dctn",
            goal=2,
        ),
    ]


def resizing(images):
    """Rows of bicubic resizing to half and to twice the size.

    Ours multiplies by dense matrices; at twice the size only four of their columns per
    row are not zero, and Pillow's loop knows.  Gathering the taps instead was measured
    1.5 times faster on two cores, but its gradient scatters.
    """
    device = jnp.asarray(images)
    ours = jax.jit(
        lambda image, size: resample.resize(image, (size, size), method="bicubic"),
        static_argnums=1,
    )
    return [
        compare(
            f"bicubic {SIZE} to {size}",
            lambda size=size: ours(device, size),
            lambda size=size: pillow_resize(images, size),
            peer_name="Pillow, float mode",
            goal=goal,
        )
        for size, goal in ((SIZE // 2, 1), (2 * SIZE, 0.5))
    ]


def main():
    images = np.random.default_rng(0).random((BATCH, SIZE, SIZE, 3), np.float32)
    save([*fourier(images), *cosine(images), *resizing(images)], "spectrum")


if __name__ == "__main__":
    main()
