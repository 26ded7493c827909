"""Gathering, grouping, matrices and grids, against the same thing done by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.evaluation.calibration import Threshold
from jaxforensics.evaluation.intervals import bootstrap

FEW = {"samples": 50}


def brightness(image):
    return jnp.mean(image, axis=(1, 2, 3))


def redness(image):
    return image[..., 0].mean(axis=(1, 2))


def batches(cuts=(4, 8), size=10):
    """Ten labelled byte pictures of five groups, padded to batches of four."""
    rng = np.random.default_rng(0)
    columns = {
        "image": rng.integers(0, 256, (size, 6, 5, 3), np.uint8),
        "label": np.arange(size, dtype=np.int32) % 2,
        "source": np.arange(size, dtype=np.int32) % 2 * (1 + np.arange(size) % 3),
        "group": np.array([f"set/{i % 2}/{i // 4}" for i in range(size)]),
        "valid": np.ones(size, np.float32),
    }
    parts = {name: np.split(column, cuts) for name, column in columns.items()}
    for i in range(len(cuts) + 1):
        batch = {name: part[i] for name, part in parts.items()}
        pad = max(0, 4 - len(batch["label"]))
        yield {
            name: np.concatenate([rows, np.zeros((pad, *rows.shape[1:]), rows.dtype)])
            for name, rows in batch.items()
        }


def whole():
    return protocols.gather(batches()).columns


def test_gather_drops_padding_and_counts_failures():
    parts = [
        {"a": jnp.arange(3.0), "failed": np.array([False, True, False])},
        {"a": np.array([7.0, np.nan]), "failed": [False, True], "valid": [1, 0]},
    ]
    got = protocols.gather({k: np.asarray(v) for k, v in p.items()} for p in parts)
    np.testing.assert_array_equal(got.columns["a"], [0, 2, 7])
    assert got.failed == 1  # a failed row of padding is padding
    with pytest.raises(ValueError, match="no batches"):
        protocols.gather([])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, 10), min_size=1, max_size=4).map(sorted))
def test_gather_does_not_show_the_cuts(cuts):
    want = whole()
    got = protocols.gather(batches(tuple(cuts))).columns
    assert list(got) == list(want)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


def test_score_runs_every_predictor_in_one_pass():
    decoded = []

    def counted():
        for batch in batches():
            decoded.append(1)
            yield batch

    got = protocols.score({"grey": brightness, "red": redness}, counted())
    assert len(decoded) == 3 and got.failed == 0
    images = whole()["image"] / np.float64(255)
    np.testing.assert_allclose(got.scores["grey"], images.mean((1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(
        got.scores["red"], images[..., 0].mean((1, 2)), atol=1e-6
    )
    assert sorted(got.about) == ["group", "label", "source"]
    np.testing.assert_array_equal(got.about["group"], whole()["group"])


def test_robustness_rows():
    labels, groups = whole()["label"], whole()["group"]
    scores = brightness(whole()["image"] / 255.0)
    grid = {("none", 0): scores, ("invert", 1): 1 - scores, ("dark", 0.5): scores / 2}
    scored = protocols.Scored({"label": labels, "group": groups}, grid, 0)
    rows = protocols.robustness(scored, {"auc": metrics.auc}, **FEW)
    clean = roc_auc_score(labels, scores)
    assert [(r["operation"], r["severity"]) for r in rows] == list(grid)
    assert [r["auc"] for r in rows] == pytest.approx([clean, 1 - clean, clean])
    relative = [r["auc_relative"] for r in rows]
    assert relative == pytest.approx([1, (1 - clean) / clean, 1])
    want = bootstrap(metrics.auc, labels, scores, groups=groups, **FEW)
    got = [rows[0][k] for k in ("auc", "auc_low", "auc_high")]
    np.testing.assert_array_equal(got, want)


def test_matrix_rows():
    predictors = {"grey": brightness, "red": redness}
    scored = {
        "all": protocols.score(predictors, batches()),
        "half": protocols.score(predictors, list(batches())[:2]),
    }
    rows = protocols.matrix(scored, metrics.auc, **FEW)
    assert [row["train"] for row in rows] == ["grey", "red"]
    keys = [f"{test}{bound}" for test in scored for bound in ("", "_low", "_high")]
    assert list(rows[0]) == ["train", *keys]
    for row in rows:
        for test, (about, scores, _) in scored.items():
            assert row[test] == roc_auc_score(about["label"], scores[row["train"]])


def test_per_source_sets_all_reals_against_one_source():
    labels, sources = [0, 0, 1, 1, 1, 1], [0, 0, 3, 3, 7, 7]
    scores = [0.2, 0.5, 0.4, 0.9, 0.8, 0.7]
    rows = protocols.per_source(labels, scores, sources, {"auc": metrics.auc}, **FEW)
    assert [(r["source"], r["fakes"], r["auc"]) for r in rows] == [
        (3, 2, 0.75),
        (7, 2, 1),
    ]


def test_leave_one_out():
    got = protocols.leave_one_out("abc")
    assert got == [("a", ["b", "c"]), ("b", ["a", "c"]), ("c", ["a", "b"])]
    with pytest.raises(ValueError, match="distinct"):
        protocols.leave_one_out("aba")


def test_a_videos_score_is_the_mean_of_its_frames():
    labels = [1, 0, 1, 0, 1, 9]
    scores = [0.2, 0.4, 0.6, 0.1, 0.5, np.nan]
    videos = ["b", "a", "b", "a", "c", "z"]
    got = protocols.pool_videos(scores, videos, labels=labels, valid=[1, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(got.names, ["a", "b", "c"])
    np.testing.assert_array_equal(got.groups, got.names)
    np.testing.assert_array_equal(got.labels, [0, 1, 1])
    np.testing.assert_allclose(got.scores, [0.25, 0.4, 0.5], rtol=1e-15)
    weighted = protocols.pool_videos([0.2, 0.6], [7, 7], labels=[1, 1], valid=[1, 3])
    np.testing.assert_allclose(weighted.scores, [0.5], rtol=1e-15)
    highest = protocols.pool_videos(
        scores[:5], videos[:5], labels=labels[:5], pool="max"
    )
    np.testing.assert_array_equal(highest.scores, [0.4, 0.6, 0.5])


def test_videos_of_one_name_are_told_apart():
    """By data set, source and name, whatever slashes the names hold."""
    columns = {
        "labels": [0, 1, 1, 1, 0, 1, 1],
        "sources": ["r", "a", "a", "a/b", "r", "a", "a"],
        "data_sets": ["x", "x", "x", "x", "y", "x", "x"],
    }
    videos = ["1", "1", "1", "c", "1", "b/c", "1"]
    groups = ["g1", "g1", "g1", "g2", "g1", "g2", "g1"]
    scores = np.arange(7.0)
    got = protocols.pool_videos(scores, videos, groups=groups, **columns)
    assert got.names.tolist() == ["x/a/1", "x/a/b/c", "x/a/b/c", "x/r/1", "y/r/1"]
    np.testing.assert_array_equal(got.scores, [3, 5, 3, 0, 4])
    np.testing.assert_array_equal(got.labels, [1, 1, 1, 0, 0])
    assert got.groups.tolist() == ["g1", "g2", "g2", "g1", "g1"]
    one_set = columns | {"data_sets": "x"}
    got = protocols.pool_videos(scores, videos, groups=groups, **one_set)
    np.testing.assert_array_equal(got.scores, [3, 5, 3, 2])


def test_videos_equal_a_loop_over_them():
    rng = np.random.default_rng(0)
    sources = rng.integers(0, 3, 200)
    videos = rng.integers(0, 12, 200)
    scores = rng.random(200)
    got = protocols.pool_videos(
        scores, videos, labels=sources > 0, sources=sources, groups=videos // 2
    )
    want = [
        (int(source > 0), scores[member].mean(), video // 2, f"{source}/{video}")
        for source in range(3)
        for video in range(12)
        if (member := (sources == source) & (videos == video)).any()
    ]
    for column, values in zip(got, zip(*want, strict=True), strict=True):
        if column is got.scores:
            np.testing.assert_allclose(column, values, rtol=1e-12)
        else:
            np.testing.assert_array_equal(column, values)


def test_frames_of_a_video_agree_on_label_and_group():
    labels = [0, 1, 1]
    scores = [0.1, 0.2, 0.3]
    videos = ["012", "012", "099"]
    with pytest.raises(ValueError, match="1 videos .* first 012: .* manipulation"):
        protocols.pool_videos(scores, videos, labels=labels)
    with pytest.raises(ValueError, match="1 videos .* several groups, first 099"):
        protocols.pool_videos(
            [0.1, 0.2, 0.3], ["1", "099", "099"], labels=[0, 1, 1], groups=[5, 6, 7]
        )
    with pytest.raises(ValueError, match="1 of 2 scores are NaN"):
        protocols.pool_videos([0.1, np.nan], ["a", "b"], labels=[0, 1])
    with pytest.raises(ValueError, match=r"named by \(2,\) values for \(3,\) scores"):
        protocols.pool_videos(scores, ["a", "b"], labels=labels)
    with pytest.raises(ValueError, match="pool scores 'men' .did you mean 'mean'"):
        protocols.pool_videos(scores, ["a", "b", "b"], labels=labels, pool="men")


def test_summary_states_numbers_intervals_and_conventions():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = rng.beta(2 + labels, 3 - labels)
    groups = np.arange(80) // 4
    threshold = Threshold(0.4, "eer", "validation")
    got = protocols.summary(
        np.append(labels, 5),
        np.append(scores, np.nan),
        groups=np.append(groups, 99),
        valid=np.append(np.ones(80), 0),
        failed=3,
        threshold=threshold,
        **FEW,
    )
    assert (got["images"], got["groups"], got["failed"]) == (80, 20, 3)
    assert got["auc"] == roc_auc_score(labels, scores)
    assert got["accuracy"] == np.mean((scores >= 0.4) == labels)
    assert got["real_accuracy"] == np.mean(scores[labels == 0] < 0.4)
    assert got["fake_accuracy"] == np.mean(scores[labels == 1] >= 0.4)
    want = bootstrap(metrics.auc, labels, scores, groups=groups, **FEW)
    assert (got["auc_low"], got["auc_high"]) == want[1:]
    for name in [n.removesuffix("_low") for n in got if n.endswith("_low")]:
        assert got[f"{name}_low"] <= got[name] <= got[f"{name}_high"], name
        assert any(name.startswith(m) or name.endswith(m) for m in metrics.CONVENTIONS)
    stated = [got[f"threshold{part}"] for part in ("", "_rule", "_source")]
    assert stated == list(threshold)
    assert got["interval"] == "95 % bootstrap over groups"


def test_a_threshold_is_fixed_unless_chosen():
    got = protocols.summary([0, 1], [0.2, 0.7], **FEW)
    assert (got["threshold"], got["threshold_source"]) == (0.5, "convention")
    assert got["interval"] == "95 % bootstrap over images"
