"""The products that a convolution and its gradients are made of, in several forms.

Each equals `plain_conv`, or a gradient of it, to round-off.  All but that one are for
XLA:CPU; `convolution.conv` says when.
"""

import einops
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.phases import pixel_shuffle

BLOCK_CHANNELS = 4  # of a picture, at most, for `neighbour_blocks`
PLANE_PAIRS = 36  # of channels, in times out, at most for `plane_sums`
PIXELS = 2**10  # whose neighbourhoods are laid out at a time for a kernel's gradient


def plain_conv(x, kernel, *, padding="SAME", stride=1, precision=None):
    """lax's convolution: (b, h, w, c), (k, k, c, d) -> (b, h', w', d).

    `padding` is lax's, or the number of zeros on every side.
    """
    if isinstance(padding, int):
        padding = ((padding, padding),) * 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )


def matmul(x, kernel):
    """A kernel of one pixel mixes channels: a product of matrices."""
    return jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])


def bordered(x, kernel, sides):
    """Stride 1, with the zeros `sides` around the picture.

    Few channels take planes or blocks.  All others take the plain formula, but with a
    border: XLA:CPU's path without any is up to six times slower.
    """
    is_narrow = kernel.shape[2] * kernel.shape[3] <= PLANE_PAIRS
    # In bfloat16 planes would take 20 times as long to compile, and longer to run.
    if is_narrow and x.dtype == jnp.float32:
        return plane_sums(jnp.pad(x, ((0, 0), *sides, (0, 0))), kernel)
    if x.shape[-1] <= BLOCK_CHANNELS:
        return neighbour_blocks(x, kernel, sides)

    # Where there is no border, one pixel on both sides, which is cut off behind.
    extra = [int(not any(side)) for side in sides]
    wide = [
        (before + pixels, after + pixels)
        for (before, after), pixels in zip(sides, extra, strict=True)
    ]
    rows, columns = extra
    y = plain_conv(x, kernel, padding=wide)
    return y[:, rows : y.shape[1] - rows, columns : y.shape[2] - columns]


def plane_sums(x, kernel):
    """Few channels, no border: a sum of shifted planes, each times one number."""
    # Written to memory once, not anew for every shift that reads them.
    planes = fusion.keep(jnp.moveaxis(x, -1, 0))
    return jnp.moveaxis(_sum_of_planes(planes, kernel), 0, -1)


@fusion.stage
def _sum_of_planes(planes, kernel):
    """(c, b, h + k - 1, w + k - 1), (k, k, c, d) -> (d, b, h, w)."""
    size, _, channels, depth = kernel.shape
    height, width = (n - size + 1 for n in planes.shape[2:])
    return jnp.stack(
        [
            sum(
                planes[c, :, i : i + height, j : j + width] * kernel[i, j, c, d]
                for i in range(size)
                for j in range(size)
                for c in range(channels)
            )
            for d in range(depth)
        ]
    )


def neighbour_blocks(x, kernel, sides, *, stride=1):
    """Few channels: one product of neighbourhoods, whose rows are cut as blocks.

    A block of columns is as wide as the stride, or two without one; then a product has
    the values of two pixels.
    """
    size, _, channels, depth = kernel.shape
    block = max(2, stride)  # columns of the picture
    pixels = block // stride  # of the result, in a block
    height, width = (
        (n + sum(side) - size) // stride + 1
        for n, side in zip(x.shape[1:3], sides, strict=True)
    )
    count = -(-width // pixels)  # blocks of the result
    span = -(-((pixels - 1) * stride + size) // block)  # blocks that its pixels see

    # Rows as a whole number of blocks, (b, h, blocks, block times channels).
    columns = (count + span - 1) * block
    spare = columns - x.shape[2] - sides[1][0]
    x = jnp.pad(x, ((0, 0), sides[0], (sides[1][0], max(0, spare)), (0, 0)))
    x = einops.rearrange(
        x[:, :, :columns], "b h (blocks block) c -> b h blocks (block c)", block=block
    )
    x = fusion.keep(x)

    # Neighbourhoods side by side: all rows of the kernel, all blocks that it reaches.
    rows = (x[:, i : i + stride * (height - 1) + 1 : stride] for i in range(size))
    near = [row[:, :, j : j + count] for row in rows for j in range(span)]
    near = fusion.keep(jnp.concatenate(near, axis=-1))

    # The kernel once for every pixel of a block, shifted by the stride, among zeros.
    spread = jnp.zeros((size, span * block, channels, pixels, depth), kernel.dtype)
    for i in range(pixels):
        spread = spread.at[:, i * stride : i * stride + size, :, i].set(kernel)
    spread = einops.rearrange(spread, "k near c pixel d -> (k near c) (pixel d)")

    y = jnp.einsum("bhni,io->bhno", near, spread)
    y = einops.rearrange(y, "b h n (pixel d) -> b h (n pixel) d", pixel=pixels)
    return y[:, :, :width]


def picture_gradient_by_phases(slopes, kernel, sides, stride, shape):
    """The gradient of a picture of `shape`; the stride divides the kernel.

    The channels of one convolution hold every phase of rows and columns, which are then
    laid out as pixels: lax's form convolves with zeros between the slopes' pixels.
    """
    taps = len(kernel) // stride
    kernel = einops.rearrange(
        kernel, "(i p) (j q) c d -> i p j q c d", p=stride, q=stride
    )
    # Turned around, as for any gradient of a picture, but phase by phase.
    turned = kernel[::-1, :, ::-1]
    kernel = einops.rearrange(turned, "i p j q c d -> i j d (p q c)")
    full = ((taps - 1, taps - 1),) * 2
    x = pixel_shuffle(plain_conv(slopes, kernel, padding=full), stride)

    # Without the border's gradient, and with zeros where no kernel looked.
    starts = [before for before, _ in sides]
    missing = [
        (0, max(0, start + size - filled))
        for start, size, filled in zip(starts, shape[1:3], x.shape[1:3], strict=True)
    ]
    x = jnp.pad(x, [(0, 0), *missing, (0, 0)])
    top, left = starts
    height, width = shape[1:3]
    return x[:, top : top + height, left : left + width]


def kernel_gradient(size, x, slopes):
    """The gradient of a kernel with stride 1, in float32.

    (b, h + k - 1, w + k - 1, c), (b, h, w, d) -> (k, k, c, d): a product of slopes and
    neighbourhoods, `PIXELS` of them at a time, so that what is laid out for them stays
    in the cache.
    """
    batch, height, width, depth = slopes.shape
    # A band of a picture at a time, or as many pictures as fit and divide the batch.
    rows = -(-height // -(-height * width // PIXELS))
    bands = -(-height // rows)
    spare = [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)]
    x = jnp.pad(x, spare)
    slopes = jnp.pad(slopes, spare)
    fits = range(min(batch, max(1, PIXELS // (rows * width))), 0, -1)
    pictures = next(n for n in fits if batch % n == 0)

    def add(total, part):
        corner = part // bands * pictures, part % bands * rows, 0, 0
        window = pictures, rows + size - 1, *x.shape[2:]
        near = lax.dynamic_slice(x, corner, window)
        band = lax.dynamic_slice(slopes, corner, (pictures, rows, width, depth))
        shifted = [
            near[:, i : i + rows, j : j + width]
            for i in range(size)
            for j in range(size)
        ]
        near = jnp.concatenate(shifted, axis=-1)
        # Neighbourhoods are the second factor: XLA:CPU copies a large first one to
        # contract it over rows (28 GFLOP/s, against 93).
        product = jnp.einsum(
            "bhwq,bhwp->qp", band, near, preferred_element_type=jnp.float32
        )
        return total + product, None

    start = jnp.zeros((depth, size**2 * x.shape[-1]), jnp.float32)
    total, _ = lax.scan(add, start, jnp.arange(batch // pictures * bands))
    # Turned around behind the loop alone: inside, XLA would swap the two factors.
    return einops.rearrange(total.T, "(i j c) d -> i j c d", i=size, j=size)
