"""Eyes, brows, nose, mouth, moustache and glasses as layers of paint.

Each function yields (paint, coverage, class).  `paint` makes a channel's plane from
that channel of the palette; without it a layer leaves the picture alone, and without a
class the parsing.  `lit` and `skin` are such paints: the light, and the bare skin.

Lengths are half face heights, in the face's coordinates (see `geometry`).  Features
that come in pairs are drawn once, over the distance from the middle.  In them, and in
the mouth, t runs from -1 to 1 across: from an eye's or brow's inner end to the outer
one, from the left corner of the mouth to the right.
"""

import jax.numpy as jnp

from jaxforensics.synthfaces.drawing.geometry import BROW_WIDTH, brow_line
from jaxforensics.synthfaces.drawing.shapes import bell, cover, ellipse, mix, smooth

IRIS_RADIUS = 0.072  # people's irises hardly differ in size


def eyes(scene, face, view, lit, skin):
    """Both eyes: white, iris, pupil, catchlight, lashes and the fold of the lid."""
    i = scene.identity
    a = scene.attributes
    e = scene.expression
    side = jnp.sign(view.x)
    t = (jnp.abs(view.x) - face.eye_x) / face.eye_width
    y = view.y + face.eye_tilt * face.eye_width * t

    # Two lids, parabolas over t; the upper is highest inwards, the lower outwards.
    # `upper` and `lower` are distances below each of them.
    arch = jnp.maximum(1 - t * t, -0.6)
    upper = y + face.upper_lid * arch * (1 - 0.22 * t)
    lower = y - face.lower_lid * arch * (1 + 0.22 * t)
    inside = jnp.maximum(jnp.maximum(-upper, lower), (jnp.abs(t) - 1) * face.eye_width)

    # Gaze moves the irises of both eyes to the same side.
    dx = view.x - side * face.eye_x - 0.055 * e.gaze_x
    dy = view.y - 0.04 * e.gaze_y + 0.012
    distance = jnp.sqrt(dx * dx + dy * dy)
    iris = cover(distance - IRIS_RADIUS, view.pixel)
    reach = distance / IRIS_RADIUS
    # Brighter outwards, a dark rim, brighter below where light gathers, a black pupil.
    ring = 0.55 + 0.9 * smooth(reach) - 1.1 * smooth(reach * 4 - 3)
    ring = 1.3 * ring * (1 + 4 * jnp.maximum(dy, 0))
    ring = iris * ring * (1 - 0.95 * smooth((0.45 - reach) * 8))
    white = (1 - 0.35 * t * t - 0.55 * bell(upper / 0.075)) * (1 - iris)
    gleam = ellipse(dx - 0.03 * scene.light.direction[0], dy + 0.026, 0.016, 0.016)
    gleam = 0.9 * cover(gleam, 1.3 * view.pixel) * iris

    def ball(c):
        return (c.white * white + c.iris * ring) * lit(c) + gleam * c.lamp

    yield ball, cover(inside, view.pixel), "eyes"

    # Lashes along the upper lid, longer outwards; the rim of the lower; the fold.
    within = cover((jnp.abs(t) - 1.08) * face.eye_width, 1.5 * view.pixel)
    thick = 0.010 + 0.007 * (1 - a.male) * (1 + t)
    lash = (
        within
        * (0.85 - 0.25 * a.male)
        * cover(jnp.abs(upper + 0.006) - thick, view.pixel)
    )
    rim = 0.5 * within * cover(jnp.abs(lower - 0.004) - 0.005, 1.5 * view.pixel)
    fold = bell((upper + 0.024 + 0.02 * i.eye_fold) / (0.012 + 0.7 * view.pixel))
    fold = fold * bell(t / 1.25) * (0.25 + 0.45 * i.eye_fold)
    dark = (1 - 0.9 * lash) * (1 - 0.6 * rim) * (1 - 0.55 * fold)
    yield lambda c: 0.08 * skin(c), 1 - dark, None


def brows(face, view, lit, fine):
    """Both brows, thinner outwards."""
    t = (jnp.abs(view.x) - face.eye_x) / BROW_WIDTH
    y = view.y - brow_line(face, t)
    thick = (
        face.brow_thick
        * (1.05 - 0.45 * smooth((t + 0.2) / 1.2))
        * smooth((1.12 - t * t) * 2.5)
    )
    coverage = cover(jnp.abs(y) - thick - 0.006 * fine, view.pixel + 0.018)
    coverage = coverage * cover((jnp.abs(t) - 1.06) * BROW_WIDTH, view.pixel + 0.02)
    yield lambda c: 0.8 * c.hair * lit(c), coverage * 0.88, "brows"


def nose(face, view, skin):
    """The nose's region and its nostrils.

    The nose itself is the skin's relief; here it gets its class, and its darkest parts.
    """
    x = jnp.abs(view.nose_x)
    y = view.nose_y - face.nose_y
    width = face.nose_width * (0.45 + 0.62 * smooth((y + 0.30) / 0.26))
    region = jnp.maximum(x - width, jnp.maximum(y - 0.05, -y - face.nose_y - 0.02))
    yield None, cover(region, view.pixel), "nose"

    hole = ellipse(x - face.nose_width * 0.46, y - 0.018, face.nose_width * 0.27, 0.020)
    dark = 0.70 * cover(hole, view.pixel + 0.012)
    # The crease around the wings: the outer half of an ellipse's outline.
    crease = ellipse(
        x - face.nose_width * 0.72, y + 0.02, face.nose_width * 0.34, 0.075
    )
    crease = bell(crease / (0.018 + view.pixel)) * smooth(
        (x / face.nose_width - 0.72) * 6
    )
    dark = jnp.maximum(dark, 0.28 * crease * smooth(1.6 - jnp.abs(y) * 14))
    yield lambda c: 0.05 * skin(c), dark, None


def mouth(scene, face, view, lit, skin, fine):
    """Lips, and between them teeth and the dark."""
    i = scene.identity
    a = scene.attributes
    t = view.x / face.mouth_width
    bow = bell(t / 0.30)  # the dip in the middle of the upper lip
    arch = jnp.maximum(1 - t * t, -0.5)
    # `line` is the distance below where closed lips meet; a smile raises its ends.
    line = view.y - face.mouth_y + (0.09 * face.smile + 0.006) * t * t + 0.010 * bow
    top = (
        line
        + (face.lip_upper * (arch - 0.22 * bow) + 0.35 * face.opening * arch)
        + 0.004
    )
    bottom = (
        line - (face.lip_lower + face.opening) * arch * (1.15 - 0.15 * arch) - 0.004
    )
    ends = (jnp.abs(t) - 1) * face.mouth_width
    lips = cover(jnp.maximum(jnp.maximum(-top, bottom), ends), view.pixel + 0.012)
    red = 0.25 + 0.75 * i.lip_red * (1 - 0.55 * a.male)
    gloss = (line - 0.5 * face.lip_lower - face.opening) / (0.4 * face.lip_lower)
    gloss = 0.07 * bell(gloss) * bell(t / 0.5)
    shade = jnp.where(line < 0, 0.78, 1.0) * (1 + 0.05 * fine)  # upper lips face down
    yield (
        lambda c: skin(c) * shade * (c.lips[0] + c.lips[1] * red) + gloss * lit(c),
        lips,
        "mouth",
    )

    # What is seen between parted lips: the dark, and before it the upper teeth.
    above = line + 0.30 * face.opening * arch
    below = line - face.opening * arch
    hole = jnp.maximum(
        jnp.maximum(-above, below), (jnp.abs(t) - 0.90) * face.mouth_width
    )
    parted = smooth(face.opening * 60)
    hole = cover(hole, view.pixel) * parted
    tooth = view.x / 0.05
    gaps = 1 - 0.22 * bell((jnp.abs(tooth - jnp.round(tooth)) - 0.5) * 9)
    teeth = cover(
        line - 0.62 * face.opening * arch - 0.02 * face.smile, view.pixel + 0.01
    )
    teeth = teeth * gaps * (1 - 0.6 * t * t) * smooth(face.smile * 1.2 + 0.35)
    yield lambda c: (c.gums + c.teeth * teeth) * lit(c), hole, "mouth"

    # Closed lips leave a dark seam.
    seam = bell(line / (0.010 + 0.8 * view.pixel))
    seam = seam * cover((jnp.abs(t) - 1.02) * face.mouth_width, 0.04)
    yield lambda c: 0.22 * skin(c), seam * 0.8 * (1 - parted), None


def moustache(scene, face, view, lit, fine):
    """Hair between nose and mouth."""
    t = view.x / (face.mouth_width * 1.12)
    top = face.nose_y + 0.045 + 0.03 * t * t
    bottom = face.mouth_y - 0.012 + 0.05 * t * t * (1 - 0.8 * face.smile)
    y = view.y
    inside = jnp.maximum(
        jnp.maximum(top - y, y - bottom), (jnp.abs(t) - 1) * face.mouth_width
    )
    coverage = cover(inside - 0.012 * fine, view.pixel + 0.025)
    coverage = coverage * 0.92 * scene.attributes.moustache
    yield lambda c: c.hair * (0.9 + 0.15 * fine) * lit(c), coverage, "moustache"


def glasses(scene, face, view, lit):
    """Lenses with a slight glare, rims, bridge and temples.

    They sit on the nose and move sideways with it when the head turns.
    """
    i = scene.identity
    worn = scene.attributes.glasses
    x = jnp.abs(view.nose_x)
    y = view.y - 0.035
    centre = jnp.maximum(face.eye_x + 0.005, i.lens_width + 0.05)

    # A box with rounded corners: beyond both inner edges the distance is that from
    # the corner's circle.
    corner = mix(0.05, 0.12, i.lens_round)
    dx = jnp.maximum(jnp.abs(x - centre) - i.lens_width + corner, 0)
    dy = jnp.maximum(jnp.abs(y) - i.lens_height + corner, 0)
    inner = jnp.maximum(jnp.abs(x - centre) - i.lens_width, jnp.abs(y) - i.lens_height)
    lens = jnp.where(dx * dy > 0, jnp.sqrt(dx * dx + dy * dy + 1e-9) - corner, inner)

    # Slanting stripes of reflection that repeat across the face.
    across = (view.x + 0.8 * y) / 0.5
    glare = bell((across - jnp.round(across) - 0.1) / 0.28) * smooth(
        0.5 - y / i.lens_height
    )
    glare = cover(lens, view.pixel) * worn * (0.04 + 0.13 * glare)
    yield lambda c: 0.75 * lit(c), glare, None

    bridge = jnp.maximum(
        jnp.abs(y + 0.03 - 0.4 * x * x) - 0.8 * i.rim, x - centre + i.lens_width
    )
    arm = jnp.maximum(jnp.abs(y + 0.07) - 0.9 * i.rim, centre + i.lens_width - x)
    arm = jnp.maximum(arm, x - face.width - 0.02)
    rim = jnp.minimum(jnp.abs(lens) - i.rim, jnp.minimum(bridge, arm))
    sheen = 0.5 + 1.2 * bell((y + 0.8 * i.lens_height) / 0.05)
    yield lambda c: c.rim * sheen * lit(c), cover(rim, view.pixel) * worn, "glasses"
