"""What is claimed by TR-Net's paper, decided by given numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_arena

from jaxforensics.experiments.common import claims as deciding
from jaxforensics.experiments.trnet import claims
from jaxforensics.experiments.trnet.measure import Accuracies

SEEDS = np.arange(3)
FAKE = {"Xception": 0.93, "Patch-CNN": 0.97, "DCTA": 0.92}
AFTER = {
    "PGD": {"Xception": 0.1, "Patch-CNN": 0.3, "DCTA": 0.8},
    "TR-Net": {"Xception": 0.2, "Patch-CNN": 0.3, "DCTA": 0.4},
}


def claimed(fake, after, *, follows, psnr=31):
    """[(mean of what is measured, verdict)] of all claims about victims and attacks.

    `fake` {victim: accuracy}, `after` {attack: {victim: accuracy}}, which rises by 0.01
    from seed to seed.
    """
    accuracies = {
        (victim, attack): Accuracies(
            real=np.full(3, 0.95),
            fake=np.full(3, fake[victim]),
            attacked=after[attack][victim] + 0.01 * SEEDS,
        )
        for victim in fake
        for attack in after
    }
    followed = {"PGD": follows, "TR-Net": ""}
    rows = [
        *claims.about_victims(accuracies),
        *claims.about_attacks(accuracies, follows=followed, psnr=[psnr] * 3),
    ]
    return [(float(row["measured"].split(" ")[0]), row["verdict"]) for row in rows]


def test_claims_say_what_the_numbers_say():
    rows = claimed(FAKE, AFTER, follows="Xception")
    assert [verdict for _, verdict in rows] == ["holds"] * 7
    falls = 0.83 - 0.67, 0.67 - 0.12  # of PGD: Xception's, Patch-CNN's, DCTA's
    expected = 0.03, 0.05, 0.02, 0.94 - 0.31 - 0.3, 1, *falls
    np.testing.assert_allclose([value for value, _ in rows], expected, atol=1e-3)


def test_claims_that_do_not_hold():
    after = {"PGD": {"Xception": 0.5, "Patch-CNN": 0.8, "DCTA": 0.1}}
    after["TR-Net"] = dict.fromkeys(FAKE, 0.9)
    rows = claimed(FAKE, after, follows="Xception", psnr=29)
    assert [verdict for _, verdict in rows[3:]] == ["does not hold"] * 4
    patches = claimed(FAKE, AFTER, follows="Patch-CNN")
    assert len(patches) == 6  # what follows Patch-CNN does not transfer to it
    assert patches[-1] == (pytest.approx(0.67 - 0.83, abs=1e-3), "does not hold")


def test_attacks_are_judged_by_sound_victims():
    rows = claimed(FAKE | {"DCTA": 0.8}, AFTER, follows="Xception")
    values, verdicts = zip(*rows, strict=True)
    assert verdicts == ("holds", "holds", "does not hold", "holds", "holds", "holds")
    falls = 0.73 + 0.67 - 0.02, 0.83 - 0.67  # of Xception and Patch-CNN
    expected = falls[0] / 2 - 0.3, 1, falls[1]
    np.testing.assert_allclose(values[3:], expected, atol=1e-3)
    rows = claimed(dict.fromkeys(FAKE, 0.8), AFTER, follows="Xception")
    assert [verdict for _, verdict in rows] == ["does not hold"] * 3 + ["holds"]


def test_removal_is_more_than_noise_of_its_psnr():
    """Of each sound victim and on average, paired by seed; Patch-CNN is not sound."""
    after = {
        "TR-Net": {"DCTA": [0.3, 0.5, 0.4], "F3-Net": [0.5, 0.7, 0.6]},
        "Equal noise": {"DCTA": [0.41, 0.61, 0.5], "F3-Net": [0.4, 0.6, 0.5]},
    }
    accuracies = {
        (victim, attack): Accuracies(np.full(3, 0.95), np.full(3, 0.93), np.array(per))
        for attack, by_victim in after.items()
        for victim, per in by_victim.items()
    }
    unsound = Accuracies(np.full(3, 0.5), np.full(3, 0.93), np.zeros(3))
    accuracies |= {("Patch-CNN", attack): unsound for attack in after}
    rows = claims.about_attacks(
        accuracies, follows=dict.fromkeys(after), psnr=[], control="Equal noise"
    )
    assert [
        (row["claim"].split(" fakes ")[1][:12], row["verdict"]) for row in rows
    ] == [
        ("of DCTA by m", "holds"),
        ("of F3-Net by", "does not hold"),
        ("on average (", "open"),
    ]
    # Seeds differ by twenty points, what is paired by one.
    assert [row["measured"] for row in rows[:2]] == ["0.107 ± 0.006", "-0.100 ± 0.000"]
    assert "on average (DCTA, F3-Net) by more than noise of its own" in rows[2]["claim"]
    without = claims.about_attacks(accuracies, follows=dict.fromkeys(after), psnr=[])
    assert without == []


def test_the_control_is_the_attack_that_equals_the_remover():
    attacks = {
        "Noise": {"attack": "noise"},
        "As loud": {"attack": "noise_of_psnr", "equals": "TR-Net"},
    }
    assert claims.control(tiny_arena.settings(attacks=attacks)) == "As loud"
    assert claims.control(tiny_arena.settings()) == ""


def test_what_follows_each_victim_itself_is_transferred_to_none():
    rows = claimed(FAKE, AFTER, follows="itself")
    assert len(rows) == 3 + 2  # of victims, and of removal


def test_less_is_asked_of_fingerprints():
    """NF recognises 0.79 and 0.71 in the paper."""
    nf = Accuracies(np.array([0.8, 0.7]), np.array([0.75, 0.8]), np.zeros(2))
    accuracies = {("NF", "PGD"): nf, ("DCTA", "PGD"): nf}
    by_victim = claims.margins(accuracies)
    np.testing.assert_allclose(by_victim["NF"], [0.05, 0.0], atol=1e-9)
    np.testing.assert_allclose(by_victim["DCTA"], [-0.15, -0.2], atol=1e-9)
    assert claims.sound_victims(accuracies) == ["NF"]


def test_a_defence_is_learned_if_fakes_are_found():
    """On average over seeds, NF by its own measure; reals do not count."""

    def values(*fake):
        return Accuracies(np.zeros(len(fake)), np.array(fake), np.zeros(len(fake)))

    assert claims.has_learned("DCTA", values(0.8, 0.9))
    assert not claims.has_learned("DCTA", values(0.8, 0.89))
    assert claims.has_learned("NF", values(0.7))
    assert not claims.has_learned("NF", values(0.69))


def test_claims_about_traces_are_falls_of_distances():
    distances = [
        {
            "fake": {"spectrum": 0.5, "correlation": 0.2},
            "attacked": {"spectrum": 0.3, "correlation": 0.25},
        }
    ] * 2
    closer, less_alike = claims.about_traces(distances)
    assert closer["measured"] == "0.200 ± 0.000" and closer["verdict"] == "holds"
    assert less_alike["verdict"] == "does not hold"


def test_no_selection_no_claims():
    def section(*_, **__):
        raise AssertionError("there is nothing to report")

    page = SimpleNamespace(section=section, table=section)
    chosen = tiny_arena.settings(
        defences={"none": tiny_arena.NOBODY}, traces=tiny_arena.NOBODY
    )
    decided = claims.decide(None, chosen, {}, None)
    assert decided.rows == []
    deciding.report(page, decided.rows)


def test_nothing_is_decided_where_trainings_diverged():
    decided = claims.Claims(
        soundness=[deciding.decided("sound: by", [1.0, 1.0])],
        attacks=[],
        traces=[deciding.decided("closer: by", [1.0, 1.0])],
    )
    assert decided.unless_diverged([]) == decided
    verdicts = [row["verdict"] for row in decided.unless_diverged(["victims/A"]).rows]
    assert verdicts == [deciding.DIVERGED] * 2
