"""AMTENnet's layers one by one, gradients included, against PyTorch's: 64 at 128x128.

PyTorch has channels-last memory, its faster one.
"""

import sys

import einops
import jax
import jax.numpy as jnp
import numpy as np
from harness import compare, save

from jaxforensics.kernels.convolution import conv
from jaxforensics.kernels.pools import ceil_max_pool
from jaxforensics.training import mesh

try:
    import torch
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/layers.py measures against PyTorch: pip install torch")

BATCH = 64
CONVS = [  # side of the picture, channels in and out, size of the kernel, border
    (128, 3, 3, 3, 1),
    (128, 6, 6, 3, 1),
    (128, 12, 24, 3, 1),
    (64, 24, 48, 3, 0),
    (31, 48, 64, 3, 0),
    (14, 64, 128, 1, 0),
]
POOLS = [(128, 24), (62, 48), (29, 64)]  # side of the maps, channels


def against_torch(name, ours, theirs, *inputs):
    """Values and gradients of `ours` and `theirs`, which are equal functions."""

    def both(slopes, *inputs):
        value, gradients = jax.vjp(ours, *inputs)
        return value, gradients(slopes)

    value = jax.jit(ours)(*inputs)
    slopes = np.random.default_rng(1).normal(size=value.shape).astype(np.float32)
    step = jax.jit(both)
    device = [jnp.asarray(a) for a in (slopes, *inputs)]
    tensors = [tensor(a).requires_grad_() for a in inputs]
    np.testing.assert_allclose(
        tensor(np.asarray(value)), theirs(*tensors).detach(), atol=1e-3
    )
    pull = tensor(slopes)
    return compare(
        f"{name}, gradients",
        lambda: step(*device),
        lambda: [
            t.numpy() for t in torch.autograd.grad(theirs(*tensors), tensors, pull)
        ],
        peer_name="torch channels-last",
        goal=1,
    )


def tensor(array):
    """Pictures (b, h, w, c) and kernels (k, k, c, d) in PyTorch's order of axes."""
    pattern = "b h w c -> b c h w"
    if array.shape[0] == array.shape[1] <= 3:  # a kernel
        pattern = "i j c d -> d c i j"
    planar = torch.tensor(np.ascontiguousarray(einops.rearrange(array, pattern)))
    return planar.contiguous(memory_format=torch.channels_last)


def main():
    """Run the comparisons."""
    draw = np.random.default_rng(0)
    rows = []
    for side, before, after, size, border in CONVS:
        x = draw.normal(size=(BATCH, side, side, before)).astype(np.float32)
        kernel = draw.normal(size=(size, size, before, after)).astype(np.float32)
        rows.append(
            against_torch(
                f"{before} to {after}, {side}x{side}",
                lambda x, k, border=border: conv(x, k, padding=border),
                lambda x, k, border=border: functional.conv2d(x, k, padding=border),
                x,
                kernel,
            )
        )
    for side, channels in POOLS:
        x = draw.normal(size=(BATCH, side, side, channels)).astype(np.float32)
        rows.append(
            against_torch(
                f"pool, {channels} of {side}x{side}",
                lambda x: ceil_max_pool(x, size=3, stride=2),
                lambda x: functional.max_pool2d(x, 3, 2, ceil_mode=True),
                x,
            )
        )
    save(rows, "layers")


if __name__ == "__main__":
    mesh.start()
    main()
