"""Find a face in a picture and cut it out, square and with a margin.

A detector is a function `image -> boxes`: uint8 `(h, w, 3)` to `(n, 4)` rows of left,
top, width, height in pixels.  Any such function serves wherever a name of `DETECTORS`
does; on a command line it is written `package.module:function`.
"""

import functools
import importlib

import numpy as np
from PIL import Image
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

from jaxforensics import settings

WINDOW = 24  # pixels: the cascade's window, its smallest face
# Shorter side that a picture is shrunk to, factor between scales, step of the window.
QUICK = {"side": 240, "scale": 1.2, "step": 1.5}
THOROUGH = {"side": 480, "scale": 1.1, "step": 1.0}


def lbp(image):
    """Frontal faces by scikit-image's LBP cascade, first quickly, then thoroughly.

    The quick search shrinks the shorter side to 240 pixels, so its smallest face is a
    tenth of that side; where it finds nothing, twice the resolution and finer steps.
    """
    boxes = _search(image, **QUICK)
    if not len(boxes):
        boxes = _search(image, **THOROUGH)
    return boxes


def whole(image):
    """One box: the largest square about the centre, for clips of faces already cut."""
    height, width = image.shape[:2]
    side = min(height, width)
    return np.array([[(width - side) / 2, (height - side) / 2, side, side]])


# In the identity of sets made with them: stay, wherever the code moves.
lbp.fixed_name = "jaxforensics.data.faces.lbp"
whole.fixed_name = "jaxforensics.data.faces.whole"

DETECTORS = {"lbp": lbp, "none": whole}


def detector(name):
    """The detector of that name, or the function that `module:function` points to."""
    module, colon, function = name.partition(":")
    if not colon:
        return settings.choose(DETECTORS, name, "face detector")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"detector {name!r} cannot be imported: {error}") from None


def choose(boxes, *, previous=None):
    """The face to follow, or None: the largest of those overlapping `previous`, if any.

    So the same person is kept along a clip in which several faces appear.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    if not len(boxes):
        return None
    if previous is not None:
        # Corners of what each box and the previous one have in common.
        low = np.maximum(boxes[:, :2], previous[:2])
        high = np.minimum(
            boxes[:, :2] + boxes[:, 2:], np.add(previous[:2], previous[2:])
        )
        overlapping = boxes[(high > low).all(axis=1)]
        if len(overlapping):
            boxes = overlapping
    return boxes[np.argmax(boxes[:, 2] * boxes[:, 3])]


def square(box, shape, *, margin=1.3):
    """Square (left, top, side) of `margin` times the box's longer side, about it.

    Moved, and only where it must be shrunk, to lie inside a picture of `shape`.
    """
    box_column, box_row, width, height = box
    side = max(1, min(round(margin * max(width, height)), *shape[:2]))
    # About the middle of the box, then back inside.
    column = min(max(round(box_column + (width - side) / 2), 0), shape[1] - side)
    row = min(max(round(box_row + (height - side) / 2), 0), shape[0] - side)
    return column, row, side


# Reading its XML takes a tenth of a second; workers do it once.
@functools.cache
def _cascade():
    return Cascade(lbp_frontal_face_cascade_filename())


def _search(image, *, side, scale, step):
    """Boxes (n, 4) that the cascade finds once the shorter side is at most `side`."""
    # The cascade looks at luma; reading it at every scale is what takes time.
    picture = Image.fromarray(image).convert("L")
    shrink = min(1, side / min(picture.size))
    shape = [max(1, round(shrink * length)) for length in picture.size]
    if min(shape) < WINDOW:
        return np.empty((0, 4))
    faces = _cascade().detect_multi_scale(
        img=np.asarray(picture.resize(shape)),
        scale_factor=scale,
        step_ratio=step,
        min_size=(WINDOW, WINDOW),
        max_size=(min(shape), min(shape)),
    )
    # scikit-image gives c, r, width, height, in pixels of the shrunk picture.
    boxes = [[face[name] for name in ("c", "r", "width", "height")] for face in faces]
    return np.array(boxes, float).reshape(-1, 4) / shrink
