"""What is in a picture: who, how, where and in which light, as a tree of small arrays.

A scene follows from (seed, index) alone: `sample(key_of(0, 123456))` is picture 123456.
Identity, attributes, pose, expression, light and setting are drawn from separate keys,
so that one part may be exchanged and the others stay: a face swap, a re-enactment and
an edit have an exact truth.  Everything is traceable; callers vmap.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

DOMAINS = ("studio", "street")
HAIR_COLOURS = ("black_hair", "blond_hair", "brown_hair", "gray_hair")
ATTRIBUTES = (
    *HAIR_COLOURS,
    *("bald", "bangs", "long_hair", "smile", "glasses", "moustache", "old", "male"),
)
SHAPES = 7  # soft shapes in a background
_DRAWS = 128  # numbers per part of a scene, at least as many as the largest part uses


class Identity(NamedTuple):
    """A person: lengths in half face heights, amounts in [0, 1], colours linear RGB."""

    width: jax.Array
    jaw: jax.Array
    square: jax.Array
    chin: jax.Array
    cheek: jax.Array
    ear: jax.Array
    eye_gap: jax.Array
    eye_size: jax.Array
    eye_open: jax.Array
    eye_tilt: jax.Array
    eye_fold: jax.Array
    brow_gap: jax.Array
    brow_thick: jax.Array
    brow_arch: jax.Array
    brow_tilt: jax.Array
    nose_width: jax.Array
    nose_length: jax.Array
    nose_bridge: jax.Array
    nose_tip: jax.Array
    mouth_width: jax.Array
    mouth_drop: jax.Array
    lip_upper: jax.Array
    lip_lower: jax.Array
    lip_red: jax.Array
    blush: jax.Array
    freckles: jax.Array
    stubble: jax.Array
    shine: jax.Array
    hairline: jax.Array
    temple: jax.Array
    volume: jax.Array
    part: jax.Array
    wave: jax.Array
    curl: jax.Array
    length: jax.Array
    fringe: jax.Array
    warmth: jax.Array
    lightness: jax.Array
    lens_width: jax.Array
    lens_height: jax.Array
    lens_round: jax.Array
    rim: jax.Array
    rim_colour: jax.Array
    skin: jax.Array
    iris: jax.Array
    texture: jax.Array


class Attributes(NamedTuple):
    """What an edit can change; each in [0, 1], hair colour as weights of the four."""

    hair_colour: jax.Array
    bald: jax.Array
    bangs: jax.Array
    long_hair: jax.Array
    glasses: jax.Array
    moustache: jax.Array
    old: jax.Array
    male: jax.Array


class Pose(NamedTuple):
    """Angles in radians; the face's centre and half height in units of the picture."""

    yaw: jax.Array
    pitch: jax.Array
    roll: jax.Array
    row: jax.Array
    column: jax.Array
    scale: jax.Array


class Expression(NamedTuple):
    """Amounts in [0, 1]; brows and gaze in [-1, 1]."""

    smile: jax.Array
    mouth_open: jax.Array
    brow_raise: jax.Array
    gaze_x: jax.Array
    gaze_y: jax.Array
    lids: jax.Array


class Light(NamedTuple):
    """A lamp (unit vector to the right, down, to the viewer) and the light around."""

    direction: jax.Array
    lamp: jax.Array
    ambient: jax.Array


class Setting(NamedTuple):
    """Backdrop and clothes."""

    colours: jax.Array
    angle: jax.Array
    spot: jax.Array
    contrast: jax.Array
    mottle: jax.Array
    shapes: jax.Array
    shape_colours: jax.Array
    cloth: jax.Array
    cloth_pattern: jax.Array
    cloth_scale: jax.Array
    neckline: jax.Array
    collar: jax.Array
    shoulder: jax.Array
    texture: jax.Array


class Scene(NamedTuple):
    """All that `render.render` needs."""

    identity: Identity
    attributes: Attributes
    pose: Pose
    expression: Expression
    light: Light
    setting: Setting


_IDENTITY = {
    "width": (0.64, 0.77),
    "jaw": (0.10, 0.46),
    "square": (0.0, 0.85),
    "chin": (0.92, 1.10),
    "cheek": (0.0, 1.0),
    "ear": (0.8, 1.25),
    "eye_gap": (0.375, 0.455),
    "eye_size": (0.140, 0.180),
    "eye_open": (0.42, 0.66),
    "eye_tilt": (-0.10, 0.16),
    "eye_fold": (0.0, 1.0),
    "brow_gap": (0.205, 0.285),
    "brow_thick": (0.018, 0.046),
    "brow_arch": (0.0, 0.09),
    "brow_tilt": (-0.12, 0.07),
    "nose_width": (0.125, 0.215),
    "nose_length": (0.36, 0.49),
    "nose_bridge": (0.3, 1.0),
    "nose_tip": (0.0, 1.0),
    "mouth_width": (0.22, 0.33),
    "mouth_drop": (0.185, 0.245),
    "lip_upper": (0.030, 0.072),
    "lip_lower": (0.045, 0.095),
    "lip_red": (0.0, 1.0),
    "blush": (0.0, 1.0),
    "stubble": (0.0, 1.0),
    "shine": (0.2, 1.0),
    "hairline": (0.60, 0.80),
    "temple": (0.0, 1.0),
    "volume": (0.04, 0.24),
    "part": (-0.45, 0.45),
    "wave": (0.0, 1.0),
    "length": (0.9, 2.1),
    "fringe": (0.22, 0.44),
    "warmth": (-1.0, 1.0),
    "lightness": (0.65, 1.45),
    "lens_width": (0.20, 0.26),
    "lens_height": (0.13, 0.20),
    "lens_round": (0.0, 1.0),
    "rim": (0.010, 0.030),
}
# Linear RGB, light to dark and in between; people lie on the line through them.
_SKIN = (
    (0.74, 0.50, 0.40),
    (0.60, 0.36, 0.25),
    (0.36, 0.19, 0.115),
    (0.105, 0.05, 0.03),
)
_IRIS = ((0.05, 0.022, 0.01), (0.11, 0.05, 0.02), (0.10, 0.11, 0.05), (0.12, 0.2, 0.3))
_RIM = ((0.01, 0.01, 0.012), (0.09, 0.035, 0.015), (0.35, 0.33, 0.3), (0.3, 0.03, 0.04))


def key_of(seed, index):
    """The key of picture `index` of the stream `seed`; both may be traced."""
    return jax.random.fold_in(jax.random.key(seed), index)


def sample(key, *, domain="studio"):
    """One scene of a domain; the same person whichever the domain."""
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is none of {DOMAINS}")
    keys = jax.random.split(key, 6)
    draws = jax.vmap(lambda k: jax.random.uniform(k, (_DRAWS,)))(keys)
    person, place = jax.random.key_data(keys[0]), jax.random.key_data(keys[5])
    identity, attributes = _person(draws[0], draws[1], jnp.uint32(person))
    street = domain == "street"
    pose, expression = _pose(draws[2], street), _expression(draws[3])
    light, setting = _light(draws[4], street), _setting(draws[5], place, street)
    return Scene(identity, attributes, pose, expression, light, setting)


def describe(scene):
    """The attribute vector of a scene, zeros and ones in the order of ATTRIBUTES."""
    a = scene.attributes
    colour = jax.nn.one_hot(a.hair_colour.argmax(-1), len(HAIR_COLOURS))
    rest = (a.bald, a.bangs, a.long_hair, scene.expression.smile, a.glasses)
    rest = jnp.stack([*rest, a.moustache, a.old, a.male])
    return jnp.concatenate([colour, jnp.float32(rest > 0.5)])


def edit(scene, target):
    """The same person in the same picture with the attribute vector `target`.

    Hair colours are exclusive; the bald have neither bangs nor long hair.  Whatever
    `target` does not change stays as it was, to the bit.
    """
    target, before = jnp.float32(target), describe(scene)
    value = dict(zip(ATTRIBUTES, target, strict=True))
    kept = 1 - value["bald"]
    attributes = Attributes(
        hair_colour=target[: len(HAIR_COLOURS)],
        bald=value["bald"],
        bangs=value["bangs"] * kept,
        long_hair=value["long_hair"] * kept,
        **{n: value[n] for n in ("glasses", "moustache", "old", "male")},
    )
    old = scene.expression
    smile = ATTRIBUTES.index("smile")
    same = target[smile] == before[smile]
    strength = jnp.where(same, old.smile, 0.08 + 0.84 * target[smile])
    return scene._replace(
        attributes=attributes, expression=old._replace(smile=strength)
    )


def with_identity(scene, other):
    """The person of `other` in the pose, expression, light and place of `scene`."""
    return scene._replace(identity=other.identity, attributes=other.attributes)


def with_expression(scene, other):
    """The person and picture of `scene` with the expression of `other`."""
    return scene._replace(expression=other.expression)


def _within(u, ranges):
    """The numbers `u` of [0, 1] moved into the named ranges, as a dict."""
    low, high = np.float32(list(ranges.values())).T
    return dict(zip(ranges, low + (high - low) * u[: len(ranges)], strict=True))


def _pick(position, colours):
    """Piecewise linear colour at a position in [0, 1]."""
    colours = jnp.float32(colours)
    at = jnp.linspace(0, 1, len(colours))
    return jnp.stack([jnp.interp(position, at, c) for c in colours.T])


def _hues(u):
    """Linear colours from (n, 5) numbers, more often grayish than bright."""
    gray, colour, strength = u[:, 3:4], u[:, :3], u[:, 4:]
    return (gray + (colour - gray) * strength * strength * 0.6) ** 2


def _bell(u):
    """From uniform to roughly normal numbers within ±2.2: the logistic quantile."""
    return 0.6 * jnp.log((u + 0.025) / (1.025 - u))


def _person(u, chance, texture):
    male = jnp.float32(chance[0] < 0.5)
    old = jnp.float32(chance[1] < 0.25)
    woman = 1 - male
    bald = jnp.float32(chance[2] < male * (0.10 + 0.22 * old))
    kept = 1 - bald
    lengths, u = _within(u, _IDENTITY), u[len(_IDENTITY) :]
    melanin = u[0]
    dark = jnp.float32(melanin > 0.6)
    weights = jnp.stack(
        [0.25 + 0.6 * dark, 0.28 * (1 - dark), 0.42 - 0.2 * dark, 0.03 + 1.1 * old]
    )
    below = jnp.cumsum(weights / weights.sum())
    colour = jax.nn.one_hot(jnp.sum(below < chance[3]), len(HAIR_COLOURS))
    attributes = Attributes(
        hair_colour=colour,
        bald=bald,
        bangs=jnp.float32(chance[4] < 0.12 + 0.22 * woman) * kept,
        long_hair=jnp.float32(chance[5] < 0.06 + 0.68 * woman) * kept,
        glasses=jnp.float32(chance[6] < 0.16 + 0.16 * old),
        moustache=jnp.float32(chance[7] < 0.26 * male),
        old=old,
        male=male,
    )
    identity = Identity(
        **lengths,
        freckles=jnp.maximum(u[4] * 2.2 - 1.2, 0) * (1 - melanin),
        curl=jnp.maximum(u[5] * 1.6 - 0.6, 0),
        rim_colour=_pick(u[6], _RIM),
        skin=_pick(melanin, _SKIN) * (0.95 + 0.10 * u[1:4]),
        iris=_pick(u[7] * (1 - 0.8 * dark), _IRIS),
        texture=texture,
    )
    return identity, attributes


def _pose(u, street):
    n = _bell(u)
    spread, size = (0.055, 0.042) if street else (0.018, 0.016)
    return Pose(
        yaw=(0.20 if street else 0.16) * n[0],
        pitch=0.09 * n[1],
        roll=(0.09 if street else 0.06) * n[2],
        row=0.50 + spread * n[3],
        column=0.5 + spread * n[4],
        scale=(0.34 if street else 0.375) + size * n[5],
    )


def _expression(u):
    smiling = u[0] < 0.45
    return Expression(
        smile=jnp.where(smiling, 0.6 + 0.8 * u[0], 0.4 * (u[0] - 0.45)),
        mouth_open=jnp.maximum(u[1] * 1.5 - 0.75, 0),
        brow_raise=(2 * u[2] - 1) * 0.8,
        gaze_x=1.4 * u[3] - 0.7,
        gaze_y=0.8 * u[4] - 0.4,
        lids=jnp.where(u[5] < 0.04, 1.0, 0.3 * u[5]),
    )


def _light(u, street):
    direction = jnp.stack([2 * u[0] - 1, -0.15 - 0.6 * u[1], 0.75 + 0.4 * u[2]])
    direction = direction / jnp.linalg.norm(direction)
    warm = (2 * u[3] - 1) * (0.22 if street else 0.10)
    power = (0.75 + 0.75 * u[4]) if street else (0.95 + 0.4 * u[4])
    ambient = (0.10 + 0.35 * u[5]) if street else (0.20 + 0.25 * u[5])
    white = jnp.ones(())
    return Light(
        direction=direction,
        lamp=power * jnp.stack([1 + warm, white, 1 - warm]),
        ambient=ambient * jnp.stack([1 - warm, white, 1 + warm]),
    )


def _setting(u, texture, street):
    (u, colours), count = (u[:12], u[12:]), 5 + SHAPES
    shapes = colours[5 * count :][: SHAPES * 6].reshape(SHAPES, 6)
    colours = _hues(colours[: 5 * count].reshape(count, 5))
    back, cloth, painted = colours[:3], colours[3:5], colours[5:]
    if not street:  # one backdrop, unevenly lit
        back = back[:1] * (0.72 + 0.45 * (u[:3, None] - 0.3))
    visible = shapes[:, 5] < (0.75 if street else 0.12)
    return Setting(
        colours=back,
        angle=2 * u[3] - 1,
        spot=u[4] * (0.3 if street else 1.0),
        contrast=(0.10 + 0.18 * u[5]) if street else (0.05 + 0.10 * u[5]),
        mottle=0.7 * u[6],
        shapes=shapes.at[:, 5].set(jnp.float32(visible)),
        shape_colours=painted * 1.1,
        cloth=cloth,
        cloth_pattern=u[7],
        cloth_scale=u[8],
        neckline=u[9],
        collar=u[10],
        shoulder=u[11],
        texture=texture,
    )
