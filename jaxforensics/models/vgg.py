"""VGG-16's features, by which pictures look alike.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015: 3x3 convolutions, ReLU and maxima of 2 x 2.  The dense layers
are left out.  Weights come from a file that torchvision's network was saved to.
"""

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels.pools import floor_max_pool
from jaxforensics.models import weights
from jaxforensics.models.layers import Conv
from jaxforensics.settings import choose

BLOCKS = (64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)
# "relu1_1" to "relu5_3", in order: the width of each layer.
LAYERS = {
    f"relu{block}_{place}": width
    for block, widths in enumerate(BLOCKS, 1)
    for place, width in enumerate(widths, 1)
}
# Of ImageNet, by which torchvision's weights expect pictures to be standardised.
MEAN = 0.485, 0.456, 0.406
DEVIATION = 0.229, 0.224, 0.225


class VGG16(nn.Module):
    """The features of one layer, after its ReLU."""

    layer: str = "relu3_3"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> (b, h', w', width of the layer) in float32."""
        del train
        chex.assert_shape(image, (None, None, None, 3))
        choose(LAYERS, self.layer, "layer of VGG-16")
        mean, deviation = (jnp.float32(x)[None, None, None] for x in (MEAN, DEVIATION))
        x = ((jnp.float32(image) - mean) / deviation).astype(self.dtype)
        for name, width in LAYERS.items():
            # A pool before every block but the first.
            if name.endswith("_1") and name != "relu1_1":
                x = floor_max_pool(x, size=2, stride=2)
            conv = name.replace("relu", "conv")
            x = nn.relu(Conv(width, 3, dtype=self.dtype, name=conv)(x))
            if name == self.layer:
                break
        return x.astype(jnp.float32)


def load(path, *, layer):
    """The parameters of VGG16(layer) from a file of torchvision's vgg16."""
    net = VGG16(layer)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    # Shapes alone, nothing is computed; they do not depend on the picture's size.
    template = jax.eval_shape(net.init, jax.random.key(0), image)
    return weights.load(path, template, table=_table(layer))["params"]


def _table(layer):
    """Where each array of torchvision's file goes; None: known, not needed."""
    table = {}
    place = 0
    is_needed = True
    for name in LAYERS:
        # Numbers of torchvision's Sequential: a pool, a convolution, a ReLU count one.
        if name.endswith("_1") and name != "relu1_1":
            place += 1
        weight = f"features.{place}.weight"
        bias = f"features.{place}.bias"
        table[weight] = table[bias] = None
        if is_needed:
            conv = f"params/{name.replace('relu', 'conv')}"
            table[weight] = f"{conv}/kernel", _kernel
            table[bias] = f"{conv}/bias", None
        place += 2
        is_needed = is_needed and name != layer
    dense = (f"classifier.{i}.{what}" for i in (0, 3, 6) for what in ("weight", "bias"))
    return table | dict.fromkeys(dense)


def _kernel(value):
    """PyTorch's (out, in, h, w) as flax's (h, w, in, out)."""
    return np.transpose(value, (2, 3, 1, 0))
