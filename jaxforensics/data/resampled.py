"""An embedded data set without faces: scenes, and the same scenes upsampled.

Every generator of pictures ends in upsampling layers, and their traces are what many
detectors find.  Here the traces come alone: a `real` picture is a drawn scene seen by
a lens and a sensor, a fake is the same scene at half the size, brought back by
interpolation and given fresh sensor noise.  The lens blurs enough that sharpness alone
does not tell.  Synthetic: no figure from it is a claim about the wild.
"""

import io
import json

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxforensics.data.prepare import Item
from jaxforensics.data.records import Record

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
LENS = (0.3, 0.7)  # pixels, standard deviation of the blur before the sensor
NOISE = 0.01  # standard deviation of the sensor, of 1


def items(*, scenes, seed=0):
    """One item per scene and source; a scene and its fakes share their group."""
    return [
        Item(
            path=f"{seed}/{scene}",
            label=int(source != "real"),
            source=source,
            group=f"scene {scene}",
            name=f"{source}/{scene:06d}.png",
        )
        for scene in range(scenes)
        for source in ("real", *KERNELS)
    ]


def convert(item, *, size):
    """Draw the picture that an item names: ([Record], [])."""
    seed, scene = (int(part) for part in item.path.split("/"))
    drawn = draw(np.random.default_rng([seed, scene]), size)
    noise = np.random.default_rng([seed, scene, *item.source.encode()])
    real = sense(np.random.default_rng([seed, scene, *b"real"]), drawn)
    picture = real if item.label == 0 else sense(noise, resample(drawn, item.source))
    record = Record(
        image=_png(picture),
        label=item.label,
        group=item.group,
        pair=b"" if item.label == 0 else _png(real),
        attributes=json.dumps({"seed": seed, "scene": scene}),
        name=item.name,
    )
    return [record], []


def draw(rng, size):
    """A scene through a lens: 1/f texture under soft coloured discs, blurred."""
    side = 2 * size
    image = 0.45 + 0.16 * _texture(rng, side, rng.uniform(1.1, 1.4))
    rows, columns = np.mgrid[:side, :side] / side
    for _ in range(rng.integers(6, 14)):
        (row, column), radius = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.3)
        stretch, angle = rng.uniform(0.4, 1.0), rng.uniform(0, np.pi)
        u = (rows - row) * np.cos(angle) + (columns - column) * np.sin(angle)
        v = (columns - column) * np.cos(angle) - (rows - row) * np.sin(angle)
        distance = np.hypot(u, v / stretch) - radius
        cover = 1 / (
            1 + np.exp(np.clip(distance * side / rng.uniform(0.5, 2), -30, 30))
        )
        colour = rng.uniform(0.1, 0.9, 3) + 0.06 * _texture(rng, side, 1.2)
        image += cover[..., None] * (colour - image)
    sharp = image.reshape(size, 2, size, 2, 3).mean((1, 3))
    lens = rng.uniform(*LENS)
    return ndimage.gaussian_filter(sharp, (lens, lens, 0), mode="mirror")


def resample(image, kernel):
    """Halve by averaging, then double with an interpolation kernel."""
    size = image.shape[0]
    half = image[: size // 2 * 2, : size // 2 * 2]
    half = half.reshape(size // 2, 2, size // 2, 2, 3).mean((1, 3)).astype(np.float32)
    planes = [Image.fromarray(half[..., c]) for c in range(3)]
    return np.stack([p.resize((size, size), KERNELS[kernel]) for p in planes], axis=-1)


def sense(rng, image):
    """What a sensor makes of a scene: noise, 8 bits."""
    noisy = image + NOISE * rng.standard_normal(image.shape)
    return np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8)


def _texture(rng, side, slope):
    """Unit-variance colour noise whose amplitude falls as frequency^-slope."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    radius[0, 0] = np.inf
    white = np.fft.rfft2(rng.standard_normal((3, side, side)))
    planes = np.fft.irfft2(white * radius**-slope, s=(side, side))
    planes /= planes.std(axis=(1, 2), keepdims=True)
    luma = planes.mean(axis=0, keepdims=True)
    return np.moveaxis(0.8 * luma * np.sqrt(3) + 0.3 * planes, 0, -1)


def _png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
