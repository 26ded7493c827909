"""What FakeLocator's study found, in a few lines for the head of its page."""

from jaxforensics.experiments.common import claims
from jaxforensics.experiments.fakelocator import claims as locator_claims
from jaxforensics.experiments.fakelocator import views
from jaxforensics.experiments.fakelocator.claims import MEAN_MAP
from jaxforensics.reporting import tables


def findings(measured, settings):
    """The map beside constant maps, what the picture has to do with it, verdicts."""
    lines = []
    looks = measured.looks
    if looks is not None:
        pair = settings.looks["trained_on"], settings.looks["test"]
        constants = measured.constants[pair]
        beside = "; ".join(
            f"{name} {summary['cosine_similarity']:.3f}"
            for name, summary in constants.items()
        )
        row, seen = next(iter(looks.rows.items()))
        similarity = seen[views.PLAIN]["cosine_similarity"]
        lines.append(
            f"COSS of maps of {pair[1]} by {row} is {tables.spread(similarity)}; of "
            f"maps that look at nothing: {beside}."
        )
        accuracy = seen[views.PLAIN]
        lines.append(
            f"Fakes recognised {tables.spread(accuracy['fake_accuracy'])}, reals "
            f"{tables.spread(accuracy['real_accuracy'])}; map and score agree "
            f"{tables.spread(accuracy['agreement'])}."
        )
        if similarity.mean() <= constants[MEAN_MAP]["cosine_similarity"]:
            lines.append("The mean training map does as well as the network.")
    return lines + claims.findings(_headlines(measured))


def _headlines(measured):
    """Claims of whether the first row looks, and whether others do where it is shifted.

    The page has all of them.
    """
    if measured.looks is None:
        return []
    first, *others = measured.looks.rows
    beginnings = [f"{first}: "]
    beginnings += [locator_claims.shift_claim(row) for row in others]
    return [
        each
        for each in measured.claims
        if any(each["claim"].startswith(text) for text in beginnings)
    ]
