"""How far a map depends on what should not matter to it."""

import einops
import jax.numpy as jnp

from jaxforensics.ops.jpeg import jpeg

QUALITIES = (95, 80)  # of the re-encoded copies


def map_spread(draw, image):
    """The standard deviation of the maps of changed copies: (b, h, w, 3) -> (b, h, w).

    `draw` makes maps (n, h, w) of pictures.  The copies are the picture as it is,
    mirrored, shifted two ways and re-encoded two ways; all are drawn in one pass, and
    each map is brought back.  Shifted copies count where they show a pixel.
    """
    height, width = image.shape[1:3]
    # Not a multiple of an encoder's stride, so that its grid falls elsewhere.
    shift = max(1, min(height, width) // 16 - 1)
    copies = [
        image,
        image[:, :, ::-1],
        _shifted(image, shift),
        _shifted(image, -shift),
        *(jpeg(image, quality) for quality in QUALITIES),
    ]
    stacked = jnp.stack(copies, axis=1)
    maps = draw(einops.rearrange(stacked, "b copy h w c -> (b copy) h w c"))
    maps = einops.rearrange(maps, "(b copy) h w -> copy b h w", b=len(image))

    everywhere = jnp.ones(maps.shape[1:])
    back = jnp.stack(
        [
            maps[0],
            maps[1][:, :, ::-1],
            jnp.roll(maps[2], -shift, axis=(1, 2)),
            jnp.roll(maps[3], shift, axis=(1, 2)),
            *maps[4:],
        ]
    )
    weights = jnp.stack(
        [
            everywhere,
            everywhere,
            everywhere.at[:, height - shift :].set(0).at[:, :, width - shift :].set(0),
            everywhere.at[:, :shift].set(0).at[:, :, :shift].set(0),
            *(everywhere for _ in QUALITIES),
        ]
    )
    weights = weights / weights.sum(0, keepdims=True)
    mean = jnp.sum(weights * back, axis=0, keepdims=True)
    return jnp.sqrt(jnp.sum(weights * jnp.square(back - mean), axis=0))


def _shifted(image, shift):
    """Everything `shift` pixels further down and right, mirrored where it begins."""
    height, width = image.shape[1:3]
    margin = abs(shift)
    sides = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
    wide = jnp.pad(image, sides, mode="reflect")
    start = margin - shift
    return wide[:, start : start + height, start : start + width]
