"""Convolutions, normalisations and residual blocks in numpy, in float64."""

import numpy as np


def correlate(x, kernel, *, padding=0, stride=1, dilation=1):
    """Sums over the kernel's pixels, each a picture moved by as much."""
    kernel = np.float64(kernel)
    size = len(kernel)
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    height, width = (
        (n - dilation * (size - 1) - 1) // stride + 1 for n in x.shape[1:3]
    )
    total = 0.0
    for i in range(size):
        for j in range(size):
            rows = slice(i * dilation, i * dilation + (height - 1) * stride + 1, stride)
            columns = slice(
                j * dilation, j * dilation + (width - 1) * stride + 1, stride
            )
            total = total + x[:, rows, columns] @ kernel[i, j]
    return total


class Reference:
    """Layers of one module in numpy, from its variables."""

    def __init__(self, variables):
        self.params = variables["params"]
        self.stats = variables["batch_stats"]

    def inside(self, name):
        return Reference({"params": self.params[name], "batch_stats": self.stats[name]})

    def normed(self, x, conv, norm, *, size, stride=1, dilation=1):
        x = correlate(
            x,
            self.params[conv]["kernel"],
            padding=dilation * (size // 2),
            stride=stride,
            dilation=dilation,
        )
        mean, var = (np.float64(self.stats[norm][k]) for k in ("mean", "var"))
        scale, bias = (np.float64(self.params[norm][k]) for k in ("scale", "bias"))
        return (x - mean) / np.sqrt(var + 1e-5) * scale + bias

    def block(self, x, *, stride, dilation):
        """A block by its paper's figure: two of 3x3, or 1x1, 3x3, 1x1."""
        sizes = (3, 3) if "conv_3" not in self.params else (1, 3, 1)
        y = x
        for i, size in enumerate(sizes, 1):
            strided = stride if i == sizes.index(3) + 1 else 1
            y = self.normed(
                y,
                f"conv_{i}",
                f"norm_{i}",
                size=size,
                stride=strided,
                dilation=dilation if size == 3 else 1,
            )
            y = np.maximum(y, 0) if i < len(sizes) else y
        if "short" in self.params:
            x = self.normed(x, "short", "short_norm", size=1, stride=stride)
        return np.maximum(x + y, 0)

    def stage(self, x, place, *, stride, dilations):
        """The blocks of a stage, whose first has dilations[0], the others [1]."""
        count = sum(name.startswith(f"stage_{place}_") for name in self.params)
        for i in range(count):
            x = self.inside(f"stage_{place}_{i}").block(
                x, stride=stride if i == 0 else 1, dilation=dilations[min(i, 1)]
            )
        return x
