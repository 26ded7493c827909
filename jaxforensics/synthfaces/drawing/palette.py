"""Everything about a scene that has a colour, so that each channel is painted alike.

Layers are painted one channel at a time: their geometry is computed once, and the
palette that they are painted with holds one number for each colour.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.synthfaces.drawing.shapes import mix

# Linear RGB in the order of scenes.HAIR_COLOURS: black, blond, brown, gray.
_HAIR = (
    *((0.012, 0.010, 0.009), (0.46, 0.30, 0.135)),
    *((0.085, 0.040, 0.020), (0.40, 0.39, 0.38)),
)


class Palette(NamedTuple):
    """Linear RGB in the last axis; one channel of it when `render` paints that."""

    lamp: jax.Array
    ambient: jax.Array
    skin: jax.Array
    hair: jax.Array
    iris: jax.Array
    rim: jax.Array
    backdrop: jax.Array  # (3, 3): three colours
    shapes: jax.Array  # (SHAPES, 3)
    cloth: jax.Array  # (2, 3)
    rosy: jax.Array  # how blood changes skin
    freckle: jax.Array  # how freckles do
    ear: jax.Array  # factor to the skin of ears
    white: jax.Array  # of the eye
    lips: jax.Array  # (2, 3): factor of pale lips, change of red ones
    gums: jax.Array
    teeth: jax.Array


def palette(scene):
    """The colours of a scene."""
    i = scene.identity
    s = scene.setting
    a = scene.attributes
    aged = i.skin.mean() * jnp.float32([1.15, 0.98, 0.88])  # paler and more even
    return Palette(
        lamp=scene.light.lamp,
        ambient=scene.light.ambient,
        skin=mix(i.skin, aged, 0.12 * a.old),
        hair=_hair(i, a),
        iris=i.iris,
        rim=i.rim_colour,
        backdrop=s.colours,
        shapes=s.shape_colours,
        cloth=s.cloth,
        # Blood under the skin takes away green and blue, and a little more is red.
        rosy=jnp.float32([0.12, -0.75, -0.65]),
        freckle=jnp.float32([0.0, -0.12, -0.20]),
        ear=jnp.float32([1.0, 0.88, 0.85]),
        white=jnp.float32([0.72, 0.67, 0.65]),
        lips=jnp.float32([[0.98, 0.80, 0.84], [0.02, -0.44, -0.38]]),
        gums=jnp.float32([0.048, 0.015, 0.015]),
        teeth=jnp.float32([0.62, 0.585, 0.51]),
    )


def _hair(i, a):
    base = jnp.matmul(a.hair_colour, jnp.float32(_HAIR), precision="highest")
    warm = i.warmth * (1 - 0.9 * a.hair_colour[3])  # gray hair has hardly a hue
    tint = jnp.stack([1 + 0.35 * warm, jnp.ones(()), 1 - 0.3 * warm])
    return base * i.lightness * tint
