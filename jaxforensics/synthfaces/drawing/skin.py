"""The skin: its relief, colour and shading.

Lengths are those of `geometry`, half face heights.  What stands out is not geometry
but slopes: they tilt the ellipsoid's normals, as bump maps do.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.synthfaces.drawing import shapes
from jaxforensics.synthfaces.drawing.shapes import bell, smooth


def _bump(x, y, width, height, amount):
    """Slopes of a hill of the given half axes; negative amounts make hollows.

    The derivatives of amount · (1 - (x/width)² - (y/height)²)², a `bell` over an
    ellipse.
    """
    t = amount * jnp.maximum(1 - (x / width) ** 2 - (y / height) ** 2, 0)
    return -4 * t * x / width**2, -4 * t * y / height**2


def relief(scene, face, view):
    """Slopes (right, down) of what stands out from the ellipsoid or lies deeper."""
    i = scene.identity
    a = scene.attributes
    x = view.x
    y = view.y
    near = jnp.abs(x)
    side = jnp.sign(x)
    nose_x = view.nose_x
    nose_y = view.nose_y - face.nose_y  # from the tip of the nose
    wing = jnp.abs(nose_x) - face.nose_width * 0.68
    long = 0.5 * (face.nose_y + 0.10)  # half the length of the bridge
    bridge = face.nose_width * (0.55 + 0.5 * smooth(1 + nose_y / 0.45))
    tip = face.nose_width * 0.72

    # The fold from the nose past the corner of the mouth: deep in smiles and age.
    fold = near - face.mouth_width * 0.5 - 0.30 * (y - face.nose_y + 0.25)
    folded = bell((y - face.nose_y - 0.08) / 0.26) * (
        0.012 * face.smile + 0.012 * a.old + 0.003
    )
    below_mouth = y - face.mouth_y - face.opening - 0.13
    eye_x = near - face.eye_x
    centre = [  # bridge and tip of the nose, chin, hollow above it, forehead
        _bump(nose_x, nose_y + long, bridge, long * 1.25, 0.07 + 0.06 * i.nose_bridge),
        _bump(nose_x, nose_y + 0.05, tip, 0.13, 0.06 + 0.03 * i.nose_tip),
        _bump(x, y - face.chin + 0.17, 0.22, 0.16, 0.045),
        _bump(x, below_mouth, 0.22, 0.07, -0.02),
        _bump(x, y + 0.60, 0.75, 0.42, 0.10),
    ]
    mirrored = [  # wings of the nose, sockets, brows, cheeks, bags under eyes, folds
        _bump(wing, nose_y + 0.015, face.nose_width * 0.5, 0.085, 0.035),
        _bump(eye_x, y + 0.02, 0.24, 0.15, -0.05 - 0.02 * a.old),
        _bump(eye_x, y - face.brow_y, 0.28, 0.10, 0.015 + 0.02 * a.male),
        _bump(
            near - 0.40, y - 0.28, 0.30, 0.30, 0.05 + 0.05 * i.cheek + 0.03 * face.smile
        ),
        _bump(eye_x, y - 0.15, 0.17, 0.06, 0.02 * a.old - 0.006),
        (-folded * 4 * (fold / 0.09) * bell(fold / 0.09) / 0.09, jnp.zeros_like(y)),
    ]
    right = sum(b[0] for b in centre) + side * sum(b[0] for b in mirrored)
    down = sum(b[1] for b in centre) + sum(b[1] for b in mirrored)

    # Lines across an old forehead, arched and a little different in everyone.
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
    """Light on a surface with the given normal and relief.

    Lambert's cosine, softened: skin lets light through, so that shadow begins a little
    beyond 90°.  Highlights are Blinn's (1977).
    """
    u = normal[0] - slopes[0]
    v = normal[1] - slopes[1]
    w = normal[2]
    scale = jnp.sqrt(1 / (u * u + v * v + w * w))
    x, y, z = light.direction
    lamp = jnp.clip(0.88 * (u * x + v * y + w * z) * scale + 0.12, 0, 1)
    half = jnp.stack([x, y, z + 1])  # between the lamp and the viewer
    half = half / jnp.linalg.norm(half)
    gloss = jnp.maximum(u * half[0] + v * half[1] + w * half[2], 0) * scale
    for _ in range(4):  # to the power of 16
        gloss = gloss * gloss
    sky = 0.75 - 0.25 * v * scale  # more from above than from below
    return Lit(lamp * shade, sky * shade, gloss * lamp)


def complexion(scene, face, view, coarse, fine):
    """Brightness of the skin, its redness and its freckles."""
    i = scene.identity
    a = scene.attributes
    x = view.x
    y = view.y
    near = jnp.abs(x)
    cheeks = bell((near - 0.40) / 0.30) * bell((y - 0.28) / 0.26) * (1 - 0.4 * a.male)
    tip = bell(view.nose_x / 0.17) * bell((y - face.nose_y + 0.05) / 0.16)
    rosy = (0.05 + 0.24 * i.blush) * (cheeks + 0.8 * tip) + 0.04 * coarse

    # Stubble grows below a line that rises towards the ears.
    around = bell(x / 0.8) * bell((y - 0.45) / 0.4)
    grown = smooth((y - 0.36 - 0.1 * around) / 0.25)
    grown = grown * a.male * i.stubble * (0.40 + 0.14 * fine)

    # Freckles are the peaks of the fine texture.
    spots = i.freckles * smooth((fine - 0.9) / 0.5) * bell(y / 0.55) * bell(x / 0.62)
    under_eyes = bell((near - face.eye_x) / 0.2) * bell((y - 0.13) / 0.09)
    dull = 1 - (0.10 + 0.10 * a.old) * under_eyes
    rough = 1 + (0.055 + 0.045 * a.old) * fine + 0.035 * coarse
    return rough * dull * (1 - 0.30 * grown) * (1 - 0.38 * spots), rosy, spots


def occlusion(scene, face, view):
    """Darkening where little light arrives, and the shadow that the nose casts."""
    x = view.x
    y = view.y
    near = jnp.abs(x)
    lamp_x, lamp_y, _ = scene.light.direction
    nose_y = view.nose_y - face.nose_y

    socket = 0.30 * bell((near - face.eye_x + 0.06) / 0.24) * bell((y + 0.04) / 0.14)
    beside = 0.10 * bell((jnp.abs(view.nose_x) - 0.12) / 0.10) * bell((y - 0.06) / 0.22)
    under_nose = bell(view.nose_x / (face.nose_width * 1.25)) * bell(
        (nose_y - 0.05) / 0.07
    )
    # The nose's shadow falls away from the lamp, the longer the lower.
    cast_x = view.nose_x + lamp_x * (0.16 + 0.2 * (nose_y + 0.2))
    cast = bell(cast_x / (face.nose_width * 0.9)) * bell(
        (nose_y + 0.06 + 0.10 * lamp_y) / 0.20
    )
    under_lip = bell(x / 0.2) * bell(
        (y - face.mouth_y - face.opening - face.lip_lower - 0.035) / 0.05
    )
    corners = bell((near - face.mouth_width - 0.015) / 0.06) * bell(
        (y - face.mouth_y + 0.06 * face.smile) / 0.07
    )
    total = socket + beside + 0.34 * under_nose + 0.42 * jnp.abs(lamp_x) * cast
    return 1 - jnp.clip(total + 0.28 * under_lip + 0.3 * corners, 0, 0.8)
