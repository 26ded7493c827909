"""What FakeLocator's study found, in a few lines for the head of its page."""

from jaxforensics.experiments.common import claims
from jaxforensics.experiments.fakelocator import views
from jaxforensics.experiments.fakelocator.claims import MEAN_MAP
from jaxforensics.reporting import tables

HEADLINES = 7  # claims of whether the locator looks; the page has all of them


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
        similarity = looks.views[views.PLAIN]["cosine_similarity"]
        lines.append(
            f"COSS of maps of {pair[1]} is {tables.spread(similarity)}; of maps that "
            f"look at nothing: {beside}."
        )
        accuracy = looks.views[views.PLAIN]
        lines.append(
            f"Fakes recognised {tables.spread(accuracy['fake_accuracy'])}, reals "
            f"{tables.spread(accuracy['real_accuracy'])}; map and score agree "
            f"{tables.spread(accuracy['agreement'])}."
        )
        if similarity.mean() <= constants[MEAN_MAP]["cosine_similarity"]:
            lines.append("The mean training map does as well as the network.")
    return lines + claims.findings(measured.claims[:HEADLINES])
