"""Phases of an enlarged map (its even and odd rows and columns) as channels."""

import einops


def pixel_shuffle(x, factor):
    """Channels laid out as squares of factor x factor pixels, in reading order.

    (..., h, w, factor² c) -> (..., h factor, w factor, c).  Equals
    `plain_pixel_shuffle`; copies are of longer runs.
    """
    channels = x.shape[-1] // factor**2
    # Pixels of a row lie side by side already: only the rows move.
    rows = einops.rearrange(
        x, "... h w (row pixels) -> ... (h row) (w pixels)", row=factor
    )
    return einops.rearrange(rows, "... h (w c) -> ... h w c", c=channels)


def plain_pixel_shuffle(x, factor):
    """The same in one pattern."""
    pattern = "... h w (row column c) -> ... (h row) (w column) c"
    return einops.rearrange(x, pattern, row=factor, column=factor)
