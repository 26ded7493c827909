"""Where a network looks: gradient-weighted class activation maps."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.evaluation import chunks
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.ops.color import to_float
from jaxforensics.ops.resample import resize


class Attention(NamedTuple):
    """The mean face and the mean map of each source, of the pictures' size."""

    faces: dict  # {source: (h, w, 3)} in [0, 1]
    maps: dict  # {source: (h, w)}, each up to its own maximum, 1


def grad_cam(logits, image, *, layer):
    """Grad-CAM (Selvaraju et al., 2017) of a linen module's answer, (b, h', w'), >= 0.

    `logits` applies the module to images (b, h, w, 3) and gives one value each (b,):
    maps are of what raises it.  `layer` names the submodule whose activations
    (b, h', w', c) are weighed by the mean of their gradient.  Maps are not normalised.
    """

    def logits_and_activations(shift):
        """Sum of the logits with `shift` added to the layer's output, and that output.

        The gradient by a shift of zero is the gradient by the activations.
        """
        activations = []
        layers_with_maps = []

        def shifted(call, args, kwargs, context):
            output = call(*args, **kwargs)
            if context.method_name != "__call__" or getattr(output, "ndim", 0) != 4:
                return output
            layers_with_maps.append(context.module.name)
            if context.module.name != layer:
                return output
            activations.append(output)
            if shift is None:
                return output
            return output + shift

        with nn.intercept_methods(shifted):
            value = logits(image).sum()
        if len(activations) != 1:
            names = ", ".join(dict.fromkeys(filter(None, layers_with_maps)))
            raise ValueError(
                f"{len(activations)} layers are called {layer!r}, one has to be; there "
                f"are: {names or 'none with maps'}"
            )
        return value, activations[0]

    # The shape of the activations is needed before their gradient can be asked for.
    _, shape = jax.eval_shape(lambda: logits_and_activations(None))
    slopes, activations = jax.grad(logits_and_activations, has_aux=True)(
        jnp.zeros(shape.shape, shape.dtype)
    )
    weights = jnp.mean(slopes, axis=(1, 2), keepdims=True)
    return nn.relu(jnp.sum(weights * activations, axis=-1))


def mean_attention(logits, pictures, *, layer, reals=(0,)):
    """The mean Grad-CAM of what speaks for fake, of {source: fakes, 8 bits}.

    `logits` gives (b, classes) for images (b, h, w, 3); `reals` are those of several
    classes that are not fakes.  A map is resized to its picture; one that is zero
    everywhere stays zero.
    """

    def fakeness_of(image):
        return fakeness(logits(image), reals=reals)

    def resized_map(image):
        maps = grad_cam(fakeness_of, image, layer=layer)
        shape = image.shape[1:3]
        return resize(maps[..., None], shape, method="bilinear")[..., 0]

    faces = {}
    maps = {}
    for source, images in pictures.items():
        faces[source] = to_float(images).mean(0)
        mean_map = chunks.mean(resized_map, images)
        maps[source] = mean_map / max(mean_map.max(), 1e-9)
    return Attention(faces, maps)
