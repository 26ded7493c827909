"""Portraits drawn and photographed per second, and the camera against numpy and scipy.

Steady state, 32 pictures at a time, as views are made: poses, pictures and parsing, on
the host in the end.  Drawing and photographing are timed on their own as well: the
share of the camera is of their sum.
"""

import functools
import statistics

import jax
import jax.numpy as jnp
import numpy as np
from harness import compare, milliseconds, save
from scipy.ndimage import convolve, gaussian_filter

from jaxforensics.synthfaces import cameras, photos
from jaxforensics.synthfaces.drawing import render, scenes

BATCH = 32  # pictures in a call
GOAL = 500  # pictures per second at 128 x 128
ROUNDS = 7  # of which the median counts
KERNELS = np.zeros((3, 5, 5), np.float32)  # Malvar et al.: green, along a row, opposite
KERNELS[:, 2, 2] = 4, 5, 6
KERNELS[0, [1, 2, 2, 3], [2, 1, 3, 2]] = 2
KERNELS[0, [0, 2, 2, 4], [2, 0, 4, 2]] = -1
KERNELS[1, 2, [0, 1, 3, 4]] = -1, 4, 4, -1
KERNELS[1, [1, 1, 3, 3], [1, 3, 1, 3]] = -1
KERNELS[1, [0, 4], 2] = 0.5
KERNELS[2, [1, 1, 3, 3], [1, 3, 1, 3]] = 2
KERNELS[2, [0, 2, 2, 4], [2, 0, 4, 2]] = -1.5


def rate(domain, size):
    """One row: milliseconds of all, of drawing and of photographing, alternated."""
    indices = jnp.arange(BATCH)
    batched = photos.batched
    pose = batched(functools.partial(photos.pose, domain=domain))
    posed = pose(jnp.zeros_like(indices), indices)
    light, _ = batched(functools.partial(render.render, size=size))(posed)
    keys = jax.vmap(functools.partial(scenes.key_of, 0))(indices)
    bodies = indices % len(cameras.CAMERAS[domain].number)

    whole = functools.partial(photos.portraits, domain=domain, size=size)
    numbers = np.arange(BATCH)
    draw = batched(lambda scene: render.render(scene, size=size)[0])
    photograph = batched(functools.partial(cameras.photograph, domain=domain))
    calls = {
        "whole": lambda: whole(0, numbers),
        "draw": lambda: draw(posed),
        "photograph": lambda: photograph(keys, light, bodies),
    }
    times = {name: [] for name in calls}
    for call in calls.values():
        milliseconds(call)  # compile
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    row = {name: statistics.median(values) for name, values in times.items()}
    speed = 1e3 * BATCH / row["whole"]
    share = row["photograph"] / (row["draw"] + row["photograph"])
    verdict = ""
    if size == 128:
        verdict = "ok" if speed >= GOAL else "MISSED"
    print(
        f"{domain} {size:3d}²: {speed:6.0f} pictures/s   camera {share:4.0%}   "
        f"draw {row['draw'] / BATCH:.2f} ms, photograph "
        f"{row['photograph'] / BATCH:.2f} ms each   {verdict}",
        flush=True,
    )
    return row | {"name": f"{domain} {size}", "per_second": speed, "share": share}


def numpy_photograph(generator, light, camera, pattern):
    """The same steps for one picture, the mosaic beginning with red."""
    height, width = light.shape[:2]
    light = gaussian_filter(light, (camera.blur, camera.blur, 0), mode="mirror")
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    raw = light[..., 1].copy()
    raw[::2, ::2] = camera.red * light[::2, ::2, 0]
    raw[1::2, 1::2] = camera.blue * light[1::2, 1::2, 2]
    raw *= 1 - camera.vignetting * (rows**2 + columns**2).astype(np.float32) / 2
    raw *= pattern[:height, :width]
    sigma = np.sqrt(camera.shot * raw + camera.read)
    raw = np.minimum(raw + sigma * generator.standard_normal(raw.shape, np.float32), 1)
    raw[::2, ::2] /= camera.red
    raw[1::2, 1::2] /= camera.blue

    green, beside, opposite = (convolve(raw, k / 8, mode="mirror") for k in KERNELS)
    above = convolve(raw, KERNELS[1].T / 8, mode="mirror")
    image = np.stack([raw, green, raw], -1)
    red_row = np.s_[::2, 1::2]  # green sites between red ones
    blue_row = np.s_[1::2, ::2]  # and between blue ones
    image[*red_row, 1] = raw[red_row]
    image[*blue_row, 1] = raw[blue_row]
    image[1::2, 1::2, 0] = opposite[1::2, 1::2]
    image[::2, ::2, 2] = opposite[::2, ::2]
    image[*red_row, 0] = beside[red_row]
    image[*blue_row, 0] = above[blue_row]
    image[*red_row, 2] = above[red_row]
    image[*blue_row, 2] = beside[blue_row]

    # Saturation, gamma, sharpening, eight bits.
    gray = image.mean(-1, keepdims=True)
    image = gray + camera.saturation * (image - gray)
    curve = 1.055 * np.maximum(image, 0.0031308) ** np.float32(1 / 2.4) - 0.055
    image = np.where(image > 0.0031308, curve, 12.92 * image)
    blurred = gaussian_filter(image, (0.8, 0.8, 0), mode="mirror", truncate=1)
    image += camera.sharpening * (image - blurred)
    return np.round(255 * np.clip(image, 0, 1)) / 255


def versus_numpy():
    """One camera, 32 pictures of noise."""
    light = np.random.default_rng(0).random((BATCH, 128, 128, 3), dtype=np.float32)
    camera = jax.tree.map(lambda field: field[0], cameras.CAMERAS["studio"])
    pattern = cameras.patterns("studio")[0]
    generator = np.random.default_rng(1)
    photograph = photos.batched(functools.partial(cameras.photograph, domain="studio"))
    keys = jax.random.split(jax.random.key(0), BATCH)
    on_device = jnp.asarray(light)
    bodies = jnp.zeros(BATCH, jnp.int32)
    ours = functools.partial(photograph, keys, on_device, bodies)

    def theirs():
        return [numpy_photograph(generator, x, camera, pattern) for x in light]

    assert np.corrcoef(np.ravel(ours()), np.ravel(theirs()))[0, 1] > 0.95
    return compare("camera 128²", ours, theirs, peer_name="numpy and scipy", goal=5)


def main():
    rows = [versus_numpy()]
    rows += [rate(domain, size) for domain in scenes.DOMAINS for size in (128, 64)]
    save(rows, "synthfaces")


if __name__ == "__main__":
    main()
