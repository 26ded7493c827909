"""One training step of AMTENnet against the same network in PyTorch: 64 at 128x128.

Forward, backward and SGD with momentum, float32, on two CPU devices where there is no
accelerator.  PyTorch's network has the same layers and starts from the same weights;
planar and channels-last memory are both tried, and both are shown.
"""

import sys

import jax
import numpy as np
from harness import compare, save, torch_device

from jaxforensics.methods import classifier
from jaxforensics.training import mesh

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError:
    sys.exit("benchmarks/training_step.py measures against PyTorch: pip install torch")

BATCH = 64
SIZE = 128  # pixels per side
CLASSES = 8
RATE = 1e-4
SGD = {"name": "sgd", "rate": RATE, "settings": {"momentum": 0.95}}


class AMTENnet(nn.Module):
    """As in `jaxforensics.models.amtennet`."""

    def __init__(self):
        super().__init__()
        conv = nn.Conv2d
        wide = {"padding": 1}
        self.predictor = conv(3, 3, 3, bias=False, **wide)
        self.first = nn.Sequential(conv(3, 3, 3, **wide), conv(3, 3, 3, **wide))
        self.second = nn.Sequential(conv(6, 6, 3, **wide), conv(6, 6, 3, **wide))
        layers = conv(12, 24, 3, **wide), conv(24, 48, 3), conv(48, 64, 3)
        self.convs = nn.ModuleList([*layers, conv(64, 128, 1)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(n) for n in (24, 48, 64)])
        sizes = 7 * 7 * 128, 300, 300, CLASSES
        pairs = zip(sizes, sizes[1:], strict=False)
        self.head = nn.Sequential(*(nn.Linear(a, b) for a, b in pairs))

    def forward(self, image):
        """(b, 3, h, w) in [0, 1] -> logits."""
        image = 255 * image
        traces = self.predictor(image) - image
        first = torch.cat([self.first(traces), traces], 1)
        x = torch.cat([self.second(first), first], 1)
        for conv, norm in zip(self.convs, [*self.norms, None], strict=True):
            x = functional.relu(functional.max_pool2d(conv(x), 3, 2, ceil_mode=True))
            if norm is not None:
                x = norm(x)
        # Our maps are flattened with channels last.
        return self.head(x.permute(0, 2, 3, 1).flatten(1))


def torch_net(params):
    """The network with our weights, which lie in the order of its modules."""
    net = AMTENnet()
    ours = [params["amten"][f"conv_{i}"] for i in range(1, 6)]
    ours += [params["hfe"][f"conv_{i}"] for i in range(6, 10)]
    theirs = [net.predictor, *net.first, *net.second, *net.convs]
    with torch.no_grad():
        for row, module in zip(ours, theirs, strict=True):
            # (h, w, in, out) -> (out, in, h, w)
            kernel = np.moveaxis(np.array(row["kernel"]), (3, 2), (0, 1))
            module.weight.copy_(torch.tensor(kernel))
            if module.bias is not None:
                module.bias.zero_()
        names = "dense_1", "dense_2", "logits"
        for name, module in zip(names, net.head, strict=True):
            module.weight.copy_(
                torch.tensor(np.array(params["head"][name]["kernel"].T))
            )
            module.bias.zero_()
    return net


def torch_step(params, batch, layout, device):
    net = torch_net(params).to(device, memory_format=layout).train()
    images = torch.tensor(np.moveaxis(batch["image"], -1, 1).copy())
    images = images.to(device, memory_format=layout)
    labels = torch.tensor(batch["source"]).to(device)
    rule = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.95)

    def step():
        rule.zero_grad()
        loss = functional.cross_entropy(net(images), labels)
        loss.backward()
        rule.step()
        return float(loss.detach())

    return step


def main():
    """Run the comparison."""
    generator = np.random.default_rng(0)
    peers_device = torch_device(torch)
    batch = {
        "image": generator.random((BATCH, SIZE, SIZE, 3), dtype=np.float32),
        "source": generator.integers(CLASSES, size=BATCH),
        "valid": np.ones(BATCH, np.float32),
    }
    settings = {"num_classes": CLASSES, "target": "source", "loss": "cross_entropy"}
    method = classifier.make(model="amtennet", optimiser=SGD, steps=1, **settings)
    key = jax.random.key(0)
    devices = mesh.data_mesh()
    state = jax.jit(method.init, out_shardings=mesh.whole(devices))(key, batch)
    step = jax.jit(method.stages[0].step, donate_argnums=1)
    held = [state]  # the state after the last step; the one before is given away
    params = jax.device_get(state.nets["classifier"].params)
    on_device = mesh.put(batch, devices)

    def ours():
        held[0], metrics = step(key, held[0], on_device)
        return metrics["loss"]

    layouts = {
        "torch planar": torch.contiguous_format,
        "torch channels-last": torch.channels_last,
    }
    peers = {
        name: torch_step(params, batch, layout, peers_device)
        for name, layout in layouts.items()
    }
    np.testing.assert_allclose(float(ours()), peers["torch planar"](), rtol=1e-3)
    rows = [
        compare("AMTENnet, step", ours, peer, peer_name=name, goal=1, row=3)
        for name, peer in peers.items()
    ]
    save(rows, "training_step")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)
    mesh.start()
    main()
