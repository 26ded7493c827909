"""The skin: its relief, colour and shading."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.synthfaces.drawing import shapes
from jaxforensics.synthfaces.drawing.shapes import bell, smooth


def _bump(x, y, width, height, amount):
    """Slopes of a hill of the given half axes; negative amounts make hollows."""
    t = amount * jnp.maximum(1 - (x / width) ** 2 - (y / height) ** 2, 0)
    return -4 * t * x / width**2, -4 * t * y / height**2


def relief(scene, face, view):
    """Slopes (right, down) of what stands out from the ellipsoid or lies deeper."""
    i, a = scene.identity, scene.attributes
    x, y = view.x, view.y
    near = jnp.abs(x)
    side = jnp.sign(x)
    nx, ny = view.nose_x, view.nose_y - face.nose_y
    wing = jnp.abs(nx) - face.nose_width * 0.68
    long = 0.5 * (face.nose_y + 0.10)
    bridge = face.nose_width * (0.55 + 0.5 * smooth(1 + ny / 0.45))
    fold = near - face.mouth_width * 0.5 - 0.30 * (y - face.nose_y + 0.25)
    folded = bell((y - face.nose_y - 0.08) / 0.26) * (
        0.012 * face.smile + 0.012 * a.old + 0.003
    )
    centre = [
        _bump(nx, ny + long, bridge, long * 1.25, 0.07 + 0.06 * i.nose_bridge),
        _bump(nx, ny + 0.05, face.nose_width * 0.72, 0.13, 0.06 + 0.03 * i.nose_tip),
        _bump(x, y - face.chin + 0.17, 0.22, 0.16, 0.045),
        _bump(x, y - face.mouth_y - face.opening - 0.13, 0.22, 0.07, -0.02),
        _bump(x, y + 0.60, 0.75, 0.42, 0.10),
    ]
    mirrored = [
        _bump(wing, ny + 0.015, face.nose_width * 0.5, 0.085, 0.035),
        _bump(near - face.eye_x, y + 0.02, 0.24, 0.15, -0.05 - 0.02 * a.old),
        _bump(near - face.eye_x, y - face.brow_y, 0.28, 0.10, 0.015 + 0.02 * a.male),
        _bump(
            near - 0.40, y - 0.28, 0.30, 0.30, 0.05 + 0.05 * i.cheek + 0.03 * face.smile
        ),
        _bump(near - face.eye_x, y - 0.15, 0.17, 0.06, 0.02 * a.old - 0.006),
        (-folded * 4 * (fold / 0.09) * bell(fold / 0.09) / 0.09, jnp.zeros_like(y)),
    ]
    right = sum(b[0] for b in centre) + side * sum(b[0] for b in mirrored)
    down = sum(b[1] for b in centre) + sum(b[1] for b in mirrored)
    wrinkled = a.old * bell((y + 0.50) / 0.24) * bell(x / 0.55)
    lines = shapes.wave(y * 10.5 + 0.35 * x * x + 0.8 * i.part * x)
    return right, down + 0.20 * wrinkled * lines


class Lit(NamedTuple):
    """Light on a surface: how much of the lamp, of the surroundings, of a highlight."""

    lamp: jax.Array
    sky: jax.Array
    gloss: jax.Array

    def __call__(self, colours):
        """The light of one channel."""
        return colours.lamp * self.lamp + colours.ambient * self.sky


def illuminate(light, normal, *, slopes=(0.0, 0.0), shade=1.0):
    """Light on a surface with the given normal and relief."""
    u, v, w = normal[0] - slopes[0], normal[1] - slopes[1], normal[2]
    scale = jnp.sqrt(1 / (u * u + v * v + w * w))
    x, y, z = light.direction
    lamp = jnp.clip(0.88 * (u * x + v * y + w * z) * scale + 0.12, 0, 1)
    half = jnp.stack([x, y, z + 1])
    half = half / jnp.linalg.norm(half)
    gloss = jnp.maximum(u * half[0] + v * half[1] + w * half[2], 0) * scale
    for _ in range(4):  # to the power of 16
        gloss = gloss * gloss
    sky = 0.75 - 0.25 * v * scale
    return Lit(lamp * shade, sky * shade, gloss * lamp)


def complexion(scene, face, view, coarse, fine):
    """Brightness of the skin, its redness and its freckles."""
    i, a = scene.identity, scene.attributes
    x, y = view.x, view.y
    near = jnp.abs(x)
    rosy = bell((near - 0.40) / 0.30) * bell((y - 0.28) / 0.26) * (1 - 0.4 * a.male)
    tip = bell(view.nose_x / 0.17) * bell((y - face.nose_y + 0.05) / 0.16)
    rosy = (0.05 + 0.24 * i.blush) * (rosy + 0.8 * tip) + 0.04 * coarse
    around = bell(x / 0.8) * bell((y - 0.45) / 0.4)
    grown = smooth((y - 0.36 - 0.1 * around) / 0.25)
    grown = grown * a.male * i.stubble * (0.40 + 0.14 * fine)
    spots = i.freckles * smooth((fine - 0.9) / 0.5) * bell(y / 0.55) * bell(x / 0.62)
    under = bell((near - face.eye_x) / 0.2) * bell((y - 0.13) / 0.09)
    dull = 1 - (0.10 + 0.10 * a.old) * under
    rough = 1 + (0.055 + 0.045 * a.old) * fine + 0.035 * coarse
    return rough * dull * (1 - 0.30 * grown) * (1 - 0.38 * spots), rosy, spots


def occlusion(scene, face, view):
    """Darkening where little light arrives, and the shadow that the nose casts."""
    x, y = view.x, view.y
    near = jnp.abs(x)
    lx, ly, _ = scene.light.direction
    socket = 0.30 * bell((near - face.eye_x + 0.06) / 0.24) * bell((y + 0.04) / 0.14)
    beside = 0.10 * bell((jnp.abs(view.nose_x) - 0.12) / 0.10) * bell((y - 0.06) / 0.22)
    under = bell(view.nose_x / (face.nose_width * 1.25)) * bell(
        (view.nose_y - face.nose_y - 0.05) / 0.07
    )
    cast_x = view.nose_x + lx * (0.16 + 0.2 * (view.nose_y - face.nose_y + 0.2))
    cast = bell(cast_x / (face.nose_width * 0.9)) * bell(
        (view.nose_y - face.nose_y + 0.06 + 0.10 * ly) / 0.20
    )
    lip = bell(x / 0.2) * bell(
        (y - face.mouth_y - face.opening - face.lip_lower - 0.035) / 0.05
    )
    ends = bell((near - face.mouth_width - 0.015) / 0.06) * bell(
        (y - face.mouth_y + 0.06 * face.smile) / 0.07
    )
    total = socket + beside + 0.34 * under + 0.42 * jnp.abs(lx) * cast
    return 1 - jnp.clip(total + 0.28 * lip + 0.3 * ends, 0, 0.8)
