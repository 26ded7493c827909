"""A prepared data set of 35 random pictures, with or without parts."""

from pathlib import Path

import numpy as np
from PIL import Image

from jaxforensics.data import corpus
from jaxforensics.data.items import Item
from jaxforensics.prepare.dataset import prepare

SIDE = 12
COUNTS = {"real": 20, "began": 10, "pggan": 5}
SPLITS = ["train", "train", "train", "validation", "test"]


def pictures(root, *, parts=False, side=SIDE):
    """Items of random pictures, three fifths of each source for training."""
    rng, items = np.random.default_rng(0), []

    def save(name, *shape):
        path = root / name
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
        return str(path)

    for source, count in COUNTS.items():
        for i in range(count):
            name = f"{source}_{i}.png"
            extra = {}
            if parts and source != "real":
                extra = {
                    "pair": save(f"pair_{name}", side, side, 3),
                    "mask": save(f"mask_{name}", side, side),
                }
            items.append(
                Item(
                    save(name, side, side, 3),
                    int(source != "real"),
                    source,
                    group=f"group {name}",
                    split=SPLITS[i % 5],
                    name=name,
                    **extra,
                )
            )
    return items


def prepare_in(folder, items, **settings):
    settings = {"name": "tiny", "workers": 1, "progress": False} | settings
    return Path(prepare(items, folder / "out", **settings).root)


def opened(root, **settings):
    return corpus.open(root, **({"size": SIDE, "batch_size": 8} | settings))
