"""Everything about a scene that has a colour, so that each channel is painted alike."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.synthfaces.drawing.shapes import mix

# Linear RGB in the order of scenes.HAIR_COLOURS.
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
    freckle: jax.Array
    ear: jax.Array
    white: jax.Array  # of the eye
    lips: jax.Array  # (2, 3): factor of pale lips, change of red ones
    gums: jax.Array
    teeth: jax.Array


def palette(scene):
    """The colours of a scene."""
    i, s, a = scene.identity, scene.setting, scene.attributes
    aged = i.skin.mean() * jnp.float32([1.15, 0.98, 0.88])
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
    warm = i.warmth * (1 - 0.9 * a.hair_colour[3])
    return (
        base * i.lightness * jnp.stack([1 + 0.35 * warm, jnp.ones(()), 1 - 0.3 * warm])
    )
