"""Hair: where it grows, its strands, its sheen."""

import jax.numpy as jnp

from jaxforensics.synthfaces.drawing.shapes import bell, cover, mix, smooth, wave

_CYCLES = (5.0, 9.0, 15.0, 26.0, 41.0)


def masks(scene, face, view, strand, coarse, fine):
    """Coverage of all hair (behind the head too) and of the hair before the head."""
    i, a = scene.identity, scene.attributes
    x, y = view.head
    kept = 1 - a.bald
    back = jnp.sin(scene.pose.yaw)
    x = x + 0.10 * back
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
    short = 0.02 + 0.12 * i.temple
    end = mix(short, i.length, a.long_hair)
    outer = jnp.maximum(outer, (y - end + 0.10 * coarse) * mix(1.0, 0.7, a.long_hair))
    outer = outer + rough
    soft = view.pixel + 0.02 + 0.03 * i.curl
    everything = cover(outer, soft) * kept
    # The opening through which the face looks: an ellipse above, a strip below.
    fx, fy = view.x, view.y
    line = i.hairline + 0.12 * a.old * a.male * (1 - a.long_hair)
    wide = face.width * mix(1.0, 0.90 - 0.10 * i.temple, a.long_hair)
    up = jnp.minimum(fy - 0.12, 0) / (line + 0.12)
    skew = 0.10 * i.part * smooth(-fy)
    u = (fx + skew) / wide
    u2 = u * u
    opening = (jnp.sqrt(mix(u2, u2 * u2, 0.55) + up * up + 1e-6) - 1) * wide
    lock = face.width * 0.9 + 0.12 * smooth((fy - 0.9) / 0.6)
    opening = jnp.where(
        fy > 0.12,
        jnp.abs(fx + swing) - mix(wide, lock, smooth((fy - 0.3) / 0.7)),
        opening,
    )
    opening = opening + 0.008 * fine + 0.025 * i.curl * coarse
    hang = (
        fy
        + i.fringe
        - 0.30 * i.part * fx
        + 0.012 * fine
        + 0.05 * strand
        - 0.08 * fx * fx
    )
    fringe = jnp.where(a.bangs > 0.5, hang, 1.0)
    inside = jnp.maximum(outer, jnp.minimum(-opening, fringe))
    shadow = cover(jnp.minimum(-opening, fringe) - 0.05, 0.16) * cover(outer, soft)
    return everything, cover(inside, soft) * kept, shadow * kept


def strands(scene, view, coarse, fine):
    """Brightness of the strands that flow down from the parting, around 0."""
    i = scene.identity
    x, y = view.head
    x = x - 0.5 * i.part
    flow = x * jnp.sqrt(1 / jnp.maximum(y + 1.35, 0.06))
    flow = flow + (0.015 + 0.05 * i.wave + 0.12 * i.curl) * coarse
    phase = jnp.float32(scene.identity.texture[0] & jnp.uint32(1023)) / 1024
    total = 0.0
    for n, cycles in enumerate(_CYCLES):
        faded = jnp.clip(1.6 - 3.0 * cycles * view.pixel, 0, 1)
        drift = wave(0.31 * cycles * y * 0.2 + (n + 1) * 3.7 * phase)
        total = (
            total + faded * wave(cycles * flow + (n + 1) * phase + 0.3 * drift) * 0.26
        )
    return total + 0.10 * fine


def shade(scene, view, strand, coarse):
    """Brightness of the hair's own colour and of a band of sheen on it."""
    i = scene.identity
    x, y = view.head
    arc = y + 0.82 - 0.35 * x * x - 0.12 * scene.light.direction[0] * x - 0.06 * coarse
    band = bell(arc / 0.30) * (1 - 0.75 * i.curl)
    sheen = jnp.maximum(band * (0.5 + strand), 0) * (0.4 + i.shine)
    depth = 0.55 + 0.45 * smooth((0.9 - y) / 1.3)
    body = (0.85 + 0.62 * strand + 0.22 * coarse) * depth
    return jnp.maximum(body, 0.12), sheen
