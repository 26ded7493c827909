"""Where a picture was changed, and where to look for it, as gray maps.

Huang et al., "FakeLocator", TIFS 2022: the fakeness map (Eq. 7), and the face attention
map of Section IV-C.
"""

import chex
import jax.numpy as jnp

from jaxforensics.ops.color import to_gray
from jaxforensics.ops.filters import gaussian_blur


def fakeness_map(image, original):
    """The luma of the absolute difference: (..., h, w, 3), same -> (..., h, w)."""
    chex.assert_shape((image, original), (..., None, None, 3))
    return to_gray(jnp.abs(image - original))


def attention_map(region):
    """Where a region is or is near, at most 1: (..., h, w) of 0 and 1, same.

    Blurred over a sixteenth of the picture's height to both sides of a pixel, and
    divided by the maximum.  Where the region has no pixel, nowhere is told apart from
    anywhere else: ones.
    """
    chex.assert_shape(region, (..., None, None))
    reach = min(region.shape[-2:]) // 16
    size = 2 * reach + 1
    region = jnp.asarray(region, jnp.float32)
    blurred = gaussian_blur(region[..., None], size=size, sigma=size / 4)[..., 0]
    highest = blurred.max((-2, -1), keepdims=True)
    return jnp.where(highest > 0, blurred / jnp.where(highest > 0, highest, 1.0), 1.0)
