"""JPEG on the device against Pillow's encoder and decoder, 32 pictures of 128 x 128."""

import functools
import io
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from harness import compare, save
from PIL import Image
from skimage import data

from jaxforensics.ops.jpeg import jpeg

BATCH = 32
SIZE = 128  # pixels per side
QUALITY = 75


def crops():
    """Photographic content: what the encoder's speed depends on."""
    picture = data.astronaut()
    corners = np.random.default_rng(0).integers(0, 512 - SIZE, (BATCH, 2))
    return np.stack([picture[y : y + SIZE, x : x + SIZE] for y, x in corners])


def pillow(pixels, subsampling):
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(file, format="JPEG", quality=QUALITY, subsampling=subsampling)
    return np.asarray(Image.open(file))


def main():
    pixels = crops()
    images = jnp.float32(pixels) / 255
    gradient = jax.jit(jax.grad(lambda images: jnp.sum(jpeg(images, QUALITY) ** 2)))
    rows = []
    with ThreadPoolExecutor(2) as threads:
        for name, subsampling in (("4:2:0", 2), ("4:4:4", 0)):
            saved = functools.partial(pillow, subsampling=subsampling)
            ours = functools.partial(jpeg, images, QUALITY, subsample=subsampling == 2)
            peers = {
                "Pillow, one thread": lambda saved=saved: [*map(saved, pixels)],
                "Pillow, two threads": lambda saved=saved: [
                    *threads.map(saved, pixels)
                ],
            }
            assert np.array_equal(np.round(255 * ours()), [*map(saved, pixels)])
            rows += [
                compare(f"JPEG {name}", ours, peer, peer_name=peer_name, goal=1 / 3)
                for peer_name, peer in peers.items()
            ]
        rows.append(
            compare(
                "JPEG 4:2:0 and its gradient",
                functools.partial(gradient, images),
                lambda: [pillow(image, 2) for image in pixels],
                peer_name="Pillow, one thread, no grad",
                goal=1 / 3,
            )
        )
    save(rows, "jpeg")


if __name__ == "__main__":
    main()
