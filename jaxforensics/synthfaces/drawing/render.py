"""Faces drawn from scenes: layers of soft-edged paint, back to front.

`render` is pure and traceable, `vmap` and `jit` it.  Light is linear; a camera makes a
picture of it.  Lengths are in units of the face, so one scene looks the same at every
size; edges are a pixel wide and textures have as many frequencies as the size holds.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxforensics.kernels.fusion import stage
from jaxforensics.synthfaces.drawing import (
    features,
    hair,
    skin,
    surroundings,
    textures,
)
from jaxforensics.synthfaces.drawing.geometry import (
    LANDMARKS,
    face_of,
    landmarks,
    outline,
    view,
)
from jaxforensics.synthfaces.drawing.palette import palette
from jaxforensics.synthfaces.drawing.shapes import bell, cover, ellipse, mix

__all__ = ["CLASSES", "LANDMARKS", "landmarks", "render"]

CLASSES = (
    *("background", "skin", "hair", "brows", "eyes", "glasses"),
    *("nose", "mouth", "moustache", "neck", "cloth"),
)


def render(scene, *, size):
    """The picture of a scene in linear light, and its parsing.

    -> (size, size, 3) float32, (size, size) int32 of indices into CLASSES: the topmost
    class that covers at least half of a pixel.
    """
    paints, coverages, names = zip(*layers(scene, size), strict=True)
    labels = stage(partial(_parse, names))(coverages)

    def channel(colours):
        plane = jnp.zeros((size, size))
        for paint, coverage in zip(paints, coverages, strict=True):
            if paint:
                plane = mix(plane, paint(colours), coverage)
        return plane

    # Staged, or XLA would compute every coverage once per channel.  Row by row, so that
    # a row of all planes is in the cache while its three channels are painted.
    painted = stage(jax.vmap(channel, in_axes=-1, out_axes=1))(palette(scene))
    return painted.swapaxes(1, 2), labels


def _parse(names, coverages):
    """The class of every pixel; layers without a name leave it alone."""
    labels = jnp.zeros(coverages[0].shape, jnp.int32)
    for name, coverage in zip(names, coverages, strict=True):
        if name:
            labels = jnp.where(coverage >= 0.5, CLASSES.index(name), labels)
    return labels


def layers(scene, size):
    """(paint, coverage, class) of every layer, back to front; see `features`."""
    face = face_of(scene)
    seen = view(scene.pose, size)
    wide, coarse, fine = _textures(scene, size)
    # The texture of the setting a second time, turned: its colours must not follow its
    # brightness.
    hue = wide.T[::-1]
    yield from surroundings.backdrop(scene, seen, wide, hue)

    # All hair first, as it is seen beside and behind the neck.
    light = skin.illuminate(scene.light, seen.normal)
    strand = stage(hair.strands)(scene, seen, coarse, fine)
    everywhere, front, shadow = stage(hair.masks)(
        scene, face, seen, strand, coarse, fine
    )
    dark = 0.32 + 0.2 * strand
    yield lambda c: c.hair * dark * light(c), everywhere, "hair"

    column = skin.illuminate(scene.light, surroundings.neck_normal(seen))
    shade = _chin_shadow(scene, face, seen) * (1 + 0.06 * fine)
    yield lambda c: c.skin * shade * column(c), surroundings.neck(scene, seen), "neck"
    yield from surroundings.cloth(scene, seen, column, hue, fine)
    yield from _ears(scene, face, seen, light)

    lit, surface = _surface(scene, face, seen, shadow, coarse, fine)
    head = outline(face, scene.pose, *seen.head)
    yield surface, cover(head, seen.pixel), "skin"
    yield from features.nose(face, seen, surface)
    yield from features.mouth(scene, face, seen, lit, surface, fine)
    yield from features.eyes(scene, face, seen, lit, surface)
    yield from features.brows(face, seen, lit, fine)
    yield from features.moustache(scene, face, seen, lit, fine)
    yield from features.glasses(scene, face, seen, light)

    # The hair before the face comes last.  The darker it is, the more its sheen shows.
    body, sheen = hair.shade(scene, seen, strand, coarse)
    yield (
        lambda c: c.hair * (body + (0.3 + 0.02 / (c.hair + 0.02)) * sheen) * light(c),
        front,
        "hair",
    )


def _textures(scene, size):
    """A texture of the setting, and two of the person that move with the head."""
    place = scene.setting.texture
    person = scene.identity.texture
    keys = jnp.stack([place, person, person + jnp.uint32(1)])
    head = jnp.stack([scene.pose.row, scene.pose.column])
    origins = jnp.stack([jnp.zeros(2), head, head])
    # Spectral slopes, and cycles per picture from which on they fall: clouds of a
    # backdrop, blotches of a skin, its pores.
    laws = (1.5, 1), (1.3, 4), (0.9, 14)
    return textures.textures(keys, laws, origins, size=size)


def _surface(scene, face, seen, shadow, coarse, fine):
    """The light on the face, and its skin under that light."""
    slopes = stage(skin.relief)(scene, face, seen)
    shade = stage(skin.occlusion)(scene, face, seen) * (1 - 0.45 * shadow)
    lit = skin.illuminate(scene.light, seen.normal, slopes=slopes, shade=shade)
    tone, rosy, spots = skin.complexion(scene, face, seen, coarse, fine)
    shine = 0.10 * scene.identity.shine * lit.gloss

    def surface(c):
        blood = 1 + c.rosy * rosy + c.freckle * spots
        return c.skin * tone * blood * lit(c) + shine * c.lamp

    return lit, surface


def _chin_shadow(scene, face, seen):
    """Brightness of the neck under the head's shadow.

    The shadow is the head's outline, moved away from the lamp and blurred.
    """
    x, y = seen.head
    right, down, _ = scene.light.direction
    cast = outline(face, scene.pose, x + 0.10 * right, y - 0.16 + 0.12 * down)
    return 0.86 - 0.50 * cover(cast, 0.22)


def _ears(scene, face, seen, light):
    """Both ears as ellipses at the sides of the head, with a hollow in each."""
    x, y = seen.head
    beyond = jnp.abs(x + 0.16 * jnp.sin(scene.pose.yaw)) - face.width * 0.985
    size = scene.identity.ear
    y = y - 0.10 + 0.5 * beyond  # they lean outwards
    ear = ellipse(beyond, y, 0.105 * size, 0.22 * size)
    hollow = bell(ellipse(beyond - 0.01, y, 0.06 * size, 0.14 * size) / 0.035)
    dark = (0.92 - 0.35 * hollow) * (1 - 0.2 * bell((beyond + 0.03) / 0.06))
    yield lambda c: c.skin * c.ear * dark * light(c), cover(ear, seen.pixel), "skin"
