"""An attack carried out over a split: pictures as a saved file would hold them.

It stands apart from the graph, so that what attacked sets are made by, and are made
again for when it changes, is this file and the attack.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxforensics.evaluation import quality
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.ops.color import to_float
from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

OUTPUTS = ("image", "psnr", "ssim")
COPIED = ("index", "source")  # columns of the batches that say which picture it was


class Attacker:
    """An attack in the place of a predictor: `Workspace.predict` gathers and caches it.

    `attack` is (key, image, label) -> image.  With `psnr`, {index: dB}, it is instead
    what makes such an attack, of the `psnr` (b,) that each picture of a batch is to
    have.  `digest` identifies it, and `notice`, its mark, is stored with the pictures.
    """

    def __init__(self, attack, key, mesh, *, digest, notice, psnr=None):
        self._attack = attack
        self._key = key
        self._mesh = mesh
        self._psnr = psnr
        # What is stored names the code that an object holds: here it holds the attack
        # itself, not only who makes it.
        self._held = attack if psnr is None else attack(psnr=np.inf)
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
            copied = {k: meshes.fetch(batch[k]) for k in (*COPIED, "valid")}
            attack = self._attack
            if self._psnr is not None:
                attack = attack(psnr=self._wanted(copied))
            columns = _saved(image, attack(key, image, batch["label"]))
            parts.append({k: meshes.fetch(v) for k, v in columns.items()} | copied)
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        valid = whole["valid"] > 0
        return {k: whole[k][valid] for k in (*outputs, *COPIED)}

    def _wanted(self, columns):
        """The PSNR that each picture of a batch is to have; padding stays as it is."""
        return np.float32(
            [
                self._psnr[int(index)] if valid else np.inf
                for index, valid in zip(columns["index"], columns["valid"], strict=True)
            ]
        )


def fake_logit(logits, *, reals):
    """A victim's answer as one logit of P(fake): (b, h, w, 3) -> (b, 1).

    `logits` (b, h, w, 3) -> (b, classes) is a `Partial`, `reals` are the classes that
    are not fakes.  Victims of one architecture share what is compiled.
    """
    return Partial(_fakeness_of(tuple(reals)), logits)


def psnr_by_index(columns):
    """{index: PSNR in dB} of attacked pictures, of columns as `Attacker` gives them."""
    indices = columns["index"].tolist()
    return dict(zip(indices, columns["psnr"].tolist(), strict=True))


@lru_cache  # a new function would be compiled anew
def _fakeness_of(reals):
    def logit(logits, image):
        return fakeness(logits(image), reals=reals)[:, None]

    return logit


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
