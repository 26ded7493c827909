"""Attacked pictures say in their metadata that they are."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from jaxforensics.files import replacing
from jaxforensics.settings import digest

FIELD = "jaxforensics"


def mark(attack, settings):
    """The text of the mark: "attacked (pgd, 0123456789abcdef); research use, …"."""
    return (
        f"attacked ({attack}, {digest(settings)}); "
        "research use, not an authentic photograph"
    )


def save_attacked(path, pixels, *, attack, settings):
    """Save uint8 RGB (h, w, 3) as a PNG that names the attack.

    Its text field `jaxforensics` reads "attacked (pgd, 0123456789abcdef); research use,
    not an authentic photograph", with the digest of the attack's settings.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise ValueError(f"uint8 (h, w, 3), not {pixels.dtype} {pixels.shape}")
    text = PngInfo()
    text.add_text(FIELD, mark(attack, settings))
    with replacing(path) as partial:
        Image.fromarray(np.asarray(pixels)).save(partial, "PNG", pnginfo=text)


def marked(path):
    """The mark that a picture carries, or ''."""
    try:
        with PngImageFile(path) as image:
            return str(image.info.get(FIELD, ""))
    except SyntaxError:  # Pillow's word for what is no PNG
        return ""
