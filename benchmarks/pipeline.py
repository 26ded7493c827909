"""Images a second from storage to device, against PyTorch's DataLoader.

Both decode the same 128x128 JPEG pictures with Pillow, take a random window of 112 and
mirror half of them, in batches of 64.  Ours reads records and puts its batches on the
device; the peer reads files and collates them into a tensor.
"""

import io
import itertools
import tempfile
from pathlib import Path

import numpy as np
from harness import compare, save
from PIL import Image

from jaxforensics.data import corpus
from jaxforensics.prepare import folders
from jaxforensics.prepare.dataset import prepare
from jaxforensics.training import mesh

SIDE = 128  # of the pictures, in pixels
WINDOW = 112
BATCH = 64
PICTURES = 2048
STEPS = 48  # batches in a round
GOAL = 2500  # images a second on the device


def draw(folder):
    """Smooth random pictures with some grain, about 6 kB each as a JPEG file."""
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        pixels = smooth + rng.normal(0, 6, smooth.shape)
        path = folder / ("real", "fake")[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return folder


def our_batches(folder):
    """Endless batches on the device, of records that are prepared first."""
    items = folders.class_folders(folder).items
    root = folder.parent / "prepared"
    report = prepare(
        items, root, name="bench", fractions=(1, 0, 0), workers=1, progress=False
    )
    train = corpus.open(
        report.root,
        size=WINDOW,
        crop=SIDE,
        flip=True,
        batch_size=BATCH,
    ).train
    devices = mesh.data_mesh()
    for batch in train.batches():
        yield mesh.put(batch, devices)


class Files:
    """A map-style PyTorch data set of JPEG files."""

    def __init__(self, folder):
        self.paths = sorted(folder.glob("*/*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        rng = np.random.default_rng(index)
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            pixels = np.asarray(image)
        row, column = rng.integers(0, SIDE - WINDOW, 2, endpoint=True)
        pixels = pixels[row : row + WINDOW, column : column + WINDOW]
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return {"image": pixels.copy(), "label": int(path.parent.name == "fake")}


def peer_batches(folder, workers):
    """Endless batches of PyTorch's loader, on the host."""
    try:
        import torch
    except ImportError:
        raise SystemExit(
            "this needs PyTorch: pip install 'jaxforensics[bench]'"
        ) from None
    torch.set_num_threads(1)  # its pool for collating 64 pictures only costs
    loader = torch.utils.data.DataLoader(
        Files(folder),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,  # JAX has threads
    )
    while True:
        yield from loader


def main():
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = draw(Path(temporary) / "pictures")
        ours = our_batches(folder)

        def consume(batches):
            return lambda: [b["image"] for b in itertools.islice(batches, STEPS)][-1]

        for workers in (0, 2):
            peer = peer_batches(folder, workers)
            row = compare(
                f"decode, crop, flip ({workers} workers)",
                consume(ours),
                consume(peer),
                peer_name=f"torch, {workers} workers",
                goal=1,
                rounds=5,
            )
            peer.close()
            for name in ("ours", "peer"):
                row[f"{name}_per_s"] = 1e3 * STEPS * BATCH / row[f"{name}_ms"]
            print(f"{row['ours_per_s']:,.0f} images/s, torch {row['peer_per_s']:,.0f}")
            rows.append(row)
    fastest = max(row["ours_per_s"] for row in rows)
    verdict = "ok" if fastest >= GOAL else "MISSED"
    print(f"goal {GOAL:,} images/s on the device: {verdict}")
    save(rows, "pipeline")


if __name__ == "__main__":
    main()
