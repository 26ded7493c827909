"""The game's numbers and page from answers."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jaxforensics.experiments import adversarial_game
from jaxforensics.experiments.adversarial_game import paper
from jaxforensics.experiments.adversarial_game.measure import (
    _score,
    kernel_deviations,
)
from jaxforensics.experiments.adversarial_game.settings import all_exams
from jaxforensics.experiments.common.claims import gain
from jaxforensics.experiments.common.detectors import Answers
from jaxforensics.reporting.report import Report

SOURCES = "real", "began", "pggan"
FRAMES = 5


def answers(seed=0, *, gain=1.0, videos=8):
    """Scores of frames of `videos` of each source; pairs of videos are a group."""
    draw = np.random.default_rng(seed)
    source = np.repeat([0, 1, 2], videos * FRAMES)
    number = np.tile(np.repeat(np.arange(videos), FRAMES), 3)
    label = np.int32(source > 0)
    return {
        "source": source,
        "label": label,
        "video": np.char.mod("clip %d", number),
        "group": np.char.mod("pair %d", number // 2),
        "score": 1 / (1 + np.exp(-draw.normal(gain * (label - 0.5), 1.0))),
        "logits": draw.normal(size=(len(label), 1)),
    }


class Answered(dict):
    """Finished jobs of detectors, the game's better than the others."""

    workspace = SimpleNamespace(
        diverged=[], measure=lambda name, function, *inputs: function()
    )

    def __init__(self, settings):
        for network, corpus in all_exams(settings):
            gain = 3.0 if network.row == "Two-Gen-BAT" else 1.0
            said = answers(network.seed, gain=gain)
            self[f"{network.name}/validation"] = said
            self[f"{network.answers_name(corpus)}/test"] = said


@pytest.fixture(scope="module")
def measured(tiny, settings_of):
    settings = settings_of()
    return settings, adversarial_game.measure(Answered(settings), settings, tiny)


def scored(columns, fakes=("began",)):
    test = {"corpus": "C23", "fakes": fakes}
    answered = Answers(validation=columns, test=columns)
    return _score(answered, test, SOURCES, True)


def test_auc_of_frames_and_of_videos_is_scikit_learns():
    columns = answers()
    auc, _, _, video_auc, _ = scored(columns)["values"]
    chosen = columns["source"] < 2
    labels = columns["label"][chosen]
    scores = columns["score"][chosen]
    assert auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)

    means = scores.reshape(2, -1, FRAMES).mean(-1)
    expected = roc_auc_score(np.repeat([0, 1], means.shape[1]), means.ravel())
    assert video_auc == pytest.approx(expected, abs=1e-9)


def test_accuracy_is_at_one_half():
    columns = answers()
    chosen = columns["source"] != 1
    _, accuracy, _, _, _ = scored(columns, ("pggan",))["values"]
    is_right = (columns["score"] >= 0.5) == (columns["label"] == 1)
    assert accuracy == pytest.approx(is_right[chosen].mean())


def test_three_copies_of_a_clip_do_not_narrow_an_interval():
    """A union of qualities holds every clip three times, as three videos of a group."""
    columns = answers()
    copies = [
        columns | {"video": np.char.add(columns["video"], f" {quality}")}
        for quality in ("raw", "c23", "c40")
    ]
    union = {name: np.concatenate([copy[name] for copy in copies]) for name in columns}
    once = scored(columns)
    thrice = scored(union)
    for kind in ("interval", "video_interval"):
        np.testing.assert_allclose(thrice[kind], once[kind], atol=1e-9)
    np.testing.assert_allclose(thrice["values"], once["values"], atol=1e-9)


def test_a_video_of_two_labels_is_refused():
    columns = answers()
    columns["label"] = np.where(
        np.arange(len(columns["label"])) == 0, 1, columns["label"]
    )
    with pytest.raises(ValueError, match="several labels"):
        scored(columns, None)


def test_tests_hold_all_reals_and_their_own_fakes(measured):
    _, numbers = measured
    rows = {row["test"]: row for row in numbers.videos}
    assert rows["NT"] == {
        "test": "NT",
        "frames of reals": 8 * FRAMES,
        "of fakes": 8 * FRAMES,
        "videos of reals": 8,
        "of fakes, videos": 8,
        "groups": 4,
    }


def test_every_cell_has_a_value_per_seed(measured):
    _, numbers = measured
    cells = numbers.groups["unseen"]
    assert len(cells) == 4
    for scores in cells.values():
        assert set(scores) == {"NT", "DF"}
        assert scores["NT"].auc.shape == (2,)
    game = cells["model_base", "Two-Gen-BAT", "C23"]["DF"]
    plain = cells["model_base", "none", "C23"]["DF"]
    assert (game.auc > plain.auc).all()


def test_claims_compare_seed_by_seed(measured):
    settings, numbers = measured
    rows = {row["claim"]: row for row in numbers.claims}
    where = "model_base, trained on C23, unseen manipulations"
    row = rows[f"{where}: AUC that Two-Gen-BAT gains over none"]
    cells = numbers.groups["unseen"]
    gained = [
        cells["model_base", title, "C23"]["DF"].auc for title in ("Two-Gen-BAT", "none")
    ]
    expected = (gained[0] - gained[1]).mean()
    assert row["measured"].startswith(f"{expected:.3f}")
    for control in ("Constant blur", "JPEG Compression"):
        assert f"{where}: AUC that Two-Gen-BAT gains over {control}" in rows
    assert "what was seen" in " ".join(rows)
    assert settings.seeds == (0, 1)


def test_a_gain_is_of_the_seeds_that_both_have():
    aucs = {"a": np.array([0.9, 0.8, 0.7]), "b": np.array([0.5, 0.5])}
    np.testing.assert_allclose(gain(aucs["a"], aucs["b"]), [0.4, 0.3])


def test_the_page_begins_with_the_game_and_its_controls(measured, tmp_path):
    settings, numbers = measured
    report = Report(tmp_path)
    adversarial_game.report(numbers, settings, report)
    report.write(title=adversarial_game.TITLE)
    page = (tmp_path / "README.md").read_text()
    head = page[: page.index("Data and protocol")]
    for title in ("Two-Gen-BAT", "Constant blur", "JPEG Compression"):
        assert title in head
    printed = paper.UNSEEN["EfficientNet"]["Two-Gen-BAT"]["DF"].auc
    assert f"{printed:.3f}" in page


def test_a_kernel_is_never_wider_than_its_window():
    sharp, wide = kernel_deviations(np.array([1e6, 0.0]), size=9)
    assert sharp == 0
    assert wide == pytest.approx(np.sqrt((9**2 - 1) / 12))
    (narrow,) = kernel_deviations(np.array([1.0]), size=21)
    assert narrow == pytest.approx(1.0, rel=1e-6)
