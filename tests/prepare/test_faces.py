import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut

from jaxforensics.prepare import faces

FACE = (170, 65, 95, 95)  # left, top, width, height of astronaut's, read off by eye


def overlap(a, b):
    """Intersection over union of two boxes."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(np.add(a[:2], a[2:]), np.add(b[:2], b[2:]))
    inner = np.prod(np.maximum(high - low, 0))
    return inner / (a[2] * a[3] + b[2] * b[3] - inner)


def canvas(side, height, width):
    """A gray frame with the astronaut's head, `side` pixels wide, near its middle."""
    head = Image.fromarray(astronaut()[20:220, 120:320]).resize((side, side))
    frame = np.full((height, width, 3), 110, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    frame[top : top + side, left : left + side] = head
    return frame


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_lbp_finds_the_face_at_any_resolution(scale):
    image = Image.fromarray(astronaut()).resize([int(512 * scale)] * 2)
    boxes = faces.lbp(np.asarray(image)) / scale
    assert max(overlap(box, FACE) for box in boxes) > 0.6


def test_the_thorough_search_finds_what_the_quick_one_misses():
    frame = canvas(80, 480, 640)
    assert not len(faces._search(frame, side=240, scale=1.2, step=1.5))
    boxes = faces.lbp(frame)
    assert len(boxes) == 1
    assert abs(boxes[0, :2] + boxes[0, 2:] / 2 - [320, 240]).max() < 12


@pytest.mark.parametrize("shape", [(23, 60), (24, 24), (60, 20), (200, 300)])
def test_no_face_is_an_empty_array(shape):
    boxes = faces.lbp(np.full((*shape, 3), 90, np.uint8))
    assert boxes.shape == (0, 4)


def test_whole_is_the_centre_square():
    (box,) = faces.whole(np.zeros((30, 50, 3)))
    assert box.tolist() == [10, 0, 30, 30]
    assert faces.square(box, (30, 50)) == (10, 0, 30)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.tuples(*[st.floats(-20, 90)] * 2, *[st.floats(1, 120)] * 2),
    st.tuples(*[st.integers(1, 100)] * 2),
    st.floats(0.5, 3),
)
def test_square_is_inside_and_as_large_as_asked(box, shape, margin):
    left, top, side = faces.square(box, shape, margin=margin)
    wanted = max(1, round(margin * max(box[2:])))
    assert side == min(wanted, *shape)
    assert 0 <= left <= shape[1] - side and 0 <= top <= shape[0] - side


def test_square_is_about_the_face_where_there_is_room():
    assert faces.square((40, 60, 20, 10), (200, 200)) == (37, 52, 26)


def test_square_moves_at_a_border_and_keeps_its_size():
    assert faces.square((90, -3, 20, 20), (100, 110)) == (84, 0, 26)


def test_choose_the_largest_but_follow_the_one_before():
    small, large = (0, 0, 10, 10), (50, 50, 20, 20)
    assert faces.choose([small, large]).tolist() == list(large)
    assert faces.choose([small, large], previous=(5, 5, 9, 9)).tolist() == list(small)
    far = (80, 0, 5, 5)
    assert faces.choose([small, large], previous=far).tolist() == list(large)
    assert faces.choose(np.empty((0, 4)), previous=small) is None


def test_detectors_by_name_or_import():
    assert faces.detector("lbp") is faces.lbp
    assert faces.detector("none") is faces.whole
    assert faces.detector("jaxforensics.prepare.faces:whole") is faces.whole


@pytest.mark.parametrize("name", ["lpb", "no.such:thing", f"{faces.__name__}:no"])
def test_an_unknown_detector_is_named(name):
    with pytest.raises(ValueError, match=name):
        faces.detector(name)
