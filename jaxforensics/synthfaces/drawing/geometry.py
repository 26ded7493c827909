"""Where things are: from pixels to the surface of a turned head, and back.

Four systems of coordinates, all of them to the right and down:

- the picture: rows and columns in sides of the picture, 0 and 1 being its edges;
- the body: in half face heights, 0 at the point between the eyes, upright;
- the head: the same, turned with the head in the plane of the picture (roll);
- the face: the head's, also turned to the front (yaw, pitch).  The eyes lie near y = 0
  and the chin near y = 1.

A face is painted on an ellipsoid in its own, frontal coordinates; pose turns the
ellipsoid, so that features move by their depth and foreshorten by themselves.  `view`
goes from pixels to the face, `landmarks` from the face to the picture, by the same
formulas.  There is no perspective.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels.fusion import stage
from jaxforensics.synthfaces.drawing.shapes import bell, smooth

RADII = (1.0, 1.4)  # of the ellipsoid, right and down; towards the viewer as right
JAW = 11  # landmarks from ear to ear
BROW_WIDTH = 0.19  # half of it
LANDMARKS = (
    *(f"jaw_{i}" for i in range(JAW)),
    *(f"{s}_brow_{p}" for s in ("left", "right") for p in ("outer", "middle", "inner")),
    *(
        f"{s}_eye_{p}"
        for s in ("left", "right")
        for p in ("outer", "upper", "inner", "lower", "centre")
    ),
    *(f"nose_{p}" for p in ("bridge", "tip", "left", "right", "base")),
    *(f"mouth_{p}" for p in ("left", "upper", "right", "lower")),
    *(f"forehead_{p}" for p in ("left", "middle", "right")),
)


class Face(NamedTuple):
    """Lengths that attributes and expression change, and those that follow.

    As in `scenes.Identity`; here heights are positions, y in the face's coordinates.
    """

    width: object
    jaw: object
    square: object
    chin: object
    eye_x: object  # from the middle to the centre of an eye
    eye_width: object  # half of it
    upper_lid: object  # from an eye's centre up to the lid
    lower_lid: object  # and down to the lower one
    eye_tilt: object
    brow_y: object
    brow_thick: object
    brow_arch: object
    brow_tilt: object
    nose_y: object  # of its tip
    nose_width: object
    mouth_y: object  # where closed lips meet
    mouth_width: object
    lip_upper: object
    lip_lower: object
    opening: object  # between parted lips
    smile: object


class View(NamedTuple):
    """Coordinates of every pixel, planes of (size, size), and the width of a pixel."""

    pixel: object  # a number, in half face heights
    rows: object  # of the picture
    columns: object
    body: tuple  # right, down
    head: tuple  # right, down
    normal: tuple  # of the ellipsoid as seen: right, down, to the viewer
    x: object  # on the face
    y: object
    nose_x: object  # the same for what stands out from it
    nose_y: object


def face_of(scene):
    """The proportions of a scene's face in its expression.

    Small factors for age and sex: brows and noses of men are heavier and their jaws
    wider; with age lids sink, lips become thin and noses wide.
    """
    i = scene.identity
    a = scene.attributes
    e = scene.expression
    size = i.eye_size * (1 - 0.06 * a.male)
    narrow = (1 - 0.30 * e.smile) * (1 - 0.12 * a.old) * (1 - 0.1 * a.male)
    # Closed lids leave a slit of 7 %: the lashes.
    open_ = i.eye_open * narrow * (1 - jnp.clip(e.lids, 0, 1) * 0.93)
    raised = 0.035 * e.brow_raise
    thin = 1 - 0.14 * a.old - 0.14 * a.male
    nose_y = i.nose_length + 0.03 * a.male
    width = i.width * (1 + 0.02 * a.male)
    return Face(
        width=width,
        jaw=i.jaw * (1 - 0.35 * a.male),
        square=jnp.clip(i.square * 0.7 + 0.3 * a.male, 0, 0.95),
        chin=i.chin + 0.02 * a.male,
        eye_x=i.eye_gap * width,
        eye_width=size,
        # The upper lid is the more curved one, and it does most of the closing.
        upper_lid=open_ * (0.62 + 0.12 * e.brow_raise) * size / 0.6,
        lower_lid=i.eye_open * narrow * (1 - 0.5 * e.lids) * 0.36 * size / 0.6,
        eye_tilt=i.eye_tilt - 0.06 * a.old,
        brow_y=-i.brow_gap + 0.028 * a.male - raised,
        brow_thick=i.brow_thick * (0.8 + 0.45 * a.male),
        brow_arch=i.brow_arch * (1 - 0.5 * a.male) + jnp.maximum(raised, 0),
        brow_tilt=i.brow_tilt,
        nose_y=nose_y,
        nose_width=i.nose_width * (1 + 0.10 * a.male + 0.05 * a.old + 0.09 * e.smile),
        mouth_y=nose_y + i.mouth_drop - 0.03 * e.smile,
        mouth_width=i.mouth_width * (1 + 0.24 * e.smile - 0.10 * e.mouth_open),
        lip_upper=i.lip_upper * thin * (1 - 0.3 * e.smile),
        lip_lower=i.lip_lower * thin * (1 - 0.2 * e.smile),
        opening=0.11 * e.mouth_open + 0.05 * jnp.maximum(e.smile - 0.5, 0),
        smile=e.smile,
    )


def view(pose, size):
    """Every pixel in the coordinates of body, head and face."""
    rows, columns, *body = _body(pose, size)
    head, normal, x, y = stage(partial(_surface, size=size))(pose)
    right, down = _protrusion(pose, y)
    return View(
        pixel=1 / (size * pose.scale),
        rows=rows,
        columns=columns,
        body=body,
        head=head,
        normal=normal,
        x=x,
        y=y,
        nose_x=x - right,
        nose_y=y - down,
    )


def _body(pose, size):
    """Rows and columns of the pixels' centres, and the same from between the eyes."""
    at = (jnp.arange(size, dtype=jnp.float32) + 0.5) / size
    rows = jnp.broadcast_to(at[:, None], (size, size))
    columns = jnp.broadcast_to(at[None], (size, size))
    right = (columns - pose.column) / pose.scale
    down = (rows - pose.row) / pose.scale
    return rows, columns, right, down


def _surface(pose, *, size):
    """(head, normal, face x, face y) of the ellipsoid's point that a pixel sees."""
    *_, right, down = _body(pose, size)
    cos = jnp.cos(pose.roll)
    sin = jnp.sin(pose.roll)
    head = cos * right + sin * down, cos * down - sin * right
    # On the unit sphere that the ellipsoid is stretched from, position and normal are
    # the same.  What lies beyond its outline, hair and ears, gets a depth as well.
    u = head[0] / RADII[0]
    v = head[1] / RADII[1]
    depth = jnp.sqrt(jnp.maximum(1 - u * u - v * v, 0.05))
    return head, (u, v, depth), *_unturn(pose, u, v, depth)


def _unturn(pose, u, v, depth):
    """From the sphere as seen to the face's coordinates: pitch first, then yaw."""
    cos = jnp.cos(pose.pitch)
    sin = jnp.sin(pose.pitch)
    v, depth = v * cos - depth * sin, v * sin + depth * cos
    cos = jnp.cos(pose.yaw)
    sin = jnp.sin(pose.yaw)
    return (u * cos - depth * sin) * RADII[0], v * RADII[1]


def _protrusion(pose, y):
    """How far the nose moves across the face when the head turns: (right, down).

    It stands out by up to 0.24, more towards its tip.
    """
    out = 0.24 * smooth((y + 0.1) / 0.5)
    return out * jnp.sin(pose.yaw), out * jnp.sin(pose.pitch)


def _chin_shift(pose, y):
    """How far the outline moves when the head turns: the chin lies before the axis."""
    forward = smooth((y + 0.25) / 1.3)
    return 0.62 * jnp.sin(pose.yaw) * forward, 0.5 * jnp.sin(pose.pitch) * forward


def outline(face, pose, x, y):
    """Signed distance from the head without hair, at the head's coordinates.

    Implicit curve over the length of its gradient, as in `shapes.ellipse`: u² + w = 1,
    u being x over a width that shrinks towards the chin.  Above the eyes w makes a
    flattened dome, below a jaw between an ellipse (square = 0, w = t²) and a box with
    round corners (square = 1, w = t⁴).
    """
    right, down = _chin_shift(pose, y)
    x = x - right
    y = y - down
    up = jnp.minimum(y, 0) / 1.06
    up2 = up * up
    t = jnp.maximum(y, 0) / face.chin  # 0 at the eyes, 1 at the chin
    width = face.width * (1 - face.jaw * t * t)
    u = x / width
    t2 = t * t
    inside = u * u + up2 * (0.7 + 0.3 * up2) + t2 * (1 - face.square + face.square * t2)
    slope_x = u / width
    slope_y = up / 1.06 + t / face.chin * (1 - face.square + 2 * face.square * t2)
    return (inside - 1) * 0.5 * jnp.sqrt(1 / (slope_x**2 + slope_y**2 + 0.02))


def _turn(pose, points):
    """From the face's coordinates (k, 2) to the head's: the inverse of `view`."""
    u = points[:, 0] / RADII[0]
    v = points[:, 1] / RADII[1]
    # The depth after both turns is not known beforehand; before them it is.
    depth = jnp.sqrt(jnp.maximum(1 - u * u - v * v, 0.05))
    cos = jnp.cos(pose.yaw)
    sin = jnp.sin(pose.yaw)
    u, depth = u * cos + depth * sin, depth * cos - u * sin
    cos = jnp.cos(pose.pitch)
    sin = jnp.sin(pose.pitch)
    v = v * cos + depth * sin
    return jnp.stack([u * RADII[0], v * RADII[1]], axis=-1)


def landmarks(scene):
    """(len(LANDMARKS), 2): row and column of each landmark in units of the picture."""
    pose = scene.pose
    face = face_of(scene)
    surface = jnp.stack([jnp.stack([*p]) for p in _surface_points(face)])

    # Those of the nose stand out from the ellipsoid.
    right, down = _protrusion(pose, surface[:, 1])
    names = [n for n in LANDMARKS if not n.startswith("jaw")]
    nose = jnp.float32([n.startswith("nose") for n in names])
    surface = surface + nose[:, None] * jnp.stack([right, down], axis=-1)

    # The jaw's are points of the outline as seen: they do not turn with the face.
    points = jnp.concatenate([_jaw_points(pose, face), _turn(pose, surface)])
    cos = jnp.cos(pose.roll)
    sin = jnp.sin(pose.roll)
    x, y = points.T
    right = cos * x - sin * y
    down = cos * y + sin * x
    return jnp.stack(
        [pose.row + pose.scale * down, pose.column + pose.scale * right], axis=-1
    )


def _jaw_points(pose, face):
    """Points where `outline` is zero, from the left ear by the chin to the right."""
    angle = jnp.linspace(-np.pi / 2, np.pi / 2, JAW)
    t = jnp.cos(angle)  # 0 at the ears, 1 at the chin
    inside = 1 - t**2 * (1 - face.square + face.square * t**2)
    width = face.width * (1 - face.jaw * t * t) * jnp.sqrt(jnp.maximum(inside, 0))
    y = face.chin * t
    right, down = _chin_shift(pose, y)
    return jnp.stack([jnp.sign(angle) * width + right, y + down], axis=-1)


def _surface_points(f):
    """(x, y) on the face, in the order of LANDMARKS, from the brows on."""
    zero = jnp.zeros(())
    for side in (-1, 1):
        for t in (1.0, 0.0, -1.0):  # outer, middle, inner
            yield side * (f.eye_x + BROW_WIDTH * t), brow_line(f, jnp.float32(t))
    for side in (-1, 1):
        yield side * (f.eye_x + f.eye_width), -f.eye_tilt * f.eye_width
        yield side * f.eye_x, -f.upper_lid
        yield side * (f.eye_x - f.eye_width), f.eye_tilt * f.eye_width
        yield side * f.eye_x, f.lower_lid
        yield side * f.eye_x, (f.lower_lid - f.upper_lid) / 2
    # Nose: bridge, tip, left, right, base.
    yield zero, zero
    yield zero, f.nose_y - 0.05
    yield -f.nose_width, f.nose_y - 0.01
    yield f.nose_width, f.nose_y - 0.01
    yield zero, f.nose_y + 0.03
    # Mouth: left, upper, right, lower.  A smile lifts the corners as in `features`.
    corner = f.mouth_y - 0.09 * f.smile - 0.006
    yield -f.mouth_width, corner
    yield zero, f.mouth_y - f.lip_upper
    yield f.mouth_width, corner
    yield zero, f.mouth_y + f.opening + f.lip_lower
    # Forehead, the same on everyone: hairlines may be covered.
    yield -0.4 * jnp.ones(()), -0.55 * jnp.ones(())
    yield zero, -0.62 * jnp.ones(())
    yield 0.4 * jnp.ones(()), -0.55 * jnp.ones(())


def brow_line(face, t):
    """Height of a brow's middle at t in [-1, 1] from its inner to its outer end.

    The arch peaks in the outer half, at t = 0.25.
    """
    arch = face.brow_arch * bell(jnp.clip(t - 0.25, -1.2, 1.2) / 1.25)
    return face.brow_y - arch - face.brow_tilt * 0.5 * t + 0.02 * (t * t)
