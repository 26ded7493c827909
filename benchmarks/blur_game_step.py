"""One step of the adversarial game against the same game in PyTorch: 32 at 64x64.

Two generators move, of reals and of fakes, then the detector learns from pictures and
from their blurs (Two-Gen-BAT), float32, RAdam: the sizes of the embedded study, an
EfficientNet-B0 of half the width and generators of width 16; on two CPU devices where
there is no accelerator (JAX_NUM_CPU_DEVICES sets others).  PyTorch's networks start
from the same weights and must report the same losses; its blur unfolds patches, as the
released code's does, and all else are its own layers.  Planar and channels-last memory
are both tried, and both are shown.
"""

import os
import sys

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from harness import compare, save, torch_device, training_of

from jaxforensics.methods import adversarial_game
from jaxforensics.models import efficientnet
from jaxforensics.training import mesh

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/blur_game_step.py measures against PyTorch: pip install torch")

BATCH = 32
SIZE = 64  # pixels per side
WINDOW = 9  # of the blur
WIDTH = 16  # of a generator
BLOCKS = 3
SHRINK = 0.5
RATES = {"detector": 5e-4, "generator": 2e-3}
# In reports of a step, by both: what it is compared by.
REPORTED = ("generator_loss", "map_deviation", "loss", "changed", "accuracy")
GAME = {
    "model": "efficientnet_b0",
    "model_settings": {
        "shrink": SHRINK,
        "stem_stride": 1,
        "padding": "symmetric",
        "norm_momentum": 0.9,
    },
    "num_classes": 2,
    "adversary": "two_generators",
    "generator": {"width": WIDTH, "blocks": BLOCKS, "size": WINDOW, "in_turn": True},
    "optimiser": {"name": "radam", "rate": RATES["detector"]},
    "generator_optimiser": {"name": "radam", "rate": RATES["generator"]},
}

if "JAX_NUM_CPU_DEVICES" not in os.environ:
    jax.config.update("jax_num_cpu_devices", 2)
DEVICE = torch_device(torch)


class Net(nn.Module):
    """Layers by the names that ours have, joined by "/"."""

    def __init__(self, epsilon):
        super().__init__()
        self.layers = nn.ModuleDict()
        self.epsilon = epsilon

    def add_conv(self, name, before, width, size, *, padding, stride=1, groups=1):
        """A convolution without bias, and its normalisation."""
        self.layers[name] = nn.Conv2d(
            before, width, size, stride, padding, groups=groups, bias=False
        )
        self.add_norm(name, width)

    def add_norm(self, name, width):
        """The normalisation behind a layer."""
        self.layers[f"{name}_norm"] = nn.BatchNorm2d(width, self.epsilon, 0.1)

    def normalised(self, x, name):
        """A layer and its normalisation."""
        return self.layers[f"{name}_norm"](self.layers[name](x))


class Generator(Net):
    """As in `jaxforensics.models.blur_generator`."""

    def __init__(self):
        super().__init__(1e-5)
        self.add_conv("first", 3, WIDTH, 7, padding=0)
        for i in (1, 2):
            before = 2 ** (i - 1) * WIDTH
            self.add_conv(f"down_{i}", before, 2 * before, 3, padding=1, stride=2)
        for i in range(1, BLOCKS + 1):
            for j in (1, 2):
                self.add_conv(f"block_{i}_{j}", 4 * WIDTH, 4 * WIDTH, 3, padding=0)
        for i in (1, 2):
            width = 2 ** (2 - i) * WIDTH
            self.layers[f"up_{i}"] = nn.ConvTranspose2d(
                2 * width, width, 3, 2, padding=1, output_padding=1, bias=False
            )
            self.add_norm(f"up_{i}", width)
        self.layers["map"] = nn.Conv2d(WIDTH, 1, 7)

    def forward(self, image):
        """(b, 3, h, w) in [0, 1] -> (b, h, w)."""
        x = functional.pad(2 * image - 1, (3,) * 4, "reflect")
        x = functional.relu(self.normalised(x, "first"))
        for i in (1, 2):
            x = functional.relu(self.normalised(x, f"down_{i}"))
        for i in range(1, BLOCKS + 1):
            y = functional.pad(x, (1,) * 4, "reflect")
            y = functional.relu(self.normalised(y, f"block_{i}_1"))
            y = functional.pad(y, (1,) * 4, "reflect")
            x = x + self.normalised(y, f"block_{i}_2")
        for i in (1, 2):
            x = functional.relu(self.normalised(x, f"up_{i}"))
        return self.layers["map"](functional.pad(x, (3,) * 4, "reflect"))[:, 0]


class Detector(Net):
    """As in `jaxforensics.models.efficientnet`."""

    def __init__(self):
        super().__init__(1e-3)
        stages, stem, head = efficientnet.widths("b0", shrink=SHRINK)
        self.add_conv("stem", 3, stem, 3, padding=1)
        # (name, whether it is wider inside, whether it adds its input)
        self.blocks = []
        before = stem
        for place, stage in enumerate(stages, 1):
            for i in range(stage.repeats):
                name = f"block_{place}_{i}"
                stride = stage.stride if i == 0 else 1
                self._add_block(name, before, stage, stride)
                adds = stride == 1 and before == stage.width
                self.blocks.append((name, stage.expansion > 1, adds))
                before = stage.width
        self.add_conv("head", before, head, 1, padding=0)
        self.layers["logits"] = nn.Linear(head, 2)

    def _add_block(self, name, before, stage, stride):
        width = before * stage.expansion
        if stage.expansion > 1:
            self.add_conv(f"{name}/expand", before, width, 1, padding=0)
        self.add_conv(
            f"{name}/depthwise",
            width,
            width,
            stage.size,
            padding=stage.size // 2,
            stride=stride,
            groups=width,
        )
        narrow = max(1, int(before * efficientnet.ATTENTION))
        self.layers[f"{name}/attention/reduce"] = nn.Linear(width, narrow)
        self.layers[f"{name}/attention/expand"] = nn.Linear(narrow, width)
        self.add_conv(f"{name}/project", width, stage.width, 1, padding=0)

    def forward(self, image):
        """(b, 3, h, w) in [0, 1] -> logits (b, 2)."""
        x = functional.silu(self.normalised(2 * image - 1, "stem"))
        for name, is_wider, adds in self.blocks:
            y = x
            if is_wider:
                y = functional.silu(self.normalised(y, f"{name}/expand"))
            y = functional.silu(self.normalised(y, f"{name}/depthwise"))
            attention = self.layers[f"{name}/attention/reduce"](y.mean((2, 3)))
            attention = self.layers[f"{name}/attention/expand"](
                functional.silu(attention)
            )
            y = y * torch.sigmoid(attention)[:, :, None, None]
            y = self.normalised(y, f"{name}/project")
            x = x + y if adds else y
        x = functional.silu(self.normalised(x, "head"))
        return self.layers["logits"](x.mean((2, 3)))


def load(net, params):
    """Copy our parameters, whose layers have the same names."""
    with torch.no_grad():
        for path, array in flatten_dict(params, sep="/").items():
            name, _, leaf = path.rpartition("/")
            layer = net.layers[name]
            array = np.array(array)
            if array.ndim == 2:
                array = array.T
            elif isinstance(layer, nn.ConvTranspose2d):
                # (k, k, in, out) -> (in, out, k, k), and turned around.
                array = np.moveaxis(array, (2, 3), (0, 1))[..., ::-1, ::-1]
            elif array.ndim == 4:
                array = np.moveaxis(array, (3, 2), (0, 1))
            target = layer.bias if leaf == "bias" else layer.weight
            target.copy_(torch.tensor(array.copy()).reshape(target.shape))
    return net


def blurred(image, precision):
    """Every pixel by its own Gaussian: (b, 3, h, w), (b, h, w) -> (b, 3, h, w)."""
    radius = WINDOW // 2
    line = torch.arange(-radius, radius + 1.0, device=image.device)
    square = (line[:, None] ** 2 + line**2).reshape(1, -1, 1, 1)
    weights = torch.exp(-0.5 * square * precision[:, None])
    weights = weights / weights.sum(1, keepdim=True)
    patches = functional.unfold(functional.pad(image, (radius,) * 4, "reflect"), WINDOW)
    patches = patches.view(len(image), 3, WINDOW**2, *image.shape[2:])
    return (patches * weights[:, None]).sum(2)


def precisions(output):
    """Squares, rescaled to their root mean square."""
    square = output.square()
    mean = square.square().mean((1, 2), keepdim=True)
    return adversarial_game.RMS * square / mean.clamp(min=1e-12).sqrt()


def torch_step(params, batch, layout):
    """A function that makes one step and returns what it reports."""
    roles = {"real_generator": 0, "fake_generator": 1}
    nets = {role: Generator() for role in roles} | {"detector": Detector()}
    rules = {}
    for name, net in nets.items():
        load(net, params[name]).to(DEVICE, memory_format=layout)
        rate = RATES["detector" if name == "detector" else "generator"]
        rules[name] = torch.optim.RAdam(net.parameters(), lr=rate)
    detector = nets["detector"]
    planes = torch.tensor(np.moveaxis(batch["image"], -1, 1).copy())
    image = planes.to(DEVICE, memory_format=layout)
    label = torch.tensor(batch["label"].astype(np.int64)).to(DEVICE)

    def move(name, loss):
        rules[name].zero_grad()
        loss.backward(inputs=list(nets[name].parameters()))  # no other net's
        rules[name].step()

    def blur_by(role, own):
        net = nets[role].train()
        maps = precisions(net(image[own]))
        changed = blurred(image[own], maps)
        losses = functional.cross_entropy(
            detector(changed), label[own], reduction="none"
        )
        move(role, -losses.mean())
        deviation = maps.std((1, 2), correction=0) / maps.mean((1, 2))
        return changed.detach(), losses.detach(), deviation.detach()

    def step():
        detector.eval()
        changed = torch.empty_like(image)
        losses = torch.empty(len(image), device=DEVICE)
        deviations = torch.empty(len(image), device=DEVICE)
        for role, own_label in roles.items():
            own = label == own_label
            changed[own], losses[own], deviations[own] = blur_by(role, own)
        detector.train()
        logits = detector(torch.cat([image, changed]))
        clean, attacked = (
            functional.cross_entropy(part, label) for part in logits.chunk(2)
        )
        loss = 0.5 * clean + 0.5 * attacked
        move("detector", loss)
        right = logits[: len(image)].argmax(1) == label
        reported = (
            losses.mean(),
            deviations.mean(),
            loss,
            attacked,
            right.float().mean(),
        )
        values = [float(value.detach()) for value in reported]
        return dict(zip(REPORTED, values, strict=True))

    return step


def main():
    """Run the comparison."""
    generator = np.random.default_rng(0)
    batch = {
        "image": generator.random((BATCH, SIZE, SIZE, 3), dtype=np.float32),
        "label": np.arange(BATCH, dtype=np.int32) % 2,  # in turn, as in training
        "valid": np.ones(BATCH, np.float32),
    }
    method = adversarial_game.make(**GAME, steps=1000)
    params, ours = training_of(method, batch, key=jax.random.key(0))

    layouts = {
        "torch planar": torch.contiguous_format,
        "torch channels-last": torch.channels_last,
    }
    peers = {name: torch_step(params, batch, x) for name, x in layouts.items()}
    reported = jax.device_get(ours())
    for peer in peers.values():
        theirs = peer()
        assert theirs.keys() == reported.keys(), set(theirs) ^ set(reported)
        for name, value in reported.items():
            np.testing.assert_allclose(theirs[name], value, rtol=1e-3, err_msg=name)
    title = f"adversarial game, step, {len(jax.devices())} devices"
    rows = [
        compare(title, ours, peer, peer_name=name, goal=1, row=3)
        for name, peer in peers.items()
    ]
    save(rows, "blur_game_step")


if __name__ == "__main__":
    mesh.start()
    main()
