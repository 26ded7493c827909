"""What is in a picture: who, how, where and in which light, as a tree of small arrays.

A scene follows from (seed, index) alone: `sample(key_of(0, 123456))` is picture 123456.
Identity, attributes, pose, expression, light and setting are drawn from separate keys,
so that one part may be exchanged and the others stay: a face swap, a re-enactment and
an edit have an exact truth.  Everything is traceable; callers vmap.

Units: lengths of a face are in half face heights, the distance from the line of the
eyes to the chin; positions in a picture are shares of its side.  Coordinates point to
the right and down.  Colours are linear RGB.  Amounts without a unit lie in [0, 1].
"""

import functools
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
SHAPES = 7  # blurred shapes in a background
# Of an identity: what is no length or amount of which an average is a face's.
_LOOKS = ("rim_colour", "skin", "iris", "texture")
_AVERAGED, _DRAWN = 90_000, 1024  # seed and number of the scenes that are averaged
_DRAWS = 128  # numbers per part of a scene, at least as many as the largest part uses


class Identity(NamedTuple):
    """A person: lengths in half face heights, amounts in [0, 1], colours linear RGB."""

    width: jax.Array  # half width of the head
    jaw: jax.Array  # share of the width that is lost on the way to the chin
    square: jax.Array  # 0 an oval jaw, 1 one with corners
    chin: jax.Array  # how far below the eyes
    cheek: jax.Array  # how much the cheekbones stand out
    ear: jax.Array  # factor to the ears' size
    eye_gap: jax.Array  # from the middle to an eye, in half widths of the head
    eye_size: jax.Array  # half width of an eye
    eye_open: jax.Array  # how far an eye opens, about its height over its width
    eye_tilt: jax.Array  # slope of an eye, positive where outer corners are higher
    eye_fold: jax.Array  # how deep the fold above the lid is
    brow_gap: jax.Array  # from the eyes up to the brows
    brow_thick: jax.Array  # half of their thickness
    brow_arch: jax.Array  # height of their arch
    brow_tilt: jax.Array  # how much higher than the inner ends the outer ones are
    nose_width: jax.Array  # half width
    nose_length: jax.Array  # from the eyes down to the tip
    nose_bridge: jax.Array  # how far the bridge stands out
    nose_tip: jax.Array  # how far the tip does
    mouth_width: jax.Array  # half width
    mouth_drop: jax.Array  # from the tip of the nose down to the mouth
    lip_upper: jax.Array  # height of the upper lip
    lip_lower: jax.Array
    lip_red: jax.Array
    blush: jax.Array  # redness of cheeks and nose
    freckles: jax.Array
    stubble: jax.Array  # of men
    shine: jax.Array  # gloss of skin and hair
    hairline: jax.Array  # from the eyes up to the hair
    temple: jax.Array  # how much of temples and cheeks the hair covers
    volume: jax.Array  # how far hair stands off the head
    part: jax.Array  # where the parting is, to the right of the middle
    wave: jax.Array
    curl: jax.Array
    length: jax.Array  # from the eyes down to where long hair ends
    fringe: jax.Array  # from the eyes up to where bangs end
    warmth: jax.Array  # of the hair's colour, -1 ash to 1 red
    lightness: jax.Array  # factor to the hair's colour
    lens_width: jax.Array  # half width of a lens
    lens_height: jax.Array  # half height
    lens_round: jax.Array  # 0 corners, 1 round
    rim: jax.Array  # half of the rims' thickness
    rim_colour: jax.Array  # (3,)
    skin: jax.Array  # (3,)
    iris: jax.Array  # (3,)
    texture: jax.Array  # (2,) uint32, what `textures` draws skin and hair from


class Attributes(NamedTuple):
    """What an edit can change; each in [0, 1], hair colour as weights of the four."""

    hair_colour: jax.Array  # (len(HAIR_COLOURS),)
    bald: jax.Array
    bangs: jax.Array
    long_hair: jax.Array
    glasses: jax.Array
    moustache: jax.Array
    old: jax.Array
    male: jax.Array


class Pose(NamedTuple):
    """Where the head is in the picture, and where it looks."""

    yaw: jax.Array  # radians, positive to the right of the picture
    pitch: jax.Array  # radians, positive downwards
    roll: jax.Array  # radians, positive clockwise
    row: jax.Array  # of the point between the eyes, in sides of the picture
    column: jax.Array
    scale: jax.Array  # half the face's height, in sides of the picture


class Expression(NamedTuple):
    """Amounts in [0, 1]; brows and gaze in [-1, 1]."""

    smile: jax.Array
    mouth_open: jax.Array
    brow_raise: jax.Array
    gaze_x: jax.Array  # to the right of the picture
    gaze_y: jax.Array  # downwards
    lids: jax.Array  # 0 eyes open, 1 closed


class Light(NamedTuple):
    """A lamp, and the light that comes from all around."""

    direction: jax.Array  # unit vector to the lamp: right, down, to the viewer
    lamp: jax.Array  # (3,) linear RGB
    ambient: jax.Array  # (3,) linear RGB


class Setting(NamedTuple):
    """Backdrop and clothes."""

    colours: jax.Array  # (3, 3): two that the backdrop fades between, one in veils
    angle: jax.Array  # direction in which it fades, in half turns
    spot: jax.Array  # how much brighter the middle of the backdrop is
    contrast: jax.Array  # of its texture
    mottle: jax.Array  # how unevenly its colours are mixed
    shapes: jax.Array  # (SHAPES, 6): column, row, size, aspect, turn, visible or not
    shape_colours: jax.Array  # (SHAPES, 3)
    cloth: jax.Array  # (2, 3): the cloth, and its collar and pattern
    cloth_pattern: jax.Array  # below 0.25 checks, 0.4 columns, 0.55 rows, plain above
    cloth_scale: jax.Array  # how fine the pattern is
    neckline: jax.Array  # how deep
    collar: jax.Array  # above 0.3 there is one; above 0.5 the neckline is a V
    shoulder: jax.Array  # how low
    texture: jax.Array  # (2,) uint32, what `textures` draws the backdrop from


class Scene(NamedTuple):
    """All that `render.render` needs."""

    identity: Identity
    attributes: Attributes
    pose: Pose
    expression: Expression
    light: Light
    setting: Setting


class _Habits(NamedTuple):
    """How pictures of a domain are framed, lit and furnished; (least, span) are pairs.

    A least value and a span stand for uniform numbers from least to least + span.
    """

    yaw: float  # scales of roughly normal angles, in radians
    roll: float
    spread: float  # scale of a roughly normal position, in sides of the picture
    scale: float  # mean and
    zoom: float  # scale of the face's half height
    warmth: float  # most that red gains and blue loses in a lamp's colour
    lamp: tuple
    ambient: tuple
    one_backdrop: bool  # of one colour, unevenly lit; else three colours
    spot: float
    contrast: tuple
    shapes: float  # probability that a shape is visible


_HABITS = {
    "studio": _Habits(
        yaw=0.16,
        roll=0.06,
        spread=0.018,
        scale=0.375,
        zoom=0.016,
        warmth=0.10,
        lamp=(0.95, 0.4),
        ambient=(0.20, 0.25),
        one_backdrop=True,
        spot=1.0,
        contrast=(0.05, 0.10),
        shapes=0.12,
    ),
    "street": _Habits(
        yaw=0.20,
        roll=0.09,
        spread=0.055,
        scale=0.34,
        zoom=0.042,
        warmth=0.22,
        lamp=(0.75, 0.75),
        ambient=(0.10, 0.35),
        one_backdrop=False,
        spot=0.3,
        contrast=(0.10, 0.18),
        shapes=0.75,
    ),
}
# What is uniform between two values, in the order in which it is drawn: a new row
# belongs at the end, or every person becomes another.
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
# Dark brown, brown, hazel, blue.
_IRIS = ((0.05, 0.022, 0.01), (0.11, 0.05, 0.02), (0.10, 0.11, 0.05), (0.12, 0.2, 0.3))
# Black, horn, metal, red.
_RIM = ((0.01, 0.01, 0.012), (0.09, 0.035, 0.015), (0.35, 0.33, 0.3), (0.3, 0.03, 0.04))


def key_of(seed, index):
    """The key of picture `index` of the stream `seed`; both may be traced."""
    return jax.random.fold_in(jax.random.key(seed), index)


def sample(key, *, domain="studio"):
    """One scene of a domain; the same person whichever the domain."""
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is none of {DOMAINS}")
    habits = _HABITS[domain]
    keys = jax.random.split(key, 6)
    # All numbers at once, a row per part of the scene: many small draws would take
    # longer to compile than the rest of the picture.
    dice = jax.vmap(lambda k: jax.random.uniform(k, (_DRAWS,)))(keys)
    person_texture = jnp.uint32(jax.random.key_data(keys[0]))
    place_texture = jax.random.key_data(keys[5])

    identity, attributes = _person(dice[0], dice[1], person_texture)
    return Scene(
        identity,
        attributes,
        _pose(dice[2], habits),
        _expression(dice[3]),
        _light(dice[4], habits),
        _setting(dice[5], place_texture, habits),
    )


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
    target = jnp.float32(target)
    before = describe(scene)
    value = dict(zip(ATTRIBUTES, target, strict=True))
    has_hair = 1 - value["bald"]
    attributes = Attributes(
        hair_colour=target[: len(HAIR_COLOURS)],
        bald=value["bald"],
        bangs=value["bangs"] * has_hair,
        long_hair=value["long_hair"] * has_hair,
        **{n: value[n] for n in ("glasses", "moustache", "old", "male")},
    )
    # A smile has degrees of which the vector knows two.  It is moved to a clear one
    # of either kind, and only if it has to change.
    expression = scene.expression
    smile = ATTRIBUTES.index("smile")
    unchanged = target[smile] == before[smile]
    strength = jnp.where(unchanged, expression.smile, 0.08 + 0.84 * target[smile])
    return scene._replace(
        attributes=attributes, expression=expression._replace(smile=strength)
    )


def with_identity(scene, other):
    """The person of `other` in the pose, expression, light and place of `scene`."""
    return scene._replace(identity=other.identity, attributes=other.attributes)


def with_expression(scene, other):
    """The person and picture of `scene` with the expression of `other`."""
    return scene._replace(expression=other.expression)


def averaged(scene, truncation, *, domain):
    """A scene closer to its domain's average, as truncated generators draw them.

    `truncation` is the share that is left of what sets the face's shape, its pose and
    its expression apart; colours, attributes, light and setting stay.  For numpy arrays
    of one scene or of several, stacked.
    """
    average = _average(domain)

    def closer(name, value, mean):
        if name in _LOOKS:
            return value
        return np.float32(mean + truncation * (value - mean))

    parts = {}
    for part in ("identity", "pose", "expression"):
        own = getattr(scene, part)
        rows = zip(own._fields, own, getattr(average, part), strict=True)
        parts[part] = type(own)(*(closer(*row) for row in rows))
    return scene._replace(**parts)


@functools.cache
def _average(domain):
    """The mean scene of a domain, of numpy scalars and vectors."""
    keys = jax.vmap(functools.partial(key_of, _AVERAGED))(jnp.arange(_DRAWN))
    drawn = jax.vmap(functools.partial(sample, domain=domain))(keys)
    return jax.tree.map(lambda rows: np.asarray(rows).mean(0), drawn)


def _within(dice, ranges):
    """The first numbers of [0, 1] moved into the named ranges, as a dict."""
    low, high = np.float32(list(ranges.values())).T
    return dict(zip(ranges, low + (high - low) * dice[: len(ranges)], strict=True))


def _pick(position, colours):
    """The colour at a position in [0, 1] along evenly spaced ones, linear between."""
    colours = jnp.float32(colours)
    at = jnp.linspace(0, 1, len(colours))
    return jnp.stack([jnp.interp(position, at, c) for c in colours.T])


def _hues(dice):
    """Linear colours from (n, 5) numbers, more often grayish than bright.

    Three numbers are a colour, one is a gray; the fifth decides how far the way from
    gray to colour is gone.  The square makes linear light of values that look uniform.
    """
    colour = dice[:, :3]
    gray = dice[:, 3:4]
    strength = dice[:, 4:]
    return (gray + (colour - gray) * strength * strength * 0.6) ** 2


def _bell(dice):
    """From uniform to roughly normal numbers within ±2.2: the logistic quantile.

    The logistic distribution has simple quantiles; 0.025 keeps them finite.
    """
    return 0.6 * jnp.log((dice + 0.025) / (1.025 - dice))


def _person(dice, chance, texture):
    """(Identity, Attributes) from uniform numbers; those of `chance` decide yes or no.

    Probabilities are those that make portraits look like a mixed crowd: a quarter is
    old, women have long hair more often, bald are men, more so when old.
    """
    male = jnp.float32(chance[0] < 0.5)
    old = jnp.float32(chance[1] < 0.25)
    woman = 1 - male
    bald = jnp.float32(chance[2] < male * (0.10 + 0.22 * old))
    has_hair = 1 - bald

    lengths = _within(dice, _IDENTITY)
    dice = dice[len(_IDENTITY) :]

    # Hair and eyes are darker where skin is: weights of black, blond, brown and gray.
    melanin = dice[0]
    dark = jnp.float32(melanin > 0.6)
    weights = jnp.stack(
        [0.25 + 0.6 * dark, 0.28 * (1 - dark), 0.42 - 0.2 * dark, 0.03 + 1.1 * old]
    )
    below = jnp.cumsum(weights / weights.sum())
    colour = jax.nn.one_hot(jnp.sum(below < chance[3]), len(HAIR_COLOURS))

    attributes = Attributes(
        hair_colour=colour,
        bald=bald,
        bangs=jnp.float32(chance[4] < 0.12 + 0.22 * woman) * has_hair,
        long_hair=jnp.float32(chance[5] < 0.06 + 0.68 * woman) * has_hair,
        glasses=jnp.float32(chance[6] < 0.16 + 0.16 * old),
        moustache=jnp.float32(chance[7] < 0.26 * male),
        old=old,
        male=male,
    )
    identity = Identity(
        **lengths,
        # Freckles and curls are rare: what is below zero is none.
        freckles=jnp.maximum(dice[4] * 2.2 - 1.2, 0) * (1 - melanin),
        curl=jnp.maximum(dice[5] * 1.6 - 0.6, 0),
        rim_colour=_pick(dice[6], _RIM),
        skin=_pick(melanin, _SKIN) * (0.95 + 0.10 * dice[1:4]),
        iris=_pick(dice[7] * (1 - 0.8 * dark), _IRIS),
        texture=texture,
    )
    return identity, attributes


def _pose(dice, habits):
    normal = _bell(dice)
    return Pose(
        yaw=habits.yaw * normal[0],
        pitch=0.09 * normal[1],
        roll=habits.roll * normal[2],
        row=0.50 + habits.spread * normal[3],
        column=0.5 + habits.spread * normal[4],
        scale=habits.scale + habits.zoom * normal[5],
    )


def _expression(dice):
    # Smiles and their absence lie apart, 0.6 to 0.96 and 0 to 0.22, so that the
    # attribute is never doubtful.
    smiling = dice[0] < 0.45
    return Expression(
        smile=jnp.where(smiling, 0.6 + 0.8 * dice[0], 0.4 * (dice[0] - 0.45)),
        mouth_open=jnp.maximum(dice[1] * 1.5 - 0.75, 0),  # every second is closed
        brow_raise=(2 * dice[2] - 1) * 0.8,
        gaze_x=1.4 * dice[3] - 0.7,
        gaze_y=0.8 * dice[4] - 0.4,
        lids=jnp.where(dice[5] < 0.04, 1.0, 0.3 * dice[5]),  # one in 25 blinks
    )


def _light(dice, habits):
    # The lamp hangs above eye level and before the face, on either side.
    direction = jnp.stack(
        [2 * dice[0] - 1, -0.15 - 0.6 * dice[1], 0.75 + 0.4 * dice[2]]
    )
    direction = direction / jnp.linalg.norm(direction)
    warm = (2 * dice[3] - 1) * habits.warmth
    power = habits.lamp[0] + habits.lamp[1] * dice[4]
    ambient = habits.ambient[0] + habits.ambient[1] * dice[5]
    white = jnp.ones(())
    # Where the lamp is warm, the light around is cold: as of sun and sky.
    return Light(
        direction=direction,
        lamp=power * jnp.stack([1 + warm, white, 1 - warm]),
        ambient=ambient * jnp.stack([1 - warm, white, 1 + warm]),
    )


def _setting(dice, texture, habits):
    # Twelve single numbers, then five for each colour, then six for each shape.
    numbers = dice[:12]
    rest = dice[12:]
    colour_count = 5 + SHAPES
    colours = _hues(rest[: 5 * colour_count].reshape(colour_count, 5))
    shapes = rest[5 * colour_count :][: SHAPES * 6].reshape(SHAPES, 6)

    backdrop = colours[:3]
    if habits.one_backdrop:  # unevenly lit
        backdrop = backdrop[:1] * (0.72 + 0.45 * (numbers[:3, None] - 0.3))
    visible = shapes[:, 5] < habits.shapes
    return Setting(
        colours=backdrop,
        angle=2 * numbers[3] - 1,
        spot=numbers[4] * habits.spot,
        contrast=habits.contrast[0] + habits.contrast[1] * numbers[5],
        mottle=0.7 * numbers[6],
        shapes=shapes.at[:, 5].set(jnp.float32(visible)),
        shape_colours=colours[5:] * 1.1,
        cloth=colours[3:5],
        cloth_pattern=numbers[7],
        cloth_scale=numbers[8],
        neckline=numbers[9],
        collar=numbers[10],
        shoulder=numbers[11],
        texture=texture,
    )
