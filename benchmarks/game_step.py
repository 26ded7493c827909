"""One step of TR-Net's game against the same game in PyTorch: 16 pairs at 64x64.

Three discriminators move, each with a gradient penalty, then the generator, float32,
RMSprop, the losses of configs/trnet.py:released; on two CPU devices where there is no
accelerator (JAX_NUM_CPU_DEVICES sets others).  PyTorch's networks start from the same
weights, see the same penalties' interpolations, and must report the same losses; planar
and channels-last memory are both tried, and both are shown.  PyTorch's side is written
with its own layers, as one would; ours computes the same sums in another order where
that is less work (docs/performance.md).
"""

import os
import sys

import jax
import numpy as np
from harness import compare, save, torch_device, training_of

from jaxforensics.methods import trnet
from jaxforensics.ops.residuals import SRM_KERNELS
from jaxforensics.training import mesh

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/game_step.py measures against PyTorch: pip install torch")

BATCH = 16
SIZE = 64  # pixels per side
SOURCES = 4
WIDTHS = 16, 32, 64, 128  # of the generator's stages
WIDTH = 16  # of a critic's first layer
RATE = 5e-4
CUTOFF = 1 / 16
WEIGHTS = {"adversarial": 0.1, "similarity": 0.1, "spectrum": 0.8}
RMSPROP = {"name": "rmsprop", "rate": RATE}
GAME = {
    "sources": SOURCES,
    "views": {"spectral": "power"},
    "generator": {"widths": WIDTHS, "norm": "affine"},
    "critic": {"width": WIDTH},
    "adversarial": "lsgan",
    "penalty": 1.0,
    "similarity": "ssim",
    "regulariser": "log",
    "cutoff": CUTOFF,
    "weights": WEIGHTS,
    "optimiser": RMSPROP,
    "critic_optimiser": RMSPROP,
}

if "JAX_NUM_CPU_DEVICES" not in os.environ:
    jax.config.update("jax_num_cpu_devices", 2)
DEVICE = torch_device(torch)


class Affine(nn.Module):
    """A scale and an offset per channel."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, x):
        """(b, c, h, w) -> (b, c, h, w)."""
        return torch.addcmul(self.bias, x, self.weight)


class Generator(nn.Module):
    """As in `jaxforensics.models.trnet_generator`; layers have the names of ours."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict()
        for i, (before, width) in enumerate(
            zip((3, *WIDTHS), WIDTHS, strict=False), start=1
        ):
            self._stage(before, width, f"down_{i}")
        pairs = zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        for i, (before, width) in enumerate(pairs, start=1):
            self._layer(before, width, 1, f"narrow_{i}")
            self._stage(2 * width, width, f"up_{i}")
        self.layers["rescale"] = nn.Conv2d(WIDTHS[0], 3, 3, stride=2, padding=1)
        self.layers["output"] = nn.Conv2d(3, 3, 1)

    def _stage(self, before, width, name):
        self._layer(before, width, 3, f"{name}_1")
        self._layer(width, width, 3, f"{name}_2")

    def _layer(self, before, width, size, name):
        self.layers[name] = nn.Conv2d(before, width, size, padding=size // 2)
        self.layers[f"{name}_norm"] = Affine(width)

    def _apply_layers(self, x, *names):
        for name in names:
            x = functional.relu(self.layers[name](x), inplace=True)
            x = self.layers[f"{name}_norm"](x)
        return x

    def forward(self, x):
        """(b, 3, h, w) -> (b, 3, h, w), not clipped."""
        kept = []
        for i in range(1, len(WIDTHS) + 1):
            if i > 1:
                x = functional.max_pool2d(x, 2)
            x = self._apply_layers(x, f"down_{i}_1", f"down_{i}_2")
            kept.append(x)
        for i, other in enumerate(kept[-2::-1], 1):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear")
            x = torch.cat([self._apply_layers(x, f"narrow_{i}"), other], 1)
            x = self._apply_layers(x, f"up_{i}_1", f"up_{i}_2")
        x = functional.interpolate(
            x, scale_factor=2, mode="bilinear", align_corners=True
        )
        return torch.tanh(self.layers["output"](self.layers["rescale"](x)))


class Critic(nn.Module):
    """As in `jaxforensics.models.trnet_discriminator`."""

    def __init__(self, view, channels, sources):
        super().__init__()
        self.view = view
        self.layers = nn.ModuleDict()
        widths = [channels, *(min(2**i, 4) * WIDTH for i in range(4))]
        for i, (before, width) in enumerate(
            zip(widths, widths[1:], strict=False), start=1
        ):
            self.layers[f"conv_{i}"] = nn.Conv2d(
                before, width, 4, stride=2, padding=1, bias=i == 1
            )
            if i > 1:
                self.layers[f"norm_{i}"] = nn.GroupNorm(1, width)
        self.layers["real"] = nn.Conv2d(widths[-1], 1, 4)
        if sources:
            self.layers["sources_hidden"] = nn.Linear(16 * widths[-1], 128)
            self.layers["sources"] = nn.Linear(128, sources)

    def features(self, image):
        """(b, 3, h, w) -> (b, c, 4, 4)."""
        x = self.view(image)
        for i in range(1, 5):
            x = self.layers[f"conv_{i}"](x)
            if i > 1:
                x = self.layers[f"norm_{i}"](x)
            x = functional.leaky_relu(x, 0.2, inplace=True)
        return x

    def real(self, features):
        """Logits (b,)."""
        return self.layers["real"](features).flatten()

    def sources(self, features):
        """Logits (b, sources); our maps are flattened with channels last."""
        flat = features.permute(0, 2, 3, 1).flatten(1)
        hidden = functional.leaky_relu(self.layers["sources_hidden"](flat), 0.2)
        return self.layers["sources"](hidden)


def gray(image):
    """BT.601 luma: (b, 3, h, w) -> (b, h, w)."""
    return 0.299 * image[:, 0] + 0.587 * image[:, 1] + 0.114 * image[:, 2]


def log_power(image):
    """Half the DFT's log power of luma: (b, 3, h, w) -> (b, h, w // 2 + 1)."""
    spectrum = torch.fft.rfft2(gray(image))
    return torch.log(spectrum.real**2 + spectrum.imag**2 + 1e-8)


def power_view(image):
    """Log power, all columns: faster than a DFT that returns them all."""
    half = log_power(image)
    mirror = half[..., 1 : SIZE // 2].flip((-2, -1)).roll(1, -2)
    return torch.cat([half, mirror], -1)[:, None]


def residual_view(image):
    """Three SRM residuals of the sum of colours, clipped."""
    total = image.sum(1, keepdim=True)
    return functional.conv2d(total, SRM, padding=2).clamp(-3, 3)


def gaussian(image, radius, sigma):
    """A separable Gaussian within the picture, which gets smaller by the radius."""
    places = torch.arange(-radius, radius + 1.0, device=image.device)
    line = torch.exp(-(places**2) / (2 * sigma**2))
    channels = image.shape[1]
    line = (line / line.sum()).expand(channels, 1, 1, -1)
    image = functional.conv2d(image, line.mT, groups=channels)
    return functional.conv2d(image, line, groups=channels)


def ssim_distance(attacked, image):
    """10 (1 - SSIM) of slightly blurred pictures, from four filterings at once."""
    blurred = (
        gaussian(functional.pad(a, (1,) * 4, "reflect"), 1, 1.0)
        for a in (attacked, image)
    )
    x, y = (functional.pad(a, (5,) * 4, "reflect") for a in blurred)
    # Moments of the sum and the difference: two filterings fewer than of both pictures
    # and their product.
    total = x + y
    difference = x - y
    moments = [total, difference, total * total, difference * difference]
    moments = gaussian(torch.cat(moments, 1), 5, 1.5)
    mean_t, mean_d, square_t, square_d = moments.chunk(4, 1)
    mean_t = mean_t**2
    mean_d = mean_d**2
    variance_t = square_t - mean_t
    variance_d = square_d - mean_d
    c1 = 2 * 0.01**2
    c2 = 2 * 0.03**2
    luminance = (mean_t - mean_d + c1) / (mean_t + mean_d + c1)
    structure = (variance_t - variance_d + c2) / (variance_t + variance_d + c2)
    return 10 * (1 - (luminance * structure).mean())


def profile(image):
    """Mean log power in rings of the high band without their first tenth, in [0, 1]."""
    low = torch.fft.irfft2(torch.fft.rfft2(image) * LOW, s=(SIZE, SIZE))
    power = log_power(image - low).flatten(1) * SHARE
    rings = power.new_zeros(len(power), int(RING.max()) + 1).index_add(1, RING, power)
    rings = rings[:, int(0.1 * rings.shape[1]) :]
    least = rings.amin(1, keepdim=True)
    most = rings.amax(1, keepdim=True)
    return (rings - least) / (most - least).clamp(min=1e-8)


def log_distance(attacked, real):
    """Mean squared distance of profiles."""
    return (profile(attacked) - profile(real)).square().mean()


def _rings():
    """Of every coefficient of the real DFT: gain of the low band, ring and share."""
    rows = np.fft.fftfreq(SIZE, 1 / SIZE)
    columns = np.arange(SIZE // 2 + 1.0)
    squared = rows[:, None] ** 2 + columns**2
    low = np.exp(-squared / (2 * (CUTOFF * SIZE) ** 2))
    ring = np.sqrt(squared).astype(int).ravel()
    weight = np.full(squared.shape, 2.0)
    weight[:, [0, -1]] = 1
    share = weight.ravel() / np.bincount(ring, weight.ravel())[ring]
    arrays = torch.tensor(low).float(), torch.tensor(ring), torch.tensor(share).float()
    return [array.to(DEVICE) for array in arrays]


LOW, RING, SHARE = _rings()
SRM = torch.tensor(np.array(SRM_KERNELS))[:, None].to(DEVICE)
CRITICS = {
    "spatial": (lambda image: image, 3, 0),
    "spectral": (power_view, 1, 0),
    "fingerprint": (residual_view, 3, SOURCES),
}


def load(net, params):
    """Copy our parameters, whose layers have the same names."""
    with torch.no_grad():
        for name, arrays in params.items():
            for leaf, array in arrays.items():
                array = np.array(array)
                target = net.layers[name].weight
                if leaf == "bias":
                    target = net.layers[name].bias
                if array.ndim > 1:  # (k, k, in, out), or (in, out)
                    array = np.moveaxis(array, (-1, -2), (0, 1)).copy()
                target.copy_(torch.tensor(array).reshape(target.shape))
    return net


def tell(critic, name, attacked, batch, between):
    """A critic's losses, and its accuracy if it tells sources apart."""
    features = critic.features(torch.cat([batch["real"], attacked]))
    real, fake = critic.real(features).chunk(2)
    losses = {name: ((real - 1) ** 2).mean() + (fake**2).mean()}
    metrics = {}
    logits = critic.real(critic.features(between))
    (slopes,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
    losses[f"{name}_penalty"] = slopes.square().sum((1, 2, 3)).mean()
    if name == trnet.IDENTIFIES:
        labels = torch.zeros_like(batch["source"]), batch["source"]
        judged = features[:BATCH], critic.features(batch["image"])
        pairs = list(zip(map(critic.sources, judged), labels, strict=True))
        losses["source"] = sum(functional.cross_entropy(*pair) for pair in pairs) / 2
        right = (
            (guess.detach().argmax(1) == label).float().mean() for guess, label in pairs
        )
        metrics["source_accuracy"] = sum(right) / 2
    return sum(losses.values()), losses | metrics


def fool(critics, attacked, batch):
    """The generator's losses."""
    judged = (critic.real(critic.features(attacked)) for critic in critics.values())
    losses = {
        "adversarial": sum(((logits - 1) ** 2).mean() for logits in judged),
        "similarity": ssim_distance(attacked, batch["image"]),
        "spectrum": log_distance(attacked, batch["real"]),
    }
    loss = sum(WEIGHTS[name] * value for name, value in losses.items())
    return loss, losses | {"loss": loss}


def torch_step(params, batch, shares, layout):
    """A function that makes one step and returns what it reports."""
    nets = {name: Critic(*arguments) for name, arguments in CRITICS.items()}
    nets["generator"] = Generator()
    rules = {}
    for name, net in nets.items():
        load(net, params[name]).to(DEVICE, memory_format=layout)
        rules[name] = torch.optim.RMSprop(net.parameters(), lr=RATE)
    generator = nets.pop("generator")
    batch = {name: _tensor(array, layout) for name, array in batch.items()}
    shares = {name: _tensor(share, layout) for name, share in shares.items()}

    def move(name, net, loss, metrics):
        rules[name].zero_grad()
        loss.backward(inputs=list(net.parameters()))  # no other net's
        rules[name].step()
        return {name: float(value.detach()) for name, value in metrics.items()}

    def step():
        attacked = generator(batch["image"])
        metrics = {}
        for name, critic in nets.items():
            between = torch.lerp(batch["image"], batch["real"], shares[name])
            between.requires_grad_()
            loss, losses = tell(critic, name, attacked.detach(), batch, between)
            metrics |= move(name, critic, loss, losses)
        return metrics | move("generator", generator, *fool(nets, attacked, batch))

    return step


def _tensor(array, layout):
    if array.ndim < 4:
        return torch.tensor(array).to(DEVICE)
    planes = torch.tensor(np.moveaxis(array, -1, 1).copy())
    return planes.to(DEVICE, memory_format=layout)


def main():
    """Run the comparison."""
    generator = np.random.default_rng(0)
    pictures = generator.random((2, BATCH, SIZE, SIZE, 3), dtype=np.float32)
    batch = {
        "image": pictures[0],
        "real": pictures[1],
        "source": generator.integers(1, SOURCES, size=BATCH),
        "valid": np.ones(BATCH, np.float32),
    }
    method = trnet.make(**GAME, steps=1000)
    key = jax.random.key(0)
    params, ours = training_of(method, batch, key=key)
    parts = zip(CRITICS, jax.random.split(key, len(CRITICS)), strict=True)
    shares = {
        name: np.array(jax.random.uniform(part, (BATCH, 1, 1, 1)))
        for name, part in parts
    }

    layouts = {
        "torch planar": torch.contiguous_format,
        "torch channels-last": torch.channels_last,
    }
    peers = {name: torch_step(params, batch, shares, x) for name, x in layouts.items()}
    # What the peer has no need to log: how hard each loss pulls at the picture.
    losses = {
        name: value
        for name, value in jax.device_get(ours()).items()
        if not name.startswith(("pull_", "share_"))
    }
    for peer in peers.values():
        theirs = peer()
        assert theirs.keys() == losses.keys(), set(theirs) ^ set(losses)
        for name, value in losses.items():
            np.testing.assert_allclose(theirs[name], value, rtol=1e-3, err_msg=name)
    title = f"TR-Net's game, step, {len(jax.devices())} devices"
    rows = [
        compare(title, ours, peer, peer_name=name, goal=1, row=5)
        for name, peer in peers.items()
    ]
    save(rows, "game_step")


if __name__ == "__main__":
    mesh.start()
    main()
