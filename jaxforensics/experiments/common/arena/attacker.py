"""An attack carried out over a split: pictures as a saved file would hold them.

It stands apart from the graph, so that what attacked sets are made by, and are made
again for when it changes, is this file and the attack.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation import quality
from jaxforensics.ops.color import to_float
from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

OUTPUTS = ("image", "psnr", "ssim")
COPIED = ("index", "source")  # columns of the batches that say which picture it was


class Attacker:
    """An attack in the place of a predictor: `Workspace.predict` gathers and caches it.

    `attack` is (key, image, label) -> image.  `digest` identifies it, and `notice`, its
    mark, is stored beside the pictures.
    """

    def __init__(self, attack, key, mesh, *, digest, notice):
        self._attack = attack
        self._key = key
        self._mesh = mesh
        self.digest = digest
        self.notice = notice

    def over(self, batches, *, outputs):
        """{'image' (8 bits), 'psnr', 'ssim', 'index', 'source'}: a row per picture.

        Rows that only pad the last batch are left out.
        """
        parts = []
        for _, batch in ahead(batches, self._mesh):
            # Random numbers follow from the batch, however many came before it.
            key = jax.random.fold_in(self._key, batch["index"][0])
            image = meshes.floats(batch)["image"]
            columns = _saved(image, self._attack(key, image, batch["label"]))
            columns |= {name: batch[name] for name in (*COPIED, "valid")}
            parts.append({k: meshes.fetch(column) for k, column in columns.items()})
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        valid = whole["valid"] > 0
        return {k: whole[k][valid] for k in (*outputs, *COPIED)}


@jax.jit
def _saved(image, attacked):
    """Attacked pictures in 8 bits, and how much like the given ones they are."""
    pixels = jnp.round(255 * jnp.clip(attacked, 0, 1)).astype(jnp.uint8)
    # Likeness is that of the file: what rounding does to the picture counts too.
    stored = to_float(pixels)
    return {
        "image": pixels,
        "psnr": quality.psnr(stored, image),
        "ssim": quality.ssim(stored, image),
    }
