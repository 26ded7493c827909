"""Hair: where it grows, its strands, its sheen.

Coordinates are those of `geometry`: `view.head` is the head as seen, `view.x` and
`view.y` its face; x to the right, y down, the eyes near y = 0 and the chin near y = 1.
"""

import jax.numpy as jnp

from jaxforensics.synthfaces.drawing.shapes import bell, cover, mix, smooth, wave

_CYCLES = (5.0, 9.0, 15.0, 26.0, 41.0)  # strands across a unit of the head, by fineness


def masks(scene, face, view, strand, coarse, fine):
    """Coverage of all hair (behind the head too), of the hair before it, and shadow.

    The third is how much of the front hair's shadow falls on the face.  `strand`,
    `coarse` and `fine` are textures around 0 that roughen the borders.
    """
    i = scene.identity
    a = scene.attributes
    has_hair = 1 - a.bald
    x, y = view.head
    x = x + 0.10 * jnp.sin(scene.pose.yaw)  # the back of the head turns the other way

    # The outer border, in units of the head: a half ellipse over the crown, below the
    # ears straight down to where the hair ends.
    rough = (0.008 + 0.035 * i.curl) * coarse + 0.006 * fine
    volume = i.volume * (0.7 + 0.5 * a.long_hair)
    swing = (0.06 * i.wave * a.long_hair) * wave(0.9 * y + i.part) * smooth(y)
    flare = a.long_hair * (
        0.12 * smooth(y / 0.8) + 0.12 * i.wave * smooth((y - 0.3) / 1.2)
    )
    width = face.width + 0.6 * volume + 0.02 + flare
    up = jnp.minimum(y + 0.15, 0) / (1.0 + volume)
    u = (x + swing) / width
    outer = (jnp.sqrt(u * u + up * up + 1e-6) - 1) * width
    sideburns = 0.02 + 0.12 * i.temple
    end = mix(sideburns, i.length, a.long_hair)
    outer = jnp.maximum(outer, (y - end + 0.10 * coarse) * mix(1.0, 0.7, a.long_hair))
    outer = outer + rough
    soft = view.pixel + 0.02 + 0.03 * i.curl
    everything = cover(outer, soft) * has_hair

    # The opening through which the face looks: an ellipse above, a strip below.
    face_x = view.x
    face_y = view.y
    line = i.hairline + 0.12 * a.old * a.male * (1 - a.long_hair)  # it recedes
    wide = face.width * mix(1.0, 0.90 - 0.10 * i.temple, a.long_hair)
    up = jnp.minimum(face_y - 0.12, 0) / (line + 0.12)
    skew = 0.10 * i.part * smooth(-face_y)
    u = (face_x + skew) / wide
    u2 = u * u
    # Between a circle (u²) and a box (u⁴): hairlines are flat in the middle.
    opening = (jnp.sqrt(mix(u2, u2 * u2, 0.55) + up * up + 1e-6) - 1) * wide
    lock = face.width * 0.9 + 0.12 * smooth((face_y - 0.9) / 0.6)
    opening = jnp.where(
        face_y > 0.12,
        jnp.abs(face_x + swing) - mix(wide, lock, smooth((face_y - 0.3) / 0.7)),
        opening,
    )
    opening = opening + 0.008 * fine + 0.025 * i.curl * coarse

    # Bangs hang into it, lower on the parting's side.
    hang = (
        face_y
        + i.fringe
        - 0.30 * i.part * face_x
        + 0.012 * fine
        + 0.05 * strand
        - 0.08 * face_x * face_x
    )
    fringe = jnp.where(a.bangs > 0.5, hang, 1.0)
    inside = jnp.maximum(outer, jnp.minimum(-opening, fringe))
    shadow = cover(jnp.minimum(-opening, fringe) - 0.05, 0.16) * cover(outer, soft)
    return everything, cover(inside, soft) * has_hair, shadow * has_hair


def strands(scene, view, coarse, fine):
    """Brightness of the strands that flow down from the parting, around 0."""
    i = scene.identity
    x, y = view.head
    x = x - 0.5 * i.part
    # Lines of equal `flow` are strands: they start at the crown, y = -1.35, and spread
    # as parabolas, bent by waves and curls.
    flow = x * jnp.sqrt(1 / jnp.maximum(y + 1.35, 0.06))
    flow = flow + (0.015 + 0.05 * i.wave + 0.12 * i.curl) * coarse
    # Ten bits of the person's texture say where the waves begin.
    phase = jnp.float32(scene.identity.texture[0] & jnp.uint32(1023)) / 1024
    total = 0.0
    for n, cycles in enumerate(_CYCLES):
        # Strands finer than a picture's pixels fade out, or they would alias.
        faded = jnp.clip(1.6 - 3.0 * cycles * view.pixel, 0, 1)
        drift = wave(0.31 * cycles * y * 0.2 + (n + 1) * 3.7 * phase)
        ripple = wave(cycles * flow + (n + 1) * phase + 0.3 * drift)
        total = total + faded * ripple * 0.26
    return total + 0.10 * fine


def shade(scene, view, strand, coarse):
    """Brightness of the hair's own colour and of a band of sheen on it.

    The band lies across the crown, as on any bundle of fibres that bends there;
    curls break it up.
    """
    i = scene.identity
    x, y = view.head
    arc = y + 0.82 - 0.35 * x * x - 0.12 * scene.light.direction[0] * x - 0.06 * coarse
    band = bell(arc / 0.30) * (1 - 0.75 * i.curl)
    sheen = jnp.maximum(band * (0.5 + strand), 0) * (0.4 + i.shine)
    depth = 0.55 + 0.45 * smooth((0.9 - y) / 1.3)  # darker beside the neck
    body = (0.85 + 0.62 * strand + 0.22 * coarse) * depth
    return jnp.maximum(body, 0.12), sheen
