"""VGG-16's features, by which pictures look alike.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015: 3x3 convolutions, ReLU and maxima of 2 x 2.  The dense layers
are left out.  Weights come from a file that torchvision's network was saved to.
"""

from typing import Any

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
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(nn.Module):
    """The features of one layer, after its ReLU."""

    layer: str = "relu3_3"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> (b, h', w', width of the layer) in float32."""
        del train
        choose(LAYERS, self.layer, "layer of VGG-16")
        mean, deviation = (jnp.float32(x)[None, None, None] for x in (MEAN, DEVIATION))
        x = ((jnp.float32(image) - mean) / deviation).astype(self.dtype)
        for name, width in LAYERS.items():
            if name.endswith("_1") and name != "relu1_1":
                x = floor_max_pool(x, size=2, stride=2)
            conv = name.replace("relu", "conv")
            x = nn.relu(Conv(width, 3, dtype=self.dtype, name=conv)(x))
            if name == self.layer:
                break
        return x.astype(jnp.float32)


def load(path, *, layer):
    """The parameters of VGG16(layer) from a file of torchvision's vgg16."""
    net, image = VGG16(layer), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    template = jax.eval_shape(net.init, jax.random.key(0), image)
    return weights.load(path, template, table=_table(layer))["params"]


def _table(layer):
    """Where each array of torchvision's file goes; None: known, not needed."""
    table, place, needed = {}, 0, True
    for name in LAYERS:
        place += name.endswith("_1") and name != "relu1_1"  # a pool counts
        conv = f"params/{name.replace('relu', 'conv')}"
        table[f"features.{place}.weight"] = needed and (f"{conv}/kernel", _kernel)
        table[f"features.{place}.bias"] = needed and (f"{conv}/bias", None)
        place, needed = place + 2, needed and name != layer
    dense = (f"classifier.{i}.{what}" for i in (0, 3, 6) for what in ("weight", "bias"))
    return {name: row or None for name, row in table.items()} | dict.fromkeys(dense)


def _kernel(value):
    return np.transpose(value, (2, 3, 1, 0))
