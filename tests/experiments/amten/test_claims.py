"""AMTEN's claims say what the numbers say."""

import numpy as np

from jaxforensics.experiments.amten import claims, paper
from jaxforensics.models.amtennet import VARIANTS


def test_claims_of_the_design_say_what_the_numbers_say():
    order = sorted(VARIANTS, key=lambda title: paper.MULTIPLE[title]["Raw"])
    given = {
        ("AMTENnet", "Raw"): np.array([0.9, 0.91, 0.92]),
        ("model_base", "Raw"): np.array([0.8, 0.8, 0.83]),
    }
    given |= {(t, "Raw"): np.full(3, 0.5 + 0.05 * i) for i, t in enumerate(order)}

    def decided(renamed):
        accuracies = {(renamed.get(t, t), name): x for (t, name), x in given.items()}
        rows = claims.of_design(accuracies, base="AMTENnet")
        return [(float(row["measured"].split()[0]), row["verdict"]) for row in rows]

    assert decided({}) == [(0.1, "holds"), (1.0, "holds")]
    turned = dict(zip(order, order[::-1], strict=True))
    assert decided(turned)[1] == (-1.0, "does not hold")
    swapped = {"AMTENnet": "model_base", "model_base": "AMTENnet"}
    assert decided(swapped)[0] == (-0.1, "does not hold")


def test_claims_of_mixing_say_what_the_numbers_say():
    accuracies = {
        ("AMTENnet", "Raw", "GB-mix"): np.array([0.2, 0.3, 0.25]),
        ("AMTENnet", "Raw", "GC-mix"): np.array([0.6, 0.5, 0.55]),
        ("AMTENnet", "Small", "GB-mix"): np.array([0.5, 0.6, 0.55]),
        ("AMTENnet", "Small", "GC-mix"): np.array([0.7, 0.6, 0.68]),
    }
    (row,) = claims.of_mixing(accuracies, unseen=("GB-mix", "GC-mix"))
    assert row["measured"].split()[0] == "0.205" and row["verdict"] == "holds"
    assert not claims.of_mixing(accuracies, unseen=())


def test_claims_rest_on_what_was_trained():
    """Without the network or the set to compare with, there is nothing to decide."""
    three = np.array([0.8, 0.9, 0.8])
    assert not claims.of_design({("AMTENnet", "Raw"): three}, base="AMTENnet")
    mixed = {("AMTENnet", "Small", "GB-mix"): three}
    assert not claims.of_mixing(mixed, unseen=("GB-mix",))
