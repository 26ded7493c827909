"""AMTEN's claims say what the numbers say."""

import numpy as np
import pytest
from scipy import stats

from jaxforensics.experiments.amten import claims, paper
from jaxforensics.models.amtennet import VARIANTS

COMMONEST = {"Raw": 0.125}


def design(*, seeds=3, **changed):
    """Accuracies on Raw: ablations in the paper's order, AMTENnet above them all."""
    order = sorted(VARIANTS, key=lambda title: paper.ABLATIONS[title]["Raw"])
    levels = {title: 0.5 + 0.04 * place for place, title in enumerate(order)}
    levels |= {"AMTENnet": 0.9, "model_base": 0.8} | changed
    wobble = 0.01 * np.sin(np.arange(seeds))
    return {(title, "Raw"): level + wobble for title, level in levels.items()}


def of_design(accuracies):
    """(measured, verdict) of each row."""
    rows = claims.of_design(accuracies, base="AMTENnet", commonest=COMMONEST)
    return [(float(row["measured"].split()[0]), row["verdict"]) for row in rows]


def test_claims_of_the_design_say_what_the_numbers_say():
    holds = [(0.1, "holds"), (0.1, "holds"), (1.0, "holds")]
    assert of_design(design()) == holds
    order = sorted(VARIANTS, key=lambda title: paper.ABLATIONS[title]["Raw"])
    levels = [design()[title, "Raw"][0] for title in order]
    turned = dict(zip(order, levels[::-1], strict=True))
    assert of_design(design(**turned))[2] == (-1.0, "does not hold")
    worse = of_design(design(AMTENnet=0.7))
    assert worse[0] == (-0.1, "does not hold")


def test_the_best_of_table_6_is_better_than_every_other():
    """The least favourable of nine comparisons decides; nothing without all of them."""

    def best(accuracies):
        rows = claims.of_design(accuracies, base="AMTENnet", commonest=COMMONEST)
        return rows[1]

    row = best(design())
    assert "over model_base" in row["claim"] and row["verdict"] == "holds"
    row = best(design(AMTEN_4=0.95))
    assert "over AMTEN_4" in row["claim"] and row["verdict"] == "does not hold"
    assert row["measured"] == "-0.050 ± 0.000"
    # One that differs much between seeds leaves open which is better.
    unsure = design() | {("AMTEN_4", "Raw"): np.array([0.7, 0.99, 0.8])}
    row = best(unsure)
    assert "over AMTEN_4" in row["claim"] and row["verdict"] == "open"
    del unsure["AMTEN_4", "Raw"]
    rows = claims.of_design(unsure, base="AMTENnet", commonest=COMMONEST)
    assert [row["claim"][:8] for row in rows] == ["AMTENnet", "ablation"]


def test_networks_are_compared_over_the_seeds_that_both_have():
    """Ten seeds against five; seeds are good and bad for both networks alike."""
    seeds = np.random.default_rng(0).normal(0.8, 0.1, 10)
    accuracies = {
        ("AMTENnet", "Raw"): seeds,
        ("model_base", "Raw"): seeds[:5] - 0.01,
        ("model_base, SRM", "Raw"): seeds[:3] - 0.02,
    }
    (row,) = claims.of_design(accuracies, base="AMTENnet", commonest=COMMONEST)
    assert row["measured"] == "0.010 ± 0.000" and row["verdict"] == "holds"
    assert row["seeds above zero"] == "5 of 5"
    (row,) = claims.comparisons(accuracies, {}, {}, base="AMTENnet")["V"]
    assert row["measured"] == "0.020 ± 0.000"
    assert row["seeds above zero"] == "3 of 3"


def test_what_has_not_learned_does_not_carry_the_order_alone():
    """Against scipy on the others, by hand: two neighbours are swapped."""
    rows = of_design(design(AMTENnet_7=0.15, AMTEN_5=0.75, AMTEN_4=0.7))
    with_all, without = rows[2:]
    others = [title for title in VARIANTS if title != "AMTENnet_7"]
    values = [design(AMTEN_5=0.75, AMTEN_4=0.7)[title, "Raw"][0] for title in others]
    printed = [paper.ABLATIONS[title]["Raw"] for title in others]
    expected = stats.spearmanr(values, printed).statistic
    assert without[0] == pytest.approx(expected, abs=5e-4)
    assert with_all[0] != without[0]
    assert len(of_design(design())) == 3  # all have learned: one row


def test_comparisons_are_those_that_the_paper_prints():
    """No claim rests on a network or a set that a table does not have."""
    three = np.array([0.8, 0.81, 0.82])
    identification = {
        ("AMTENnet", "Raw"): three,
        ("AMTENnet", "HQ"): three[:1],
        ("MISLnet", "Raw"): three + 0.1,
        ("MISLnet", "HQ"): three[:1] - 0.1,
        ("MISLnet", "JP-mix"): three,
        ("1-D spectrum", "Raw"): three,
    }
    binary = {("AMTENnet", "Raw"): three, ("Xception", "Raw"): three - 0.1}
    # The paper prints 0.848 for MISLnet and 0.814 for AMTENnet.
    binary |= {("AMTENnet", "ME5"): three, ("MISLnet", "ME5"): three - 0.1}
    decided = claims.comparisons(design(), identification, binary, base="AMTENnet")
    verdicts = {
        table: {row["claim"]: row["verdict"] for row in rows}
        for table, rows in decided.items()
    }
    assert verdicts["VII"] == {
        "Table VII, Raw: AMTENnet beats MISLnet": "does not hold",
        "Table VII, HQ: AMTENnet beats MISLnet": "open",
    }
    assert verdicts["VIII"] == {"Table VIII, Raw: AMTENnet beats Xception": "holds"}
    assert len(verdicts["VI"]) == 9 and "V" not in verdicts
    (line,) = claims.findings(claims.Claims([], decided))
    assert line.endswith("VI: 9, 0, 0; VII: 0, 1, 1; VIII: 1, 0, 0.")


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
    alone = {("AMTENnet", "Raw"): three}
    assert not claims.of_design(alone, base="AMTENnet", commonest=COMMONEST)
    assert not claims.comparisons(alone, alone, {}, base="AMTENnet")
    mixed = {("AMTENnet", "Small", "GB-mix"): three}
    assert not claims.of_mixing(mixed, unseen=("GB-mix",))
