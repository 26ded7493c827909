"""F3-Net: two Xceptions, on bands of the picture's spectrum and on local statistics.

Qian, Yin, Sheng, Chen and Shao, "Thinking in frequency: face forgery detection by
mining frequency-aware clues", ECCV 2020, as in the unofficial PyTorch code
yyk-wew/F3Net, which by its own account does not reach the paper's numbers.  Filters of
frequency-aware decomposition (FAD) and of local frequency statistics (LFS) are fixed
masks of 0 and 1 plus learnt maps within (-1, 1).  Cross-attention is in that code but
not used by it, and an option here.  Its gray levels span 0 to 245, by a factor 122.5
that should be 127.5; ours span 0 to 255.  Its Xceptions start from ImageNet's weights,
ours from scratch.

Pictures are 299 x 299 there; any square from 10 x 10 does, and the decomposition's maps
bind a set of weights to one size.
"""

from typing import Any

import chex
import einops
import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.models import xception
from jaxforensics.models.layers import Conv, DepthwiseConv
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.resample import resize
from jaxforensics.ops.spectrum import dct2, idct2

WINDOW = 10  # pixels per side, of the local statistics
STRIDE = 2  # pixels between windows
MARGIN = 4  # pixels of zeros around the picture
BANDS = 6  # of a window's frequencies
MIXED = 7, 12  # the blocks that cross-attention follows
LEAST = 10  # pixels of a side, for one position to remain in either Xception
# Accelerators would round the factors to 8 or 11 bits, and a logarithm follows.
EXACT = lax.Precision.HIGHEST
SMALL = nn.initializers.normal(0.1)


class Decomposition(nn.Module):
    """FAD: the picture's low, middle, high and all frequencies, as pictures."""

    @nn.compact
    def __call__(self, x):
        """(b, n, n, c) -> (b, n, n, 4 c), one band's channels after the other's."""
        masks = picture_bands(x.shape[1])
        filters = masks + _within_one(self.param("filters", SMALL, masks.shape))
        spectrum = dct2(einops.rearrange(jnp.float32(x), "b h w c -> b c h w"))
        # Each band of each channel, (b, bands, c, n, n).
        parts = idct2(filters[None, :, None] * spectrum[:, None])
        # In two steps: in one, XLA would lay the products before it out anew.
        parts = einops.rearrange(parts, "b band c h w -> b (band c) h w")
        return einops.rearrange(parts, "b c h w -> b h w c")


class Statistics(nn.Module):
    """LFS: mean log10(|DCT| + 1e-15) of six bands in each window of 10 x 10 pixels.

    A window's learnt map reaches beyond its band, whose size divides all the same.
    """

    @nn.compact
    def __call__(self, image):
        """(b, n, n, 3) in [0, 1] -> (b, n // 2, n // 2, 6), windows 2 pixels apart."""
        masks = window_bands()
        filters = masks + _within_one(self.param("filters", SMALL, masks.shape))
        # A mean: divided by as many coefficients as the fixed band has.
        filters = filters / masks.sum((1, 2), keepdims=True)
        spectra = window_spectra(255 * to_gray(jnp.float32(image)))
        logarithm = jnp.log10(jnp.abs(spectra) + 1e-15)
        filters = einops.rearrange(filters, "band i j -> band (i j)")
        return jnp.einsum("bhwk,mk->bhwm", logarithm, filters, precision=EXACT)


class Branch(nn.Module):
    """An Xception without its dense layer, called for one part after the other.

    The maps of part 0 are those after block 7, of part 1 after block 12, of part 2 the
    last ones.
    """

    stride: int  # of the stem
    norm_momentum: float
    dtype: Any
    kernel_init: Any = xception.UNIFORM
    scale_init: Any = xception.ONES

    @nn.compact
    def __call__(self, x, part, *, train):
        """(b, h, w, c) -> (b, h', w', 728 or 1024 or 2048)."""
        if part == len(MIXED):
            return xception.tail(self, x, train=train)
        if part == 0:
            x = xception.stem(self, x, train=train, stride=self.stride)
        first = (1, *(block + 1 for block in MIXED))[part]
        return xception.span(self, x, first, MIXED[part], train=train)


class Mix(nn.Module):
    """Cross-attention: each branch's maps, weighted, are added to the other's.

    As the code has it: in each channel a softmax over pairs of rows, from queries and
    keys of both branches, is a map of weights, and multiplies maps pixel by pixel.  Its
    gates 2σ(γ) - 1 start closed, but normalisation follows them, and undoes their size.
    """

    norm_momentum: float
    dtype: Any

    @nn.compact
    def __call__(self, fad, lfs, *, train):
        """Maps (b, s, s, c) of either branch -> the same, mixed."""
        if fad.shape != lfs.shape:
            sides = " and ".join("{}x{}".format(*x.shape[1:3]) for x in (fad, lfs))
            raise ValueError(
                f"maps of {sides} do not mix: F3-Net needs pictures of another size, "
                "such as 128, 256 or 299, or mix=False"
            )
        # Of rows by rows; the code, too, multiplies maps of rows by columns with it.
        energy = self._energy(fad, "fad") + self._energy(lfs, "lfs")
        weights = nn.softmax(energy, axis=2).astype(self.dtype)
        of_lfs = self._passed(lfs * weights, "fad", train)
        of_fad = self._passed(fad * weights, "lfs", train)
        return fad + of_lfs, lfs + of_fad

    def _energy(self, x, branch):
        """Each row's query times each row's key: (b, s, s, c), keys along axis 2."""
        query, key = (
            Conv(
                x.shape[-1],
                1,
                kernel_init=xception.UNIFORM,
                dtype=self.dtype,
                name=f"{branch}_{name}",
            )(x)
            for name in ("query", "key")
        )
        accumulated = {"preferred_element_type": jnp.float32}
        return jnp.einsum("biwc,bjwc->bijc", query, key, **accumulated)

    def _passed(self, x, branch, train):
        """What `branch` gets: a gate, one factor and offset per channel, normalised."""
        gate = self.param(f"{branch}_gate", nn.initializers.zeros, ())
        x = x * _within_one(gate).astype(self.dtype)
        factor = DepthwiseConv(1, xception.UNIFORM, self.dtype, name=f"{branch}_factor")
        offset = self.param(f"{branch}_offset", nn.initializers.zeros, x.shape[-1:])
        x = factor(x) + offset.astype(self.dtype).reshape(1, 1, 1, -1)
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            epsilon=1e-5,
            dtype=self.dtype,
            name=f"{branch}_norm",
        )(x)


class F3Net(nn.Module):
    """Both branches' mean maps, dropout and a dense layer.

    `size` resizes pictures of any shape first, bicubically as that code does, but does
    not clip; else they have to be square.  `mix` adds cross-attention after blocks 7
    and 12: maps must be of one size in both branches, which sides of 7, 8 or 9 more
    than a multiple of 16 do not give.  Dropout takes rngs={"dropout": key} in training.
    """

    num_classes: int = 1
    size: int | None = None
    mix: bool = False
    dropout: float = 0.2
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, n, n, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        image = jnp.float32(image)
        if self.size is not None:
            image = resize(image, (self.size, self.size), method="bicubic")
        _check(*image.shape[1:3])
        common = self.norm_momentum, self.dtype
        branches = Branch(2, *common, name="fad"), Branch(1, *common, name="lfs")
        maps = (
            Decomposition(name="decomposition")(2 * image - 1),
            Statistics(name="statistics")(image),
        )

        # Part by part, so that the branches can look at each other in between.
        for part in range(len(MIXED) + 1):
            pairs = zip(branches, maps, strict=True)
            maps = [branch(x, part, train=train) for branch, x in pairs]
            if self.mix and part < len(MIXED):
                maps = Mix(*common, name=f"mix_{MIXED[part]}")(*maps, train=train)

        means = [jnp.mean(x.astype(jnp.float32), axis=(1, 2)) for x in maps]
        x = jnp.concatenate(means, axis=-1)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = nn.Dense(self.num_classes, kernel_init=xception.UNIFORM, name="logits")
        return logits(x)


def picture_bands(size):
    """Masks of the decomposition, (4, size, size): low, middle, high, all.

    Of coefficient (i, j), i + j is at most ⌊n / 2.82⌋ in the low band, between that and
    ⌊n / 2⌋ in the middle one, at least that in the high one.  Bounds belong to a band,
    so that neighbours share the diagonal between them.
    """
    low = int(size // 2.82)
    half = size // 2
    end = 2 * size
    return _bands(_diagonals(size), [(0, low), (low, half), (half, end), (0, end)])


def window_bands():
    """Masks of the statistics, (6, 10, 10): i + j from 20/6 m to 20/6 (m + 1).

    Bounds belong to a band here too: i + j = 10 is in the third and in the fourth.
    """
    # In sixths of a diagonal, so that bounds are integers.
    ends = 2 * WINDOW * np.arange(BANDS + 1)
    return _bands(BANDS * _diagonals(WINDOW), zip(ends[:-1], ends[1:], strict=True))


def window_spectra(gray):
    """Orthonormal DCT of windows of 10 x 10 pixels, every other row and column.

    (b, n, n) -> (b, n // 2, n // 2, 100), with 4 pixels of zeros around the picture.
    Where a window is flat, all but its first coefficient are round-off.
    """
    # The picture that has one coefficient is the pattern which measures it.
    coefficients = jnp.eye(WINDOW**2).reshape(-1, WINDOW, WINDOW)
    patterns = einops.rearrange(idct2(coefficients), "k i j -> i j 1 k")
    return lax.conv_general_dilated(
        gray[..., None],
        patterns,
        (STRIDE, STRIDE),
        [(MARGIN, MARGIN)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=EXACT,
    )


def _diagonals(size):
    """i + j of every coefficient: the diagonals of zigzag order."""
    return np.add.outer(np.arange(size), np.arange(size))


def _bands(frequency, bounds):
    masks = [(low <= frequency) & (frequency <= high) for low, high in bounds]
    return np.float32(masks)


def _within_one(x):
    """2σ(x) - 1."""
    return 2 * nn.sigmoid(x) - 1


def _check(height, width):
    if height != width:
        raise ValueError(
            f"a picture of {height}x{width}: F3-Net needs a square, or size= to make it"
        )
    if height < LEAST:
        raise ValueError(
            f"{height}x{width} pixels: F3-Net needs {LEAST}x{LEAST} at least"
        )
