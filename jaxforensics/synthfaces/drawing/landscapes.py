"""Landscapes without faces: hills, water, streets and still lifes, in linear light.

A kind of picture decides how random numbers become a `View`; painting is the same for
all, back to front: sky, ridges, ground, things that stand on it.  Water is a mirror:
beyond its near shore the rest is painted at reflected coordinates.

Positions and lengths are in sides of the picture, x to the right and y down; colours
are linear RGB.  Planes of colour are (3, size, size).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random

from jaxforensics.kernels.fusion import stage
from jaxforensics.synthfaces.drawing.shapes import (
    bell,
    cover,
    ellipse,
    mix,
    smooth,
    wave,
)
from jaxforensics.synthfaces.drawing.textures import textures

KINDS = ("hills", "water", "street", "still")
RIDGES = 3  # lines of hills at the horizon
THINGS = 8  # that stand on the ground
_DICE, _DICE_EACH = 24, 12  # random numbers of a picture, and of each of its things


class Things(NamedTuple):
    """What stands on the ground, far ones first; lengths in picture sides."""

    x: jax.Array  # of its middle
    base: jax.Array  # y of its lower edge
    width: jax.Array  # half of it
    height: jax.Array
    box: jax.Array  # 1 a box, 0 an ellipse
    pitch: jax.Array  # slope of the roof
    leaves: jax.Array  # roughness of outline and surface
    windows: jax.Array  # per side of the picture, 0 none
    gloss: jax.Array  # brightness of a highlight
    shadow: jax.Array  # how much light its shadow takes from the ground
    colour: jax.Array  # (n, 3)


class View(NamedTuple):
    """A landscape; colours are linear RGB, (n, 3), also where n is 1."""

    zenith: jax.Array  # of the sky overhead
    haze: jax.Array  # of the sky at the horizon, and what distance fades to
    clouds: jax.Array  # share of the sky
    side: jax.Array  # the light comes from: -1 left, 1 right
    horizon: jax.Array  # row
    rise: jax.Array  # height of the ridges above it, far ones first
    ridge: jax.Array  # their colours
    water: jax.Array  # 1 or 0
    ground: jax.Array  # its colour
    stripe: jax.Array  # its second colour
    stripes: jax.Array  # how each, as lines that meet at the horizon
    grain: jax.Array  # contrast of the ground's texture
    things: Things


def render(key, *, size):
    """A landscape (size, size, 3), white at 1, of a kind that the key decides."""
    numbers = random.uniform(random.fold_in(key, 0), (_DICE + _DICE_EACH * THINGS,))
    kind = random.randint(random.fold_in(key, 1), (), 0, len(KINDS))
    texture = random.bits(random.fold_in(key, 2), (3, 2))
    dice = numbers[:_DICE]
    each = numbers[_DICE:].reshape(_DICE_EACH, THINGS)
    # Views of all kinds are cheap, a few numbers; only one of them is painted.
    views = [build(dice, each) for build in (_hills, _water, _street, _still)]
    view = jax.tree.map(lambda *fields: jnp.stack(fields)[kind], *views)
    return _paint(view, texture, size)


def _paint(view, texture, size):
    """The picture of a view; `texture` is the key data of its three textures."""
    planes = cloud, rough, leaf = _planes(texture, size)
    x, row, y = _coordinates(view.horizon, view.water, rough)
    colour = _sky(view, cloud, x, y)
    for k in range(RIDGES):
        colour = _ridge(colour, view, k, planes, y)
    colour = _ground(colour, view, planes, x, y)

    def put(colour, thing):
        return _thing(colour, thing, view.side, (rough, leaf), x, y), None

    colour, _ = lax.scan(put, colour, view.things)
    return jnp.moveaxis(_wet(colour, view, rough, row), 0, -1)


def _planes(texture, size):
    """Clouds, rough ground and leaves: textures of variance about 1.

    The finer a texture, the slower its spectrum falls, see `textures.amplitude`.
    """
    laws = ((2.0, 2.0), (1.35, 4.0), (1.0, 12.0))
    return textures(texture, laws, jnp.zeros((len(laws), 2)), size=size)


@stage
def _coordinates(horizon, water, rough):
    """Column and row of every pixel, and the row of what is seen there."""
    size = rough.shape[0]
    rows, columns = (lax.broadcasted_iota(jnp.float32, rough.shape, k) for k in (0, 1))
    x = (columns + 0.5) / size
    row = (rows + 0.5) / size
    # Ripples grow towards the viewer and become longer with perspective: their phase
    # goes with the logarithm of the way below the horizon.
    depth = jnp.maximum(row - horizon, 0.0)
    ripples = depth * (0.1 * rough + 0.08 * wave(9 * jnp.log(depth + 0.02)))
    mirrored = horizon - 0.9 * depth + ripples
    return x, row, jnp.where(water * depth > 0, mirrored, row)


@stage
def _sky(view, cloud, x, y):
    """Haze to zenith, a glow where the light comes from, and clouds over it."""
    height = smooth((view.horizon - y) / jnp.maximum(view.horizon, 0.1))
    glow = 0.35 * bell((x - 0.5 - 0.5 * view.side) / 0.9) * bell(height)
    sky = mix(_tall(view.haze), _tall(view.zenith), height[None]) * (1 + glow)[None]
    # The clouds' texture above a threshold that falls as their share grows.
    amount = smooth(0.5 + (cloud - 2.5 + 4.0 * view.clouds) / 1.6) * (view.clouds > 0)
    white = 0.3 + 0.65 * view.haze.mean() - 0.15 * cloud
    return mix(sky, white[None] * _tall(_rgb(1.0, 0.98, 0.96)), 0.85 * amount[None])


def _ridge(colour, view, k, planes, y):
    """Ridge `k` painted over what is behind it.

    Its profile is a row of the textures, another one for each ridge.
    """
    size = y.shape[0]

    @stage
    def look(rise, horizon, planes, y):
        cloud, rough, leaf = planes
        row = (k * size) // RIDGES
        profile = 0.7 * cloud[row] + 0.15 * rough[row]
        crest = horizon - rise * (1 + 0.5 * profile[None])
        contrast = (0.1, 0.18, 0.28)[k]  # the farther the fainter
        shade = 0.9 + contrast * (rough + leaf) + 0.8 * (y - crest)
        return jnp.maximum(shade, 0.2), (rise > 0) * cover(crest - y, 1 / size)

    shade, covering = look(view.rise[k], view.horizon, planes, y)
    return mix(colour, _tall(view.ridge[k, None]) * shade[None], covering[None])


def _ground(colour, view, planes, x, y):
    """The ground below the horizon, with furrows or road marks that meet there."""
    size = y.shape[0]

    @stage
    def look(view, planes, x, y):
        cloud, rough, leaf = planes
        depth = y - view.horizon
        # Lines through a vanishing point have equal (x - its x) / depth.
        lines = (x - 0.5 - 0.3 * view.side) / (jnp.maximum(depth, 0.0) + 0.06)
        stripe = smooth(0.5 + 2.5 * wave(view.stripes * lines * 0.12))
        grain = 1 + view.grain * (0.6 * rough + 0.5 * leaf + 0.25 * cloud)
        covering = (1 - view.water) * cover(-depth - 0.004 * rough, 1 / size)
        return stripe * smooth(6 * depth), jnp.maximum(grain, 0.1), covering

    stripe, grain, covering = look(view, planes, x, y)
    ground = mix(_tall(view.ground), _tall(view.stripe), stripe[None]) * grain[None]
    return mix(colour, ground, covering[None])


def _thing(colour, thing, side, planes, x, y):
    """One thing and its shadow over what is behind them."""
    size = y.shape[0]

    @stage
    def look(thing, side, planes, x, y):
        rough, leaf = planes
        across = x - thing.x
        middle = thing.base - thing.height / 2
        u = across / thing.width  # -1 to 1 over its width,
        v = (y - middle) / (thing.height / 2)  # and over its height

        # A flat ellipse on the ground, on the side away from the light.
        fallen = across + 0.5 * side * thing.width
        far = (fallen / (1.5 * thing.width)) ** 2 + ((y - thing.base) / 0.05) ** 2
        shadow = 1 - thing.shadow * jnp.maximum(1 - far, 0.0) ** 2

        roof = thing.base - thing.height + thing.pitch * jnp.abs(across)
        below = jnp.maximum(y - thing.base, roof - y)
        box = jnp.maximum(jnp.abs(across) - thing.width, below)
        disc = ellipse(across, y - middle, thing.width, thing.height / 2)
        rugged = thing.leaves * thing.width * (0.16 * rough + 0.12 * leaf)
        covering = cover(mix(disc, box, thing.box) + rugged, 1.5 / size)

        # Brighter towards the light and upwards; flat sides less so than round ones.
        light = 0.65 + 0.55 * mix(0.8, 0.4, thing.box) * (side * u - v)
        light *= 1 + 0.08 * rough + thing.leaves * (0.3 * rough + 0.35 * leaf)
        tiled = (y - thing.base + thing.height) < thing.pitch * thing.width
        light = jnp.maximum(light, 0.05) * jnp.where(tiled, 0.45, 1.0)
        light *= 1 - 0.85 * _panes(thing, across, y) * ~tiled
        spot = ((u - 0.4 * side) ** 2 + (v + 0.45) ** 2) / 0.12
        gloss = thing.gloss * jnp.maximum(1 - spot, 0.0) ** 2
        return shadow, covering, light, gloss

    shadow, covering, light, gloss = look(thing, side, planes, x, y)
    paint = _tall(thing.colour[None]) * light[None] + gloss[None]
    return mix(colour * shadow[None], paint, covering[None])


def _panes(thing, across, y):
    """Windows of a house, not all equally dark."""
    column = across * thing.windows
    row = (y - thing.base) * thing.windows * 0.8
    inside = smooth(3 * wave(column + 0.25) - 0.3) * smooth(3 * wave(row) - 0.6)
    # Multiples of the plastic number's powers fall evenly over [0, 1) (Roberts, 2018):
    # a brightness for each window that looks random.
    cell = jnp.floor(column) * 0.7549 + jnp.floor(row) * 0.5698
    return inside * (0.35 + 0.65 * (cell - jnp.floor(cell))) * (thing.windows > 0)


def _wet(colour, view, rough, row):
    """Water takes some of the light that it mirrors, and glitters."""
    covering = view.water * cover(view.horizon - row, 2 / row.shape[0])
    glint = 0.06 * smooth(rough - 0.5) * view.haze.mean()
    sea = colour * _tall(_rgb(0.5, 0.66, 0.74)) + glint[None]
    return mix(colour, sea, covering[None])


def _tall(colour):
    """A colour (1, 3) as (3, 1, 1), for planes."""
    return colour.reshape(3, 1, 1)


def _hills(dice, each):
    """Ridges behind fields, with trees and some houses."""
    zenith, haze = _weather(dice)
    green = mix(_rgb(0.10, 0.16, 0.04), _rgb(0.32, 0.24, 0.08), dice[3])
    near = jnp.sort(each[1])  # far things first, nearer ones before them
    house = each[2] < 0.3  # else a tree
    scale = 0.03 + 0.16 * near**1.5
    leaf = green * (0.15 + 0.6 * each[3][:, None])
    wall = mix(_rgb(0.5, 0.2, 0.12), _rgb(0.75, 0.7, 0.6), each[3][:, None])
    return View(
        zenith=zenith,
        haze=haze,
        clouds=_range(dice[4], 0, 0.9),
        side=_range(dice[5], -1, 1),
        horizon=_range(dice[6], 0.45, 0.72),
        rise=jnp.float32([0.28, 0.18, 0.07]) * _range(dice[7:10], 0.3, 1.3),
        ridge=_fade(green * 0.9, haze, jnp.float32([0.5, 0.25, 0.05])),
        water=jnp.float32(0),
        ground=green * _range(dice[10], 0.5, 1.4),
        stripe=green * _range(dice[11], 0.5, 2.0) + 0.04 * dice[12],
        stripes=_range(dice[13], 0, 9),
        grain=_range(dice[14], 0.2, 0.45),
        things=Things(
            x=_range(each[0], -0.05, 1.05),
            base=_range(dice[6], 0.45, 0.72) + 0.01 + 0.26 * near**1.3,
            width=scale * jnp.where(house, 1.0, _range(each[4], 0.5, 0.9)),
            height=scale * jnp.where(house, 1.8, _range(each[5], 1.6, 3.5)),
            box=jnp.float32(house),
            pitch=jnp.where(house, 0.7, 0.0),
            leaves=jnp.where(house, 0.0, 1.0),
            windows=jnp.where(house, 1.2 / scale, 0.0),
            gloss=jnp.zeros(THINGS),
            shadow=jnp.full(THINGS, 0.5),
            colour=jnp.where(house[:, None], wall, leaf),
        ),
    )


def _water(dice, each):
    """Lake or sea that mirrors far shores, with islands and sails."""
    zenith, haze = _weather(dice)
    horizon = _range(dice[6], 0.38, 0.68)
    sail = each[2] < 0.4  # else an island
    dark = _rgb(0.06, 0.09, 0.05) * _range(each[3], 0.4, 1.6)[:, None]
    paint = mix(_rgb(0.8, 0.78, 0.7), each[4:7].T, 0.4)
    scale = _range(each[1], 0.02, 0.09)
    return View(
        zenith=zenith,
        haze=haze,
        clouds=_range(dice[4], 0.1, 0.95),
        side=_range(dice[5], -1, 1),
        horizon=horizon,
        # About every third ridge is none: open water.
        rise=jnp.float32([0.3, 0.17, 0.06])
        * jnp.maximum(_range(dice[7:10], -0.6, 1.2), 0),
        ridge=_fade(_rgb(0.1, 0.12, 0.08), haze, jnp.float32([0.5, 0.25, 0.08])),
        water=jnp.float32(1),
        ground=haze,
        stripe=haze,
        stripes=jnp.float32(0),
        grain=jnp.float32(0),
        things=Things(
            x=each[0],
            base=jnp.broadcast_to(horizon + 0.004, (THINGS,)),
            width=scale * jnp.where(sail, 0.5, 1.8),
            height=scale * jnp.where(sail, 2.6, 1.0),
            box=jnp.float32(sail),
            pitch=jnp.where(sail, 5.0, 0.0),
            leaves=jnp.where(sail, 0.0, 0.8),
            windows=jnp.zeros(THINGS),
            gloss=jnp.zeros(THINGS),
            shadow=jnp.zeros(THINGS),
            colour=jnp.where(sail[:, None], paint, dark),
        ),
    )


def _street(dice, each):
    """Houses on both sides of a road, lower towards its end."""
    zenith, haze = _weather(dice)
    horizon = _range(dice[6], 0.58, 0.75)
    near = (jnp.arange(THINGS) + 0.6 * each[1]) / THINGS
    side = jnp.where(jnp.arange(THINGS) % 2 == 0, -1.0, 1.0)  # of the road, in turn
    brick = mix(_rgb(0.42, 0.17, 0.10), _rgb(0.6, 0.55, 0.45), each[3][:, None])
    width = 0.06 + 0.10 * near
    asphalt = _rgb(0.10, 0.10, 0.11) * _range(dice[10], 0.3, 1.6)
    return View(
        zenith=zenith,
        haze=haze,
        clouds=_range(dice[4], 0, 0.9),
        side=_range(dice[5], -1, 1),
        horizon=horizon,
        rise=jnp.float32([0.1, 0.05, 0.0]) * dice[7:10],
        ridge=_fade(_rgb(0.2, 0.2, 0.2), haze, jnp.float32([0.7, 0.5, 0.3])),
        water=jnp.float32(0),
        ground=asphalt,
        stripe=asphalt * _range(dice[11], 1.0, 3.0),
        stripes=_range(dice[13], 1, 4),
        grain=_range(dice[14], 0.1, 0.3),
        things=Things(
            x=0.5 + side * (0.08 + 0.40 * near),
            base=horizon + 0.01 + 0.22 * near**1.5,
            width=width,
            height=_range(each[5], 0.25, 0.55) * (0.5 + near),
            box=jnp.ones(THINGS),
            pitch=jnp.where(each[2] < 0.4, 0.6, 0.0),
            leaves=jnp.zeros(THINGS),
            windows=_range(each[6], 1.5, 3.0) / width,
            gloss=jnp.zeros(THINGS),
            shadow=jnp.full(THINGS, 0.35),
            colour=mix(brick, each[7:10].T, 0.2) * _range(each[4], 0.2, 1.1)[:, None],
        ),
    )


def _still(dice, each):
    """Balls, jars and boxes on a table before a wall."""
    wall = mix(dice[None, 0:3], dice[:3].mean(), 0.5) * _range(dice[4], 0.05, 0.8)
    wood = mix(_rgb(0.35, 0.19, 0.09), dice[None, 7:10] * 0.4, 0.7 * dice[3])
    near = jnp.sort(each[1])
    box = each[2] < 0.45  # else a ball or a jar
    width = _range(each[3], 0.05, 0.12) * (0.8 + 0.5 * near)
    horizon = _range(dice[6], 0.45, 0.68)
    return View(
        zenith=wall,
        haze=wall * _range(dice[11], 0.7, 1.3),
        clouds=jnp.float32(0),
        side=jnp.where(dice[5] < 0.5, -1.0, 1.0),
        horizon=horizon,
        rise=jnp.zeros(RIDGES),
        ridge=jnp.zeros((RIDGES, 3)),
        water=jnp.float32(0),
        ground=wood,
        stripe=wood * _range(dice[12], 0.6, 1.4),
        stripes=_range(dice[13], 2, 9),
        grain=_range(dice[14], 0.1, 0.3),
        things=Things(
            x=_range(each[0], 0.08, 0.92),
            base=horizon + 0.08 + 0.28 * near,
            width=width,
            height=width
            * jnp.where(box, _range(each[4], 1.0, 4.0), _range(each[4], 1.8, 3.0)),
            box=jnp.float32(box),
            pitch=jnp.zeros(THINGS),
            leaves=jnp.where(each[5] < 0.2, 0.3, 0.0),
            windows=jnp.where(box & (each[6] < 0.35), 0.9 / width, 0.0),
            gloss=jnp.where(box, 0.0, 0.5 * each[6]),
            shadow=jnp.full(THINGS, 0.7),
            colour=mix(each[7:10].T, each[7:10].mean(0)[:, None], 0.3) ** 1.5 * 0.9
            + 0.02,
        ),
    )


def _weather(dice):
    """Colours of the zenith and of the horizon: day, overcast or evening."""
    # A zenith and a horizon each, (2, 1, 3).
    day = jnp.float32([[[0.12, 0.28, 0.62]], [[0.55, 0.68, 0.80]]])
    overcast = jnp.float32([[[0.40, 0.43, 0.47]], [[0.62, 0.63, 0.64]]])
    evening = jnp.float32([[[0.16, 0.18, 0.36]], [[0.85, 0.45, 0.22]]])
    gray = smooth(3 * dice[0] - 1.5)
    late = smooth(4 * dice[1] - 2.6)
    sky = mix(mix(day, overcast, gray), evening, late)
    return sky * _range(dice[2], 0.45, 1.3)


def _fade(colour, haze, distance):
    """A colour as it looks from several distances, (n, 3)."""
    return mix(colour, haze, distance[:, None])


def _rgb(*colour):
    """A colour as (1, 3)."""
    return jnp.float32([colour])


def _range(dice, low, high):
    """Numbers of [0, 1] moved into a range."""
    return low + (high - low) * dice
