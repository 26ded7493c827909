"""A training step of FakeLocator against the same in PyTorch: 8 pairs of 64x64.

The network of the embedded study, a U-Net 16 wide with its branch: fakes and their
originals, L1 of the map and cross-entropy of the answer, Adam, float32; on two CPU
devices where there is no accelerator (JAX_NUM_CPU_DEVICES sets others).  PyTorch's
network starts from the same weights and must report the same losses, before a step and
after it.  Planar and channels-last memory are both tried, and both are shown.

Where there is a GPU, also how many pictures a second DeepLabv3 with ResNet-101 learns
from at 224x224 in bfloat16, and which share that is of what the chip could do.
"""

import os
import sys

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from harness import compare, milliseconds, save, torch_device, training_of

from jaxforensics.methods import fakelocator
from jaxforensics.models.vgg import DEVIATION, MEAN
from jaxforensics.training import mesh

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/locator_step.py measures against PyTorch: pip install torch")

PAIRS = 8
SIZE = 64  # pixels per side
WIDTH = 16
LEVELS = 4
BRANCH = {"widths": (64, 32), "dense": (64,)}
RATE = 1e-3
GRAY = 0.299, 0.587, 0.114
REPORTED = "map", "branch", "loss", "accuracy"
LOCATOR = {
    "model": "unet",
    "model_settings": {"width": WIDTH, "levels": LEVELS, "first_logit": -3.0},
    "branch": BRANCH,
    "optimiser": {"name": "adam", "rate": RATE},
}
# The paper's network, on a GPU.
PAPER = {"model": "deeplabv3_resnet101", "model_settings": {"dtype": "bfloat16"}}
PAPER_PAIRS, PAPER_SIZE = 32, 224
# Of dense bfloat16 by the makers' data sheets: (operations, bytes of memory) a second.
CHIPS = {"H200": (989e12, 4.8e12), "H100": (989e12, 3.35e12), "A100": (312e12, 2.0e12)}

if "JAX_NUM_CPU_DEVICES" not in os.environ:
    jax.config.update("jax_num_cpu_devices", 2)
DEVICE = torch_device(torch)


class Pair(nn.Module):
    """As in `jaxforensics.models.unet`."""

    def __init__(self, before, width):
        super().__init__()
        for i, size in ((1, before), (2, width)):
            self.add_module(f"conv_{i}", nn.Conv2d(size, width, 3, 1, 1, bias=False))
            self.add_module(f"norm_{i}", nn.BatchNorm2d(width))

    def forward(self, x):
        """(b, before, h, w) -> (b, width, h, w)."""
        x = functional.relu(self.norm_1(self.conv_1(x)))
        return functional.relu(self.norm_2(self.conv_2(x)))


class UNet(nn.Module):
    """As in `jaxforensics.models.unet`."""

    def __init__(self):
        super().__init__()
        widths = [WIDTH * 2**level for level in range(LEVELS)]
        before = 3
        for level, width in enumerate(widths, 1):
            self.add_module(f"down_{level}", Pair(before, width))
            before = width
        for level in range(LEVELS - 1, 0, -1):
            width = widths[level - 1]
            self.add_module(f"up_{level}", Pair(width + before, width))
            before = width
        self.logits = nn.Conv2d(WIDTH, 1, 1)
        for name, values in {"mean": MEAN, "deviation": DEVIATION}.items():
            channels = torch.tensor(values).reshape(1, 3, 1, 1)
            self.register_buffer(name, channels, persistent=False)

    def forward(self, image):
        """(b, 3, h, w) in [0, 1] -> logits (b, h, w), the encoder's last map."""
        x = (image - self.mean) / self.deviation
        across = []
        for level in range(1, LEVELS + 1):
            if level > 1:
                x = functional.max_pool2d(x, 2)
            x = getattr(self, f"down_{level}")(x)
            across.append(x)
        features = across.pop()
        for level in range(LEVELS - 1, 0, -1):
            near = across.pop()
            x = functional.interpolate(x, near.shape[2:], mode="bilinear")
            x = getattr(self, f"up_{level}")(torch.cat([near, x], 1))
        return self.logits(x)[:, 0], features


class Branch(nn.Module):
    """As in `jaxforensics.models.branch`."""

    def __init__(self):
        super().__init__()
        before = WIDTH * 2 ** (LEVELS - 1)
        for i, width in enumerate(BRANCH["widths"], 1):
            self.add_module(f"conv_{i}", nn.Conv2d(before, width, 3, 1, 1))
            before = width
        side = SIZE // 2**LEVELS  # behind the branch's own pool
        before = before * side**2
        for i, width in enumerate(BRANCH["dense"], 1):
            self.add_module(f"dense_{i}", nn.Linear(before, width))
            before = width
        self.logits = nn.Linear(before, 1)

    def forward(self, x):
        """(b, c, h, w) -> logits (b,)."""
        for i in range(1, len(BRANCH["widths"]) + 1):
            x = functional.relu(getattr(self, f"conv_{i}")(x))
        # Our maps are flattened with channels last.
        x = functional.max_pool2d(x, 2).permute(0, 2, 3, 1).flatten(1)
        for i in range(1, len(BRANCH["dense"]) + 1):
            x = functional.relu(getattr(self, f"dense_{i}")(x))
        return self.logits(x)[:, 0]


def load(net, params):
    """Copy our parameters, whose layers have the same names."""
    modules = dict(net.named_modules())
    with torch.no_grad():
        for path, array in flatten_dict(params, sep=".").items():
            name, _, leaf = path.rpartition(".")
            array = np.array(array)
            if array.ndim == 2:
                array = array.T
            elif array.ndim == 4:
                array = np.moveaxis(array, (3, 2), (0, 1))
            target = modules[name].bias if leaf == "bias" else modules[name].weight
            target.copy_(torch.tensor(array.copy()).reshape(target.shape))
    return net


def torch_step(params, batch, layout):
    """A function that makes one step and returns what it reports."""
    nets = {"locator": UNet(), "branch": Branch()}
    for role, net in nets.items():
        load(net, params[role]).to(DEVICE, memory_format=layout).train()
    weights = [weight for net in nets.values() for weight in net.parameters()]
    rule = torch.optim.Adam(weights, lr=RATE)

    def planes(name):
        array = torch.tensor(np.moveaxis(batch[name], -1, 1).copy())
        return array.to(DEVICE, memory_format=layout)

    fake, real = planes("image"), planes("real")
    gray = torch.tensor(GRAY, device=DEVICE).reshape(1, 3, 1, 1)

    def step():
        target = ((fake - real).abs() * gray).sum(1)
        targets = torch.cat([target, torch.zeros_like(target)])
        label = torch.cat([torch.ones(PAIRS), torch.zeros(PAIRS)]).to(DEVICE)
        logits, features = nets["locator"](torch.cat([fake, real]))
        answers = nets["branch"](features)
        of_map = (torch.sigmoid(logits) - targets).abs().mean()
        of_branch = functional.binary_cross_entropy_with_logits(answers, label)
        loss = of_map + of_branch
        rule.zero_grad()
        loss.backward()
        rule.step()
        accuracy = ((answers > 0) == (label > 0)).float().mean()
        values = of_map, of_branch, loss, accuracy
        return dict(zip(REPORTED, [float(x.detach()) for x in values], strict=True))

    return step


def pairs_of(count, size):
    """Random pictures with a changed patch, and their originals."""
    generator = np.random.default_rng(0)
    original = generator.random((count, size, size, 3), dtype=np.float32)
    image = original.copy()
    patch = slice(size // 4, size // 2)
    image[:, patch, patch] = 0.5 * image[:, patch, patch]
    return {
        "image": image,
        "real": original,
        "label": np.ones(count, np.int32),
        "source": np.ones(count, np.int32),
        "valid": np.ones(count, np.float32),
    }


def roofline_share(*, pairs=PAPER_PAIRS, size=PAPER_SIZE, settings=PAPER, rounds=10):
    """Print how fast the paper's network learns on this chip, beside its limits."""
    batch = pairs_of(pairs, size)
    method = fakelocator.make(**settings, steps=1000)
    state = jax.eval_shape(method.init, jax.random.key(0), batch)
    step = method.stages[0].step
    # Of the program as it is written: what a backend calls libraries for counts too.
    lowered = jax.jit(step).lower(jax.random.key(0), state, batch)
    operations = lowered.cost_analysis()["flops"]

    _, make_step = training_of(method, batch, key=jax.random.key(0))
    for _ in range(3):
        milliseconds(make_step)
    taken = np.median([milliseconds(make_step) for _ in range(rounds)])
    print(
        f"{settings['model']} {size}x{size}: {taken:.1f} ms for {2 * pairs} pictures, "
        f"{2e3 * pairs / taken:.0f} a second, {1e-12 * operations:.2f} Tflop a step"
    )
    chip = jax.devices()[0].device_kind
    for name, (peak, bandwidth) in CHIPS.items():
        if name in chip:
            # Weights, gradients and Adam's two moments are read and written at least.
            weights = sum(leaf.size for leaf in jax.tree.leaves(state.nets))
            limit = 1e3 * max(operations / peak, 2 * 4 * weights / bandwidth)
            print(f"{name}: {limit:.1f} ms at the least, {limit / taken:.0%} of it")


def main():
    """Run the comparison."""
    batch = pairs_of(PAIRS, SIZE)
    method = fakelocator.make(**LOCATOR, steps=1000)
    params, ours = training_of(method, batch, key=jax.random.key(0))
    layouts = {
        "torch planar": torch.contiguous_format,
        "torch channels-last": torch.channels_last,
    }
    peers = {name: torch_step(params, batch, x) for name, x in layouts.items()}
    # The second losses are those after one step from the same weights.
    for _ in range(2):
        reported = jax.device_get(ours())
        for peer in peers.values():
            theirs = peer()
            for name in REPORTED:
                np.testing.assert_allclose(
                    theirs[name], reported[name], rtol=2e-3, err_msg=name
                )
    title = f"locator, step, {len(jax.devices())} devices"
    rows = [
        compare(title, ours, peer, peer_name=name, goal=1 / 1.1, row=3)
        for name, peer in peers.items()
    ]
    save(rows, "locator_step")
    if jax.default_backend() == "gpu":
        roofline_share()


if __name__ == "__main__":
    mesh.start()
    main()
