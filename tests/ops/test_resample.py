"""Against Pillow's float mode and scipy.ndimage, in float64 where they allow it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from jaxforensics.ops import resample

METHODS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
SMOOTH = ("bilinear", "bicubic", "lanczos")
SIZES = [  # smaller, larger, mixed; odd, not square, a single row, whole factors
    ((13, 18), (7, 31)),
    ((32, 21), (9, 10)),
    ((5, 5), (8, 16)),
    ((16, 16), (8, 4)),
    ((1, 7), (3, 2)),
    ((30, 45), (20, 30)),
    ((9, 4), (18, 8)),  # doubled
    ((1, 3), (2, 6)),
]
QUICK = settings(max_examples=15, deadline=None, derandomize=True)

# One call of each function, as (image, extra) -> image; `extra` is differentiable too.
CALLS = {
    "resize": lambda image, extra: resample.resize(image, (7, 5), method="bicubic"),
    "corners": lambda image, extra: resample.resize(
        image, (18, 7), method="bilinear", align_corners=True
    ),
    "doubled": lambda image, extra: resample.rescale(image, 2, method="bilinear"),
    "rescale": lambda image, extra: resample.rescale(image, 0.6, method="lanczos"),
    "crop_resize": lambda image, extra: resample.crop_resize(
        image, 4 * extra[..., 0, 0, [0, 1, 0, 1]] + 3, (6, 9), method="bilinear"
    ),
    "warp": lambda image, extra: resample.warp(image, 9 * extra),
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def inputs():
    return random(2, 3, 9, 11, 3), random(2, 3, 9, 11, 2, seed=1)


def pillow(image, shape, method, **settings):
    """One picture, channel by channel, in Pillow's float mode."""
    channels = [
        Image.fromarray(channel).resize(
            shape[::-1], Image.Resampling[method.upper()], **settings
        )
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize("method", METHODS)
def test_resize_equals_pillow(method):
    for size, shape in SIZES:
        image = random(*size, 3)
        ours = resample.resize(image, shape, method=method)
        np.testing.assert_allclose(ours, pillow(image, shape, method), atol=1e-6)


@pytest.mark.parametrize("method", ["nearest", *SMOOTH])
def test_resize_without_antialiasing_equals_jax_image(method):
    theirs = {"bicubic": "cubic", "lanczos": "lanczos3"}.get(method, method)
    for size, shape in SIZES:
        image = random(*size, 3)
        ours = resample.resize(image, shape, method=method, antialias=False)
        expected = jax.image.resize(image, (*shape, 3), theirs, antialias=False)
        np.testing.assert_allclose(ours, expected, atol=5e-6)


def test_bilinear_without_antialiasing_interpolates_between_pixel_centres():
    for size, shape in SIZES:
        image = random(*size, 3)
        ours = resample.resize(image, shape, method="bilinear", antialias=False)
        sizes = zip(size, shape, strict=True)
        grid = [(np.arange(m) + 0.5) * n / m - 0.5 for n, m in sizes]
        points = np.meshgrid(*grid, indexing="ij")
        for channel in range(3):
            expected = ndimage.map_coordinates(
                image[..., channel].astype(np.float64), points, order=1, mode="nearest"
            )
            np.testing.assert_allclose(ours[..., channel], expected, atol=1e-6)


def test_aligned_corners_equal_scipy_zoom():
    for size, shape in SIZES:
        if 1 in size:  # zoom divides by size - 1
            continue
        image = random(*size, 3)
        ours = resample.resize(
            image, shape, method="bilinear", align_corners=True, antialias=False
        )
        factors = (*np.divide(shape, size), 1)
        expected = ndimage.zoom(image.astype(np.float64), factors, order=1)
        np.testing.assert_allclose(ours, expected, atol=1e-6)
        corners = np.ix_([0, -1], [0, -1])
        np.testing.assert_allclose(ours[corners], image[corners], atol=1e-6)


def test_bicubic_reproduces_parabolas_on_aligned_corners():
    def parabola(n, m):
        y, x = (np.linspace(0, 1, k) for k in (n, m))
        return (y[:, None] ** 2 - 2 * y[:, None] * x + 0.5 * x**2)[..., None]

    image = parabola(9, 13).astype(np.float32)
    ours = resample.resize(image, (33, 49), method="bicubic", align_corners=True)
    inner = np.s_[8:-8, 8:-8]  # two source pixels from the border
    np.testing.assert_allclose(ours[inner], parabola(33, 49)[inner], atol=1e-6)


def test_one_pixel_with_aligned_corners_is_the_first():
    image = random(6, 5, 3)
    ours = resample.resize(image, (1, 1), method="bilinear", align_corners=True)
    np.testing.assert_array_equal(ours[0, 0], image[0, 0])


def test_rescale_rounds_sizes():
    image = random(9, 10, 1)
    for factor, shape in (
        (0.5, (4, 5)),
        (1.25, (11, 12)),
        (0.01, (1, 1)),
        (2, (18, 20)),
    ):
        ours = resample.rescale(image, factor, method="bicubic")
        np.testing.assert_allclose(ours, pillow(image, shape, "bicubic"), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_crop_resize_equals_slice_and_pillow(method):
    images = random(4, 17, 22, 3)
    boxes = np.array([[0, 0, 17, 22], [3, 5, 9, 11], [2, 1, 6, 20], [10, 4, 1, 3]])
    crop = jax.jit(partial(resample.crop_resize, shape=(8, 10), method=method))
    ours = crop(images, boxes)  # one compilation for all boxes
    for image, (top, left, height, width), result in zip(
        images, boxes, ours, strict=True
    ):
        cut = image[top : top + height, left : left + width]
        np.testing.assert_allclose(result, pillow(cut, (8, 10), method), atol=5e-6)


@pytest.mark.parametrize("out", [41, 47, 55, 60])
@pytest.mark.parametrize("method", ["nearest", "box"])
def test_halving_breaks_ties_as_pillow_does(out, method):
    """n / 2 times the rounded 1 / n is below 1/2 for these odd numbers."""
    image = random(2 * out, 2 * out, 1)
    crop = jax.jit(partial(resample.crop_resize, shape=(out, out), method=method))
    halved = crop(image, (0, 0, 2 * out, 2 * out))
    expected = pillow(image, (out, out), method)
    np.testing.assert_allclose(halved, expected, atol=1e-6)


def test_crop_resize_at_fractions_of_a_pixel():
    """Pillow's own `box` also sees the pixels around it: equal off the border."""
    image = random(16, 16, 3)
    top, left, height, width = 2.25, 3.5, 9.5, 8.75
    ours = resample.crop_resize(
        image, (top, left, height, width), (19, 21), method="bilinear"
    )
    box = (left, top, left + width, top + height)
    expected = pillow(image, (19, 21), "bilinear", box=box)
    np.testing.assert_allclose(ours[1:-1, 1:-1], expected[1:-1, 1:-1], atol=5e-6)


def test_crop_resize_is_black_beyond_the_picture():
    image = 1 + random(6, 6, 3)
    ours = np.asarray(
        resample.crop_resize(image, (-3, 0, 12, 6), (12, 6), method="lanczos")
    )
    np.testing.assert_array_equal(ours[[0, 1, 2, 9, 10, 11]], 0)
    np.testing.assert_allclose(ours[3:9], image, atol=1e-6)
    outside = resample.crop_resize(image, (9, 9, 2, 2), (3, 3), method="bicubic")
    np.testing.assert_array_equal(outside, 0)


@pytest.mark.parametrize("size", [(8, 8), (7, 12), (1, 5), (2, 1)])
def test_warp_equals_scipy(size):
    image = random(2, *size, 3)
    flow = 40 * (random(2, *size, 2, seed=1) - 0.5)  # far over the border, many times
    flow[0, 0] = 0
    ours = resample.warp(image, flow)
    for picture, field, result in zip(image, flow, ours, strict=True):
        points = np.indices(size) + np.moveaxis(field.astype(np.float64), -1, 0)
        for channel in range(3):
            expected = ndimage.map_coordinates(
                picture[..., channel].astype(np.float64), points, order=1, mode="mirror"
            )
            np.testing.assert_allclose(result[..., channel], expected, atol=1e-5)


def test_warp_takes_one_flow_for_all_and_shifts_by_whole_pixels():
    image = random(3, 6, 7, 1)
    flow = np.broadcast_to(np.float32([1, -2]), (6, 7, 2))
    expected = np.pad(image, ((0, 0), (0, 1), (2, 0), (0, 0)), "reflect")[:, 1:, :7]
    np.testing.assert_array_equal(resample.warp(image, flow), expected)


def test_warp_gradient_is_that_of_the_interpolation():
    image = random(5, 6, 1)
    # Off the pixel centres, where the slope jumps.
    flow = np.float32([-1.9, 0.1])[None, None] + 0.8 * random(5, 6, 2, seed=1)
    weight = random(5, 6, 1, seed=2)

    def loss(image, flow):
        return jnp.sum(weight * resample.warp(image, flow))

    along_image, along_flow = jax.jit(jax.grad(loss, (0, 1)))(image, flow)
    direction = random(5, 6, 2, seed=3) - 0.5
    step = 0.1
    difference = (
        loss(image, flow + step * direction) - loss(image, flow - step * direction)
    ) / (2 * step)
    assert np.sum(along_flow * direction) == pytest.approx(float(difference), rel=1e-4)
    assert np.sum(along_image * image) == pytest.approx(
        float(loss(image, flow)), rel=1e-5
    )


@pytest.mark.parametrize("size", [(8, 6), (7, 9), (1, 4), (3, 3)])
def test_shuffled_quadrants_are_the_quadrants(size, key):
    image = random(16, *size, 3)
    ours = np.asarray(resample.shuffle_quadrants(key, image))
    h, w = size[0] // 2, size[1] // 2

    def quadrants(x):
        corners = x[:h, :w], x[:h, size[1] - w :], x[size[0] - h :, :w]
        return [c.tobytes() for c in (*corners, x[size[0] - h :, size[1] - w :])]

    for before, after in zip(image, ours, strict=True):
        assert sorted(quadrants(before)) == sorted(quadrants(after))
        middle = slice(h, size[0] - h), slice(w, size[1] - w)
        np.testing.assert_array_equal(after[middle[0]], before[middle[0]])
        np.testing.assert_array_equal(after[:, middle[1]], before[:, middle[1]])


def test_quadrants_take_every_order_evenly(key):
    corners = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    ours = resample.shuffle_quadrants(key, np.tile(corners, (2400, 1, 1, 1)))
    orders, counts = np.unique(ours.reshape(-1, 4), axis=0, return_counts=True)
    assert len(orders) == 24
    assert np.all(abs(counts - 100) < 5 * np.sqrt(100))


def test_quadrants_that_have_to_move_take_every_other_order(key):
    """And a map takes that of its picture."""
    corners = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    image = np.tile(corners, (2300, 1, 1, 3))
    ours = resample.shuffle_quadrants(key, image, moved=True)
    orders, counts = np.unique(ours[..., 0].reshape(-1, 4), axis=0, return_counts=True)
    assert len(orders) == 23 and not (orders == np.arange(4)).all(1).any()
    assert np.all(abs(counts - 100) < 5 * np.sqrt(100))
    alike = resample.shuffle_quadrants(key, image[..., :1], moved=True)
    np.testing.assert_array_equal(alike[..., 0], ours[..., 0])


def test_no_batch_and_several_batch_axes(key):
    image = random(2, 3, 5, 4, 3)
    shuffled = resample.shuffle_quadrants(key, image)
    assert shuffled.shape == image.shape
    assert resample.shuffle_quadrants(key, image[0, 0]).shape == image.shape[2:]
    single = [[resample.resize(x, (3, 7), method="box") for x in row] for row in image]
    ours = resample.resize(image, (3, 7), method="box")
    np.testing.assert_allclose(ours, np.array(single), atol=1e-6)


@pytest.mark.parametrize("name", CALLS)
def test_bfloat16(name):
    call, (image, extra) = CALLS[name], inputs()
    image = jnp.asarray(image, jnp.bfloat16)
    ours = call(image, extra)
    assert ours.dtype == jnp.bfloat16
    expected = call(image.astype(jnp.float32), extra)
    np.testing.assert_allclose(
        ours.astype(jnp.float32), expected, rtol=2**-7, atol=1e-3
    )


@pytest.mark.parametrize("name", CALLS)
def test_gradients_are_finite(name):
    image, extra = inputs()
    extra[0, 0, :2] = np.round(extra[0, 0, :2])  # on pixel centres as well
    gradients = jax.jit(jax.grad(lambda *x: jnp.sum(CALLS[name](*x) ** 2), (0, 1)))(
        image, extra
    )
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.any(gradients[0])
    assert np.any(gradients[1]) == (name in ("crop_resize", "warp"))


@QUICK
@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from(METHODS), st.booleans())
def test_flat_pictures_stay_flat(height, width, method, antialias):
    image = np.full((5, 8, 1), 0.7, np.float32)
    ours = resample.resize(image, (height, width), method=method, antialias=antialias)
    np.testing.assert_allclose(ours, 0.7, atol=1e-6)


@QUICK
@given(st.integers(1, 17), st.integers(1, 17), st.sampled_from(METHODS))
def test_same_size_is_the_identity(height, width, method):
    image = random(height, width, 3)
    ours = resample.resize(image, (height, width), method=method)
    np.testing.assert_allclose(ours, image, atol=1e-6)


@QUICK
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from(SMOOTH))
def test_resizing_commutes_with_flipping(height, width, method):
    image = random(7, 10, 1)
    resize = partial(resample.resize, shape=(height, width), method=method)
    np.testing.assert_allclose(
        resize(image[::-1, ::-1]), resize(image)[::-1, ::-1], atol=2e-6
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shape": (4, 4), "method": "cubic"}, "bicubic"),
        ({"shape": (0, 4), "method": "box"}, r"\(0, 4\)"),
        ({"shape": (4, 4), "method": "box", "align_corners": True}, "align_corners"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        resample.resize(random(8, 8, 3), **arguments)
