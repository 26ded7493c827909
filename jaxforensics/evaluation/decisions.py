"""What a score says: fake, real, or neither.

Scores rise with P(fake).  These functions run on the host, on finished scores; where a
threshold comes from is `calibration`'s business.
"""

import numpy as np

from jaxforensics.evaluation.rows import refuse_nan

REAL, INCONCLUSIVE, FAKE = "real", "inconclusive", "fake"


def taken_for_fake(scores, threshold):
    """Whether each score says fake: `score >= threshold`, (n,) -> bools (n,).

    ValueError for NaN scores: those say nothing, and would all pass for real.
    """
    scores = np.asarray(scores)
    refuse_nan(scores)
    return scores >= threshold


def verdicts(scores, *, real_below, fake_from):
    """What each score says: 'real', 'inconclusive' or 'fake', (n,) -> texts (n,).

    Real below `real_below`, fake from `fake_from` on, and inconclusive between the two;
    of equal thresholds each score says something, as `taken_for_fake` does.
    """
    if not real_below <= fake_from:  # NaN thresholds too
        raise ValueError(
            f"real_below must not exceed fake_from, got {real_below} and {fake_from}"
        )
    is_fake = taken_for_fake(scores, fake_from)
    is_real = ~taken_for_fake(scores, real_below)
    return np.select([is_fake, is_real], [FAKE, REAL], INCONCLUSIVE)


def fakeness(logits, *, reals=(0,)):
    """How far the likeliest fake class lies above the likeliest real one, (b,).

    Logits (b, classes), of which those in `reals` are not fakes; logits (b, 1) of
    P(fake) are returned as they are.  Above zero the picture is taken for fake.  For
    arrays of numpy and, also under jit, of jax.
    """
    classes = logits.shape[-1]
    if classes == 1:
        return logits[:, 0]
    is_real = np.isin(np.arange(classes), reals)
    if is_real.all() or not is_real.any():
        raise ValueError(
            f"of {classes} classes {sorted(reals)} are real: there must be both"
        )
    return logits[:, ~is_real].max(-1) - logits[:, is_real].max(-1)
