"""Where a network looks: gradient-weighted class activation maps."""

import flax.linen as nn
import jax
import jax.numpy as jnp


def grad_cam(logits, image, *, layer):
    """Grad-CAM (Selvaraju et al., 2017) of a linen module's answer, (b, h', w'), >= 0.

    `logits` applies the module to images (b, h, w, 3) and gives one value each (b,):
    maps are of what raises it.  `layer` names the submodule whose activations
    (b, h', w', c) are weighed by the mean of their gradient.  Maps are not normalised.
    """

    def through(shift):
        seen, names = [], []

        def shifted(call, args, kwargs, context):
            found = call(*args, **kwargs)
            if context.method_name != "__call__" or getattr(found, "ndim", 0) != 4:
                return found
            names.append(context.module.name)
            if context.module.name != layer:
                return found
            seen.append(found)
            return found if shift is None else found + shift

        with nn.intercept_methods(shifted):
            value = logits(image).sum()
        if len(seen) != 1:
            found = ", ".join(dict.fromkeys(filter(None, names))) or "none with maps"
            raise ValueError(
                f"{len(seen)} layers are called {layer!r}, one has to be; there are: "
                f"{found}"
            )
        return value, seen[0]

    shape = jax.eval_shape(lambda: through(None)[1])
    slopes, activations = jax.grad(through, has_aux=True)(
        jnp.zeros(shape.shape, shape.dtype)
    )
    weights = jnp.mean(slopes, axis=(1, 2), keepdims=True)
    return nn.relu(jnp.sum(weights * activations, axis=-1))
