"""Residual front ends: fixed high-pass filters, or kernels under a constraint.

Guo et al., "Fake face detection via adaptive manipulation traces extraction network",
CVIU 2021, put them in AMTEN's place (Table V).  The paper does not say how; here all
keep the picture's size, look at 0-255 values and are not clipped.  A constrained kernel
(Bayar and Stamm, TIFS 2018) is to be restored by `project` after every update.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.kernels.convolution import conv
from jaxforensics.models.layers import XAVIER
from jaxforensics.ops.residuals import constrain, high_pass, srm
from jaxforensics.settings import choose


class Constrained(nn.Module):
    """Kernels that predict a pixel from its surroundings, minus the pixel.

    Without bias, three kernels as published.  They start from weights shifted to the
    sum 1, because division by a random sum makes some of them huge.  Later the stored
    kernel is used as it is; it is called `constrained` in every model.
    """

    width: int = 3
    size: int = 5
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h', w', width), in float32: a small difference."""
        shape = self.size, self.size, x.shape[-1], self.width
        kernel = self.param("kernel", _predictor, shape)
        x = x.astype(jnp.float32)
        return conv(x, kernel, padding=self.padding, precision="highest")


def project(params):
    """Parameters with every constrained kernel restored, everything else as it was.

    For after each optimiser step of any model; see `ops.residuals.constrain`.
    """

    def restore(path, leaf):
        name = jax.tree_util.keystr(path[-2:], simple=True, separator="/")
        if name == "constrained/kernel":
            return constrain(leaf)
        return leaf

    return jax.tree_util.tree_map_with_path(restore, params)


def extract(name, x):
    """Maps of the front end called `name`: (b, h, w, 3) -> (b, h, w, 9, 3 or 3).

    To be called inside a compact module, which the constrained kernel becomes part of.
    """
    return choose(FRONT_ENDS, name, "front end")(x)


def _constrained(x):
    return Constrained(name="constrained")(x)


def _predictor(key, shape, dtype=jnp.float32):
    kernel = XAVIER(key, shape, dtype)
    # Shifted to the sum 1 of the entries that are not the centre.
    mean = kernel.mean((0, 1), keepdims=True)
    return constrain(kernel - mean + 1 / (shape[0] * shape[1] - 1))


# Nine residuals of Mo et al. (2018), three of Zhou et al. (2018), three learned ones.
FRONT_ENDS = {"high_pass": high_pass, "srm": srm, "constrained": _constrained}
