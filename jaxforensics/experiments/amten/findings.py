"""What AMTEN's study found, in a few lines for the head of its page."""

from jaxforensics.experiments.amten import claims
from jaxforensics.experiments.amten.settings import LABEL, SOURCE
from jaxforensics.reporting import tables

TRIVIAL = "spectrum_linear"  # the model that everything has to beat


def findings(measured, settings):
    """Verdicts of the claims, and accuracies with the trivial baseline beside them."""
    lines = claims.findings(measured.claims)
    accuracies = measured.identification or measured.design
    if accuracies:
        first_set, per_seed = _first_set(accuracies)
        commonest = measured.commonest[first_set][SOURCE]
        title = _headline(per_seed, settings)
        lines.append(
            f"{title} names the source of a picture with accuracy "
            f"{tables.spread(per_seed[title])} on {first_set} (always the commonest: "
            f"{commonest:.3f})."
        )
        lines += _beside(title, per_seed, settings)
    if measured.binary:
        first_set, per_seed = _first_set(measured.binary)
        commonest = measured.commonest[first_set][LABEL]
        title = _headline(per_seed, settings)
        line = (
            f"{title} tells real from fake with accuracy "
            f"{tables.spread(per_seed[title])} on {first_set} (always the commonest: "
            f"{commonest:.3f})."
        )
        lines.append(" ".join([line, *_beside(title, per_seed, settings)]))
    return lines


def _first_set(accuracies):
    """The first set of {(title, trained on): Accuracy}; {title: values per seed} on it.

    That is the set of pictures as they are, in all presets.
    """
    first_set = next(trained_on for _, trained_on in accuracies)
    per_seed = {
        title: accuracy.per_seed
        for (title, trained_on), accuracy in accuracies.items()
        if trained_on == first_set
    }
    return first_set, per_seed


def _headline(per_seed, settings):
    """The paper's network; where it was not trained, the best one."""
    if settings.base in per_seed:
        return settings.base
    return _best(per_seed)


def _beside(headline, per_seed, settings):
    """A line on the best other network and the trivial baseline, if there are any."""
    trivial = [t for t in per_seed if settings.models[t]["model"] == TRIVIAL]
    others = {t: v for t, v in per_seed.items() if t not in (headline, *trivial)}
    parts = []
    if others:
        best = _best(others)
        parts.append(f"{best}, the best other network, {tables.spread(others[best])}")
    for title in trivial:
        accuracy = tables.spread(per_seed[title])
        parts.append(f"{title}, the trivial baseline, {accuracy}")
    if not parts:
        return []
    return [f"Beside it: {'; '.join(parts)}."]


def _best(per_seed):
    return max(per_seed, key=lambda title: per_seed[title].mean())
