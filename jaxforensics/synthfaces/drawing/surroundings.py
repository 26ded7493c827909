"""Backdrop, neck and clothes.

The backdrop lies in the picture's coordinates, `view.rows` and `view.columns`, shares
of its side; neck and clothes in those of the body, `view.body`, half face heights from
the point between the eyes, which do not turn with the head.
"""

import jax.numpy as jnp
import numpy as np

from jaxforensics.synthfaces.drawing.scenes import SHAPES
from jaxforensics.synthfaces.drawing.shapes import (
    bell,
    cover,
    ellipse,
    mix,
    smooth,
    wave,
)


def backdrop(scene, view, coarse, hue):
    """Gradients between three colours, mottled, with shapes out of focus.

    `coarse` and `hue` are textures around 0, of the brightness and of the colours.
    """
    s = scene.setting
    x = view.columns - 0.5
    y = view.rows - 0.5
    angle = np.pi * s.angle
    along = jnp.cos(angle) * x + jnp.sin(angle) * y
    across = smooth(0.5 + along + 0.2 * s.mottle * hue)
    light = jnp.maximum(1 + s.contrast * coarse, 0.15)
    light = light * (1 + 0.9 * s.spot * (bell(jnp.sqrt(x * x + y * y) / 0.8) - 0.45))
    veil = smooth(0.3 * hue * s.mottle)

    def paint(c):
        plane = mix(mix(c.backdrop[0], c.backdrop[1], across), c.backdrop[2], veil)
        for n in range(SHAPES):  # discs and boxes in turn
            inside = s.shapes[n, 5] * _blurred(s.shapes[n], view, disc=n % 2)
            plane = mix(plane, c.shapes[n], 0.8 * inside)
        return plane * light

    yield paint, jnp.ones_like(x), "background"


def _blurred(shape, view, *, disc):
    """Coverage of a disc or box out of focus."""
    column, row, size, aspect, turn, _ = shape
    dx = view.columns - column
    dy = view.rows - row
    size = 0.04 + 0.22 * size * size  # small ones are more frequent
    soft = 0.012 + 0.07 * jnp.abs(aspect - turn)  # some are nearly in focus
    if disc:
        return cover(ellipse(dx, dy, size, size), soft)
    cos = jnp.cos(turn - 0.5)
    sin = jnp.sin(turn - 0.5)
    width = jnp.abs(cos * dx + sin * dy) - size * (0.3 + 2 * aspect)
    height = jnp.abs(cos * dy - sin * dx) - size * (0.3 + 1.5 * turn)
    return cover(jnp.maximum(width, height), soft)


def neck(scene, view):
    """Coverage of neck and throat, which widen towards the shoulders."""
    x, y = view.body
    half = 0.36 + 0.09 * scene.attributes.male + 0.55 * jnp.maximum(y - 1.0, 0) ** 2
    turned = 0.25 * jnp.sin(scene.pose.yaw) * smooth(1.4 - y)
    return cover(jnp.maximum(jnp.abs(x - turned) - half, 0.3 - y), view.pixel)


def neck_normal(view):
    """Normal (right, down, to the viewer) of an upright cylinder."""
    u = jnp.clip(view.body[0] / 0.6, -0.9, 0.9)
    return u, jnp.zeros_like(u), jnp.sqrt(1 - u * u)


def cloth(scene, view, lit, coarse, fine):
    """The clothes, one layer, and their collar and pattern, another."""
    s = scene.setting
    a = scene.attributes
    x, y = view.body
    near = jnp.abs(x)

    # The upper edge: shoulders that fall outwards, and the neckline cut out of them.
    width = 1.35 + 0.2 * a.male
    top = 1.12 + 0.18 * s.shoulder + 0.22 * near * near / width
    top = top + 0.5 * jnp.maximum(near - width, 0)
    deep = 0.10 + 0.35 * s.neckline
    wide = 0.36 + 0.09 * a.male + 0.20 * s.neckline
    vee = 1.22 + deep - deep * near / wide
    bowl = 1.18 + deep * bell(near / (wide * 1.6))
    cut = jnp.where(s.collar > 0.5, vee, bowl)
    edge = jnp.where(near < wide, jnp.maximum(cut, top), top)
    coverage = cover(edge - y, view.pixel)
    lapel = jnp.abs(y - edge - 0.09 * (1 - near / 0.9)) - 0.07
    lapel = 0.7 * cover(lapel, view.pixel) * (s.collar > 0.3)

    # Stripes along x or y, or both multiplied: checks.  See `Setting.cloth_pattern`.
    cycles = 4 + 14 * s.cloth_scale
    level = jnp.where(s.cloth_pattern > 0.4, y, x)
    stripes = wave(cycles * (level + 0.03 * coarse))
    stripes = stripes * jnp.where(s.cloth_pattern > 0.25, 1.0, wave(cycles * y))
    pattern = smooth((0.55 - s.cloth_pattern) * 20) * smooth(0.5 + 2 * stripes)
    folds = 1 + 0.16 * coarse + 0.10 * fine + 0.12 * wave(1.1 * x + 0.5 * coarse)
    folds = jnp.maximum(folds, 0.2) * (1 - 0.3 * bell((y - edge) / 0.05))
    yield lambda c: c.cloth[0] * folds * lit(c), coverage, "cloth"
    second = coverage * jnp.maximum(pattern, lapel)
    yield lambda c: c.cloth[1] * folds * lit(c), second, None
