"""Face manipulation without networks: warp, match colours, blend.

What FaceSwap and Face2Face do by graphics: a face is warped onto the landmarks of
another (thin-plate spline), takes over its colours and grain, and is blended in, either
feathered or in the gradient domain.  Functions take one picture (n, n, 3) in [0, 1] and
`render.landmarks`, rows of (row, column) in units of the picture's side, 0 and 1 being
its edges; callers vmap.  Masks are (n, n), zero exactly where a picture is left alone.

Noise is a picture's own: a warp would smooth it, so that pictures are warped without
their grain, and the grain is moved by whole pixels or stays.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.ops import color, filters, resample
from jaxforensics.ops.color import to_float
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing.render import LANDMARKS

SMOOTHING = 1e-4  # lets a spline miss landmarks by some hundredths of a pixel
INSET = 0.12  # share of the way to its middle by which the face's contour is drawn in
DIRECTIONS = 64  # tangents of a hull
STEPS = 80  # of conjugate gradients on every grid
COARSEST = 16  # side of the smallest grid, in pixels


def _places(*names):
    """Places of landmarks in LANDMARKS."""
    return np.array([LANDMARKS.index(name) for name in names])


_JAW = _places(*(name for name in LANDMARKS if name.startswith("jaw")))
_BROWS = _places(*(name for name in LANDMARKS if "brow" in name))
_BROW_MIDDLES = _places("left_brow_middle", "right_brow_middle")
_FOREHEAD = _places("forehead_left", "forehead_right")
_MOUTH = _places("mouth_left", "mouth_right", "mouth_upper", "mouth_lower")


def replace(
    name, seed, indices, target, guide, target_landmarks, guide_landmarks, *, size
):
    """uint8 pictures and masks (255 where a picture was altered) of replaced faces.

    To swap, `guide` is the donor's picture with its landmarks; to re-enact, the guide's
    landmarks are those wanted of the target, and its picture does not matter.  Nothing
    is drawn at random: `seed` and `indices` are for `neural.replace`.
    """
    function = functools.partial(_replace, name=name)
    return photos.in_chunks(function, target, guide, target_landmarks, guide_landmarks)


def swap_graphic(target, donor, target_landmarks, donor_landmarks):
    """(picture, mask): the donor's face in the target's place, as FaceSwap does it."""
    mask = face_mask(target_landmarks, size=target.shape[0], feather=0.0)
    face = _fitted(target, donor, target_landmarks, donor_landmarks, mask)
    return _finish(poisson_blend(target, face, mask)), mask


def swap_feathered(target, donor, target_landmarks, donor_landmarks):
    """(picture, mask): a swap whose border is mixed, as the first face swaps did it."""
    size = target.shape[0]
    soft = face_mask(target_landmarks, size=size, feather=size / 24)
    face = _fitted(target, donor, target_landmarks, donor_landmarks, soft)
    return _finish(blend(target, face, soft)), jnp.float32(soft > 0)


def swap_coarse(target, donor, target_landmarks, donor_landmarks):
    """(picture, mask): a swap whose face was painted half as large as it is shown.

    So networks replace faces that give smaller pictures than the film's; noise is added
    to the enlarged face, and its border is narrow.
    """
    size = target.shape[0]
    soft = face_mask(target_landmarks, size=size, feather=size / 32)
    face = _fitted(
        target, donor, target_landmarks, donor_landmarks, soft, painted=_coarse
    )
    return _finish(blend(target, face, soft)), jnp.float32(soft > 0)


def reenact_graphic(target, target_landmarks, wanted_landmarks):
    """(picture, mask): the target's face with another expression, as Face2Face does it.

    The warp fades to nothing at the border of the mask, as does the change of the
    picture.
    """
    size = target.shape[0]
    soft = face_mask(target_landmarks, size=size, feather=size / 32)
    flow = _flow(target, target_landmarks, wanted_landmarks) * soft[..., None]
    noise = grain(target)
    face = resample.warp(target - noise, flow)
    face = _open_mouth(face, target_landmarks, wanted_landmarks)
    face = face + resample.warp(noise, jnp.round(flow))
    return _finish(poisson_blend(target, face, soft)), jnp.float32(soft > 0)


REPLACERS = {
    "swap_graphic": swap_graphic,
    "swap_feathered": swap_feathered,
    "swap_coarse": swap_coarse,
    "reenact_graphic": lambda target, _, own_points, wanted_points: reenact_graphic(
        target, own_points, wanted_points
    ),
}


def warp_to(image, from_landmarks, to_landmarks):
    """The picture bent smoothly so that landmarks move where they are wanted."""
    return resample.warp(image, _flow(image, from_landmarks, to_landmarks))


def grain(image):
    """The finest detail, cut off at three times the noise: edges hardly take part."""
    limit = 3 * grain_level(image)[None, None]
    return jnp.clip(image - filters.gaussian_blur(image, size=5), -limit, limit)


def grain_level(image):
    """(3,) standard deviation of the noise: median of what a 3 x 3 high-pass leaves.

    The filter, second differences along rows and columns, is blind to planes (Immerkaer
    1996); the median to most edges.  Of white noise it makes noise of 6 times the
    deviation, half of which lies within 0.6745 deviations.  Every third value is
    enough: those between see the same pixels.
    """
    rows = image[:-2] - 2 * image[1:-1] + image[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return jnp.median(abs(both[::3, ::3]), axis=(0, 1)) / (0.6745 * 6)


def face_mask(landmarks, *, size, feather):
    """(size, size) mask of the inner face, soft over `feather` pixels inwards.

    It reaches from above the brows to the chin and leaves out the rim of the face,
    where hair and background begin.
    """
    jaw = landmarks[_JAW]
    brows = landmarks[_BROWS]
    middle = landmarks.mean(0, keepdims=True)
    jaw = jaw + INSET * (middle - jaw)
    # Half of the way from the brows to the hair.
    up = (landmarks[_FOREHEAD] - landmarks[_BROW_MIDDLES]).mean(0, keepdims=True)
    return hull(jnp.concatenate([jaw, brows + up / 2]), size=size, feather=feather)


def hull(points, *, size, feather):
    """(size, size) mask of points' convex hull: zero outside, one `feather` inside.

    A point lies inside if in no direction it lies beyond all of `points`; how deep is
    the least distance from the tangents, in pixels.
    """
    angle = jnp.arange(DIRECTIONS) * (2 * jnp.pi / DIRECTIONS)
    normals = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    project = functools.partial(jnp.matmul, b=normals, precision="highest")
    reach = project(points).max(0)
    depth = size * (reach[None, None] - project(_grid(size))).min(-1)
    ramp = jnp.clip(depth / max(feather, 1e-6), 0.0, 1.0)
    return ramp**2 * (3 - 2 * ramp)


def colour_transfer(image, reference, mask):
    """Give the masked region the mean and spread of the reference's, in YCbCr.

    It gets no brighter or darker than the reference is there, and its contrast neither
    halves nor grows by more than a fifth.
    """
    weight = mask[..., None] / jnp.maximum(mask.sum(), 1e-6)

    def moments(x):
        mean = (x * weight).sum((0, 1), keepdims=True)
        variance = ((x - mean) ** 2 * weight).sum((0, 1), keepdims=True)
        return mean, jnp.sqrt(variance + 1e-8)

    image = color.rgb_to_ycbcr(image)
    reference = color.rgb_to_ycbcr(reference)
    mean, spread = moments(image)
    reference_mean, reference_spread = moments(reference)
    gain = jnp.clip(reference_spread / spread, 0.5, 1.2)
    # Extremes of the region alone: its mean stands in for what lies outside.
    region = jnp.where(weight > 0, reference, reference_mean)
    high = region.max((0, 1), keepdims=True)
    low = region.min((0, 1), keepdims=True)
    matched = (image - mean) * gain + reference_mean
    return color.ycbcr_to_rgb(jnp.clip(matched, low, high))


def blend(image, face, mask):
    """The face where the mask is one, the picture where it is zero, a mix between."""
    mask = mask[..., None]
    return jnp.where(mask > 0, image + mask * (face - image), image)


def poisson_blend(image, face, mask):
    """The face's gradients inside the mask (above zero), the picture's values around.

    Equal to solving Poisson's equation with the picture as Dirichlet boundary: what is
    added to the face is harmonic.
    """
    inside = jnp.asarray(mask) > 0
    change = _fill(jnp.moveaxis(image - face, -1, 0), inside[None])
    return jnp.where(inside[..., None], face + jnp.moveaxis(change, 0, -1), image)


def _replace(target, guide, own_points, guide_points, *, name):
    """(picture, mask) of one uint8 pair, as uint8."""
    function = choose(REPLACERS, name, "graphic forger")
    picture, mask = function(
        to_float(target), to_float(guide), own_points, guide_points
    )
    return photos.to_bytes(picture), photos.to_bytes(mask)


def _fitted(
    target, donor, target_landmarks, donor_landmarks, mask, *, painted=lambda face: face
):
    """The donor's face in shape, colours and grain of the target's, as `painted`.

    Grain is moved by whole pixels: interpolation would take half of it away.
    """
    flow = _flow(donor, donor_landmarks, target_landmarks)
    noise = grain(donor)
    face = painted(resample.warp(donor - noise, flow))
    face = colour_transfer(face, target, mask)
    gain = grain_level(target) / jnp.maximum(grain_level(donor), 1e-6)
    gain = jnp.clip(gain, 0.25, 4.0)[None, None]
    return face + gain * resample.warp(noise, jnp.round(flow))


def _coarse(face):
    """The face as a picture of half the size shows it, enlarged."""
    size = face.shape[0]
    small = resample.resize(face, (size // 2, size // 2), method="box")
    return resample.resize(small, (size, size), method="bicubic")


def _open_mouth(face, own_points, wanted_points):
    """Paint teeth and the dark behind where lips part further than they did.

    A warp can only stretch what is seen, and between closed lips nothing is.
    """
    size = face.shape[0]
    before = _mouth(own_points, _grid(size))
    mouth = _mouth(wanted_points, _grid(size))

    # The seam between the lips is an arch through both corners; the hole lies around
    # it, about as high as the mouth has grown; a hundredth of its width is no opening.
    arch = jnp.maximum(1 - mouth.across**2, 0.0)
    seam = mouth.corner + (0.46 * mouth.height - mouth.corner) * arch
    down = mouth.down - seam
    gap = 1.2 * jnp.maximum(mouth.height - before.height - 0.01 * mouth.width, 0.0)
    hole = jnp.clip(0.5 + size * (gap / 2 * (1.1 * arch - 0.1) - abs(down)), 0.0, 1.0)
    hole = hole * jnp.clip(size * gap, 0.0, 1.0)

    # Teeth in its upper part, nearly as bright as the skin is on average.
    teeth = jnp.clip(0.5 + size * (0.1 * gap - down), 0.0, 1.0)
    skin = face_mask(own_points, size=size, feather=0.0)[..., None]
    tone = (face * skin).sum((0, 1), keepdims=True) / jnp.maximum(skin.sum(), 1e-6)
    dark = jnp.float32([0.22, 0.12, 0.12])[None, None]
    inner = dark + teeth[..., None] * 0.85 * tone.max()
    return face + hole[..., None] * (inner - face)


class _Mouth(NamedTuple):
    """Coordinates of points in a mouth, and its measures, in units of the picture."""

    across: jax.Array  # -1 and 1 at the corners
    down: jax.Array  # from the upper edge of the upper lip
    corner: jax.Array  # how far down the corners are
    height: jax.Array  # from the upper edge to the lower
    width: jax.Array  # half of it


def _mouth(landmarks, points):
    """The mouth's coordinates of points (..., 2) of the picture.

    Its axis runs from corner to corner; down is at right angles to it.
    """
    left, right, upper, lower = landmarks[_MOUTH]
    axis = (right - left) / 2
    width = jnp.linalg.norm(axis) + 1e-6
    axis = axis / width
    normal = jnp.stack([axis[1], -axis[0]])
    along, below = (
        functools.partial(jnp.matmul, b=line, precision="highest")
        for line in (axis, normal)
    )
    across = (along(points) - along(left + right) / 2) / width
    top = below(upper)
    return _Mouth(
        across=across,
        down=below(points) - top,
        corner=below(left) - top,
        height=below(lower) - top,
        width=width,
    )


def _finish(picture):
    """Clipped and in steps of 1/255."""
    return jnp.round(jnp.clip(picture, 0.0, 1.0) * 255) / 255


def _grid(size):
    """(size, size, 2) centres of pixels: row and column in units of the picture."""
    centre = (jnp.arange(size) + 0.5) / size
    return jnp.stack(jnp.meshgrid(centre, centre, indexing="ij"), axis=-1)


def _flow(image, start, end):
    """Where each pixel of the warped picture comes from, relative to it, in pixels.

    (size, size, 2).  The spline goes backwards, from the wanted landmarks `end`.
    """
    size = image.shape[0]
    moved = _thin_plate(end, start - end, _grid(size).reshape(-1, 2))
    return size * moved.reshape(size, size, 2)


def _thin_plate(points, values, queries):
    """The thin-plate spline through `values` at `points`, evaluated at `queries`.

    (k, 2), (k, c), (n, 2) -> (n, c); equals scipy's RBFInterpolator with the kernel
    "thin_plate_spline".
    """
    count = len(points)
    bend = _bending(points, points) + SMOOTHING * jnp.eye(count)
    plane = _affine(points)
    system = jnp.block([[bend, plane], [plane.T, jnp.zeros((3, 3))]])
    weights = jnp.linalg.solve(system, jnp.pad(values, ((0, 3), (0, 0))))
    basis = jnp.concatenate([_bending(queries, points), _affine(queries)], axis=1)
    return jnp.matmul(basis, weights, precision="highest")


def _affine(points):
    """Rows 1, row, column: what a spline is without bending."""
    # From the middle of the picture, which keeps the system well conditioned.
    return jnp.pad(points - 0.5, ((0, 0), (1, 0)), constant_values=1.0)


def _bending(a, b):
    """r² log r of all distances, (n, 2), (k, 2) -> (n, k)."""
    square = ((a[:, None] - b[None]) ** 2).sum(-1)
    return square * jnp.log(jnp.maximum(square, 1e-12)) / 2


def _fill(values, inside):
    """Replace what is inside by the harmonic function with the values around.

    (c, h, w) by conjugate gradients, begun from the solution on a grid half as fine.
    """
    boundary = jnp.where(inside, 0.0, values)
    start = boundary
    if (half := inside.shape[-1] // 2) >= COARSEST:
        # Means over the pixels outside; inside are cells that hold none of them.
        share = _resized(1.0 - inside, half, "box")
        coarse = _resized(boundary, half, "box") / jnp.maximum(share, 1e-6)
        coarse = _fill(coarse, share < 1e-3)
        start = jnp.where(inside, _resized(coarse, 2 * half, "bilinear"), boundary)
    return start + _solve(-_laplacian(start) * inside, inside)


def _resized(x, size, method):
    """Planes (c, h, w) -> (c, size, size)."""
    return resample.resize(x[..., None], (size, size), method=method)[..., 0]


def _laplacian(x):
    """Sum of differences to the neighbours; beyond the border there are none."""
    return _neighbours(jnp.ones_like(x)) * x - _neighbours(x)


def _neighbours(x):
    """Sum of the four neighbours, zero beyond the border, (c, h, w)."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1)))
    rows, columns = x[:, :, 1:-1], x[:, 1:-1]
    return rows[:, :-2] + rows[:, 2:] + columns[..., :-2] + columns[..., 2:]


def _solve(right, inside):
    """Conjugate gradients: `_laplacian(x)` is `right` inside, and x zero outside.

    Channels are systems of their own.  Small constants keep those that are solved
    already from dividing zero by zero.
    """

    def dot(a, b):
        return (a * b).sum((1, 2), keepdims=True)

    def step(_, state):
        x, residual, direction, norm = state
        image = inside * _laplacian(direction)
        length = norm / jnp.maximum(dot(direction, image), 1e-20)
        residual = residual - length * image
        fresh = dot(residual, residual)
        turn = fresh / jnp.maximum(norm, 1e-20)
        return x + length * direction, residual, residual + turn * direction, fresh

    state = jnp.zeros_like(right), right, right, dot(right, right)
    return lax.fori_loop(0, STEPS, step, state)[0]
