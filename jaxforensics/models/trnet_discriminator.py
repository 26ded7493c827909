"""TR-Net's discriminators: is a picture real, by its pixels, spectrum or noise?

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022): one backbone that looks at a picture in three ways (D1 to
D3).  What it makes of a picture before the last layer is the trace feature.
"""

import math
from functools import partial
from typing import Any

import chex
import einops
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models.layers import Conv, around_one
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import srm
from jaxforensics.ops.spectrum import amplitude_phase, log_spectrum
from jaxforensics.settings import choose

FINAL = 4  # pixels per side of the trace feature
CLIP = 3.0  # of residuals, as released
DEVIATION = 0.02  # of weights at the start, in networks of the paper's width
WIDTH = 128  # the paper's, of the first layer
SLOPE = 0.2  # of leaky ReLUs below zero


def _amplitude(image):
    """Amplitude and phase of the gray picture; Eqs. 4 and 5."""
    return amplitude_phase(to_gray(image))


def _log_amplitude(image):
    """The same with the logarithm of the amplitude, which is ours.

    Amplitudes fall over five orders from DC to the corners: without the logarithm the
    first layer sees DC and little else.
    """
    return amplitude_phase(to_gray(image), log=True)


def _power(image):
    """Log power of the gray picture, DC in the corner: the released second view."""
    return 2 * log_spectrum(image, center=False)[..., None]


VIEWS = {
    "image": lambda image: image,
    "amplitude": _amplitude,
    "log_amplitude": _log_amplitude,
    "power": _power,
    "residual": lambda image: srm(image, clip=CLIP),
}


class TRNetDiscriminator(nn.Module):
    """Convolutions of stride 2 down to 4 x 4 pixels, then one logit.

    `view` is 'image' (D1), 'amplitude' (D2, Eq. 5), 'log_amplitude' (D2, ours), 'power'
    (D2 as released) or 'residual' (D3).  `norm` is 'layer', as goes with a gradient
    penalty, or 'batch'.  With `sources` a head of two layers tells as many sources
    apart.  `width` is that of the first layer; it doubles to four times.  Pictures have
    4 * 2ⁿ pixels per side.
    Weights of narrow networks start larger, lest signals fall below normalisation's ε.
    """

    view: str = "image"
    norm: str = "layer"
    sources: int = 0
    width: int = 128
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, n, n, 3) in [0, 1] -> {'logits' (b,), 'features' (b, 4, 4, c), …}.

        'sources' (b, sources) are logits, and are there if there are sources.
        """
        chex.assert_shape(image, (None, None, None, 3))
        view = choose(VIEWS, self.view, "view")
        x = view(jnp.float32(image)).astype(self.dtype)
        for i in range(_stages(image.shape[1:3])):
            width = min(2**i, 4) * self.width
            # As in pix2pix the first layer is not normalised, and alone has a bias.
            x = self._conv(width, f"conv_{i + 1}", bias=i == 0)(x)
            if i > 0:
                x = self._norm(f"norm_{i + 1}", train)(x)
            x = nn.leaky_relu(x, SLOPE)

        logits = Conv(
            1,
            FINAL,
            padding="VALID",
            kernel_init=self._normal(),
            dtype=self.dtype,
            name="real",
        )(x)
        outputs = {"logits": logits[:, 0, 0, 0], "features": x}
        if self.sources:
            hidden = nn.Dense(128, dtype=self.dtype, name="sources_hidden")
            last = nn.Dense(self.sources, dtype=self.dtype, name="sources")
            flat = einops.rearrange(x, "b h w c -> b (h w c)")
            outputs["sources"] = last(nn.leaky_relu(hidden(flat), SLOPE))
        return {name: value.astype(jnp.float32) for name, value in outputs.items()}

    def _normal(self):
        return nn.initializers.normal(DEVIATION * math.sqrt(WIDTH / self.width))

    def _conv(self, width, name, *, bias):
        return Conv(
            width,
            4,
            padding=1,
            stride=2,
            use_bias=bias,
            kernel_init=self._normal(),
            dtype=self.dtype,
            name=name,
        )

    def _norm(self, name, train):
        norms = {
            "layer": partial(nn.GroupNorm, num_groups=1),
            "batch": partial(
                nn.BatchNorm,
                use_running_average=not train,
                momentum=self.norm_momentum,
            ),
        }
        return choose(norms, self.norm, "norm")(
            scale_init=around_one, epsilon=1e-5, dtype=self.dtype, name=name
        )


def _stages(shape):
    """How often a picture is halved until 4 x 4 pixels remain."""
    height, width = shape
    # A power of two, whatever the rounding makes of other sizes.
    stages = round(math.log2(max(height, FINAL) / FINAL))
    if height != width or height != FINAL * 2**stages or not stages:
        raise ValueError(
            f"a discriminator sees squares of 8, 16, 32, … pixels, not {height} x "
            f"{width}: prepare the pictures at such a size, or crop them to it with "
            "--config.data.size"
        )
    return stages
