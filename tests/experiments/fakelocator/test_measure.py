"""FakeLocator's numbers and page from measured maps, and how pictures are seen."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.experiments import fakelocator
from jaxforensics.experiments.fakelocator import claims, clusters, views
from jaxforensics.experiments.fakelocator.findings import findings
from jaxforensics.experiments.fakelocator.measure import Gallery, Looks
from jaxforensics.experiments.fakelocator.report import answers
from jaxforensics.experiments.fakelocator.settings import all_exams
from jaxforensics.methods import fakelocator as method
from jaxforensics.reporting.report import Report
from jaxforensics.training.mesh import data_mesh

SIDE = 16
DETECTORS = "DCTA", "CNNDetection"  # without maps


def columns(seed, *, similarity):
    """What is measured of 20 reals and 20 fakes, two pictures of every person."""
    draw = np.random.default_rng(seed)
    label = np.repeat([0, 1], 20)
    noise = draw.normal(0, 0.02, 40)
    measures = {name: draw.uniform(0.2, 0.8, 40) for name in views.MEASURES}
    return measures | {
        "cosine_similarity": np.clip(similarity + noise, 0, 1),
        "has_change": np.ones(40),
        "usable": np.ones(40),
        "score": np.where(label == 1, 0.9, 0.1),
        "label": label,
        "source": label,
        "group": np.char.mod("person %d", np.arange(40) // 2),
    }


def features(seed):
    """Features of 20 reals and 10 fakes, far apart."""
    draw = np.random.default_rng(seed)
    label = np.repeat([0, 1], [20, 10])
    return {"features": draw.normal(size=(30, 6)) + 9 * label[:, None], "label": label}


class Answered(dict):
    """Finished jobs: maps of L1 are the best."""

    def __init__(self, settings):
        self.workspace = SimpleNamespace(
            diverged=[],
            mesh=data_mesh(),
            arrays=lambda name, function, *inputs: function(),
            measure=lambda name, function, *inputs: function(),
            predict=self.predict,
        )
        for network, test in clusters.exams(settings):
            name = network.looked_name(clusters.FEATURES, test)
            self[name] = features(network.seed)
            self[network.name] = SimpleNamespace(digest=name)
        for network, test in all_exams(settings):
            similarity = {"L1": 0.9, "Dice": 0.7}.get(network.row, 0.8)
            name = network.looked_name(views.PLAIN, test)
            self[name] = columns(network.seed, similarity=similarity)
            if network.row in DETECTORS:
                kept = "usable", "score", "label", "source", "group"
                self[name] = {column: self[name][column] for column in kept}

    def predict(self, name, predictor, batches, *inputs, outputs):
        return predictor.over(batches(), outputs=outputs)


@pytest.fixture(scope="module")
def measured(tiny, settings_of):
    settings = settings_of()
    return settings, fakelocator.measure(Answered(settings), settings, tiny)


def test_a_cell_has_a_value_per_seed(measured):
    _, numbers = measured
    cell = numbers.groups["losses"]["L1", "A"]["B"]
    assert cell.summaries["cosine_similarity"].shape == (2,)
    point, low, high = cell.interval
    assert low < point < high
    np.testing.assert_allclose(claims.accuracy(cell), 1.0)


def test_constant_maps_satisfy_the_identities_of_ones(measured):
    """IoU = PBCA = A, IINC = (1 - A) / 2 of a map of ones."""
    _, numbers = measured
    ones = numbers.constants["A", "B"]["all ones"]
    assert ones["iou"] == pytest.approx(ones["pixel_accuracy"])
    assert ones["iinc"] == pytest.approx((1 - ones["iou"]) / 2, abs=1e-6)
    assert numbers.constants["A", "B"]["all zeros"]["cosine_similarity"] == 0


def test_claims_compare_losses_seed_by_seed(measured):
    _, numbers = measured
    rows = {row["claim"]: row for row in numbers.claims}
    assert "A: map_psnr that L1 gains over Dice" in rows
    row = rows["A: the branch changes COSS by 0.05 at most"]
    assert row["measured"].startswith("-0.05")  # 0.9 against 0.8


def seen_by(similarity, shifted):
    """What a row says of pictures seen in different ways, two seeds."""
    values = {
        "cosine_similarity": np.array([similarity, similarity]),
        "fake_accuracy": np.array([0.97, 0.99]),
        "real_accuracy": np.array([0.97, 0.99]),
        "false_area": np.array([0.01, 0.01]),
        "agreement": np.array([0.9, 0.9]),
    }
    kinds = views.PLAIN, views.SHIFTED, views.NEIGHBOURS, views.SHUFFLED
    seen = dict.fromkeys((*kinds, views.AUGMENTED), values)
    seen[views.SHIFTED] = values | {"cosine_similarity": np.array(shifted)}
    return seen


@pytest.fixture(scope="module")
def looking(measured):
    """Settings and numbers of two rows, of which the second moves with the picture."""
    settings, numbers = measured
    looks = Looks(
        rows={
            "L1": seen_by(0.9, [0.501, 0.502]),
            "Dice": seen_by(0.85, [0.801, 0.802]),
        },
        constant={
            views.PLAIN: {"cosine_similarity": 0.7},
            views.SHIFTED: {"cosine_similarity": 0.3},
        },
        degraded={},
    )
    chosen = dict(settings.looks) | {"rows": ("L1", "Dice")}
    chosen |= {"trained_on": "A", "test": "B"}
    settings = dataclasses.replace(settings, looks=chosen)
    rows = claims.decide(numbers.groups, numbers.constants, looks, {}, settings)
    return settings, numbers._replace(looks=looks, claims=rows)


def test_every_row_is_asked_whether_it_moves_with_the_picture(looking):
    _, numbers = looking
    verdicts = {
        row["claim"].partition(" costs")[0]: row["verdict"] for row in numbers.claims
    }
    assert verdicts[claims.shift_claim("L1")] == "does not hold"
    assert verdicts[claims.shift_claim("Dice")] == "holds"


def test_the_head_has_the_first_rows_claims_and_the_shifts_of_others(looking):
    settings, numbers = looking
    lines = findings(numbers, settings)
    assert sum(": L1: " in line for line in lines) == 7
    assert [line for line in lines if ": Dice: " in line] == [
        next(line for line in lines if claims.shift_claim("Dice") in line)
    ]


def test_looks_have_a_line_per_row_and_view(looking, tmp_path):
    settings, numbers = looking
    report = Report(tmp_path)
    fakelocator.report(numbers, settings, report)
    lines = (tmp_path / "tables/looks.csv").read_text().splitlines()
    assert lines[0].startswith("pictures,network,")
    assert len(lines) == 1 + 2 * 5


@pytest.fixture(scope="module")
def by_type(tiny, settings_of):
    """One row trained on A and tested on both, whose features name clusters of B."""
    group = dict(settings_of().losses) | {"rows": ("L1",)}
    settings = settings_of(
        losses=group | {"rows": (), "trained_on": (), "tests": ()},
        types=group,
        clusters={"rows": ("L1",), "draws": 2, "ratios": (1, 2)},
    )
    return settings, fakelocator.measure(Answered(settings), settings, tiny)


def test_clusters_are_named_by_one_picture_on_other_types(by_type):
    """Features that lie apart are told by the first picture with a label."""
    _, numbers = by_type
    named = numbers.clusters["L1", "A"]
    assert set(named) == {"B"} and set(named["B"]) == {1, 2}
    for ratio in (1, 2):
        np.testing.assert_array_equal(named["B"][ratio].accuracies, [1.0, 1.0])
    (row,) = [row for row in numbers.claims if "named by one picture" in row["claim"]]
    assert row["measured"].startswith("0.000")  # the classifier is right as well
    assert not numbers.constants  # no table of maps


def test_the_page_has_clusters_and_table_i(by_type, tmp_path):
    settings, numbers = by_type
    report = Report(tmp_path)
    fakelocator.report(numbers, settings, report)
    lines = (tmp_path / "tables/types_clusters.csv").read_text().splitlines()
    assert len(lines) == 1 + 2  # a line per ratio
    assert (tmp_path / "tables/types.csv").read_text().startswith("network,trained on")
    printed = (tmp_path / "tables/types_paper.csv").read_text()
    assert "FF++,StarGAN,0.49,0.988,0.999" in printed


def test_networks_stand_beside_detectors_and_baselines(tiny, settings_of, tmp_path):
    """Tables III and V: each asked about its own set, claims where both have maps."""
    group = dict(settings_of().losses) | {"trained_on": ("A", "B")}
    settings = settings_of(
        losses=group | {"rows": (), "trained_on": (), "tests": ()},
        detection=group | {"rows": ("L1", "DCTA")},
        sets=group | {"rows": ("L1", "Patch")},
    )
    numbers = fakelocator.measure(Answered(settings), settings, tiny)
    assert set(numbers.groups["detection"]["DCTA", "B"]) == {"B"}
    assert set(numbers.constants) == {("A", "A"), ("B", "B")}
    claimed = {row["claim"] for row in numbers.claims}
    assert "B (other sets): iou that L1 gains over Patch" in claimed
    assert len(claimed) == 2 * 3

    report = Report(tmp_path)
    fakelocator.report(numbers, settings, report)
    tables = tmp_path / "tables"
    lines = (tables / "detection.csv").read_text().splitlines()
    assert "DCTA,B,B,1.000" in "\n".join(lines).replace(" ± 0.000", "")
    assert (tables / "sets_constant.csv").exists()
    assert "UADFV,CNNDetection,1.0" in (tables / "detection_paper.csv").read_text()
    assert "StarGAN,Patch,1.0,0.7462" in (tables / "sets_paper.csv").read_text()


def test_pictures_for_clusters_have_the_share_of_fakes():
    labels = np.array([0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(clusters.chosen_rows(labels, 1), [*range(7), 9])
    rows = clusters.chosen_rows(labels, 4)
    np.testing.assert_array_equal(rows, [0, 1, 2, 3, 4, 6, 7, 8, 10, 11])
    assert labels[rows].sum() == 2
    with pytest.raises(ValueError, match="test B: of 4 fakes and 8 reals 0 are left"):
        clusters.chosen_rows(labels, 9, where="test B")


def test_the_page_has_the_papers_numbers_and_constant_maps(measured, tmp_path):
    settings, numbers = measured
    report = Report(tmp_path)
    fakelocator.report(numbers, settings, report)
    page = report.write(title=fakelocator.TITLE).read_text()
    for text in ("mean training map", "all ones", "0.927", "Maps that look at nothing"):
        assert text in page


def test_editors_and_properties_are_told_apart():
    relation = claims._relation
    assert relation(("A/bald",), ("A/bald",)) == "the same"
    assert relation(("A/bald",), ("B/bald",)) == "another editor"
    assert relation(("A/bald",), ("A/smile",)) == "another property"
    assert relation(("A/bald",), ("B/smile",)) == "both"


def batch(count=4):
    draw = np.random.default_rng(0)
    real = draw.uniform(0.2, 0.8, (count, SIDE, SIDE, 3))
    image = real.copy()
    image[:, 2:7, 3:9] += 0.2
    return {
        "image": jnp.float32(image),
        "real": jnp.float32(real),
        "label": jnp.ones(count, jnp.int32),
        "source": jnp.ones(count, jnp.int32),
        "valid": jnp.ones(count),
        "index": jnp.arange(count),
    }


def knowing(predict_from, state, pictures):
    """Draws the true map of what it is shown, which it knows the originals of."""
    del state
    return {
        "mask": method.targets(pictures | {"real": predict_from(pictures)}),
        "score": jnp.ones(len(pictures["image"])),
    }


def originals(pictures):
    return pictures["real"]


@pytest.mark.parametrize("kind", [views.SHIFTED, views.SHUFFLED])
def test_pictures_and_targets_move_together(kind):
    """A network that knows the right map loses nothing where both are moved."""
    seen = views.view(kind, (), ())(partial(knowing, originals), None, batch())
    np.testing.assert_allclose(seen["cosine_similarity"], 1.0, atol=1e-5)


def test_a_constant_map_falls_where_pictures_are_shifted():
    target = np.asarray(method.targets(batch()))
    mesh = data_mesh()
    similarities = {}
    for kind in (views.PLAIN, views.SHIFTED):
        predictor = views.constant(
            target.mean(0), mesh, digest="", entire=(), regions=(), kind=kind
        )
        values = predictor(batch())
        similarities[kind] = float(values["cosine_similarity"].mean())
    assert similarities[views.PLAIN] > 0.95
    assert similarities[views.SHIFTED] < 0.6


def test_a_neighbours_map_is_compared_with_the_own_target():
    pictures = batch()
    # Fakes of two kinds in turn: a neighbour is changed elsewhere.
    image = np.array(pictures["real"])
    image[::2, 1:5, 1:5] += 0.2
    image[1::2, 9:14, 9:14] += 0.2
    pictures["image"] = jnp.float32(image)
    seen = views.view(views.NEIGHBOURS, (), ())(
        partial(knowing, lambda each: pictures["real"]), None, pictures
    )
    plain = views.view(views.PLAIN, (), ())(partial(knowing, originals), None, pictures)
    assert float(plain["cosine_similarity"].min()) > 0.99
    assert float(seen["cosine_similarity"].max()) < 0.9


def test_the_printed_target_is_that_of_the_degraded_fake():
    """Eq. 7 on the degraded fake differs; the target before degradation does not."""
    pictures = batch()

    def darkened(key, image):
        return image * 0.8

    def nothing(state, shown):
        count = len(shown["image"])
        return {"mask": jnp.zeros((count, SIDE, SIDE)), "score": jnp.zeros(count)}

    errors = {
        own_target: views.degraded(darkened, (), own_target=own_target)(
            nothing, None, pictures
        )["map_error"]
        for own_target in (False, True)
    }
    before = np.asarray(method.targets(pictures)).mean((1, 2))
    shown = np.asarray(
        method.targets(pictures | {"image": pictures["image"] * 0.8})
    ).mean((1, 2))
    np.testing.assert_allclose(errors[True], before, rtol=1e-5)
    np.testing.assert_allclose(errors[False], shown, rtol=1e-5)
    assert (shown > before).all()


def test_who_has_no_branch_has_no_accuracy(measured, settings_of, tmp_path):
    settings, numbers = measured
    assert answers("L1", settings)
    assert answers("FFD", settings_of(locator={"model": "unet"}))
    assert not answers("L1, no branch", settings)
    report = Report(tmp_path)
    fakelocator.report(numbers, settings, report)
    lines = (tmp_path / "tables/losses.csv").read_text().splitlines()
    column = lines[0].split(",").index("accuracy")
    row = next(line for line in lines if line.startswith('"L1, no branch"'))
    assert row.replace('"L1, no branch"', "x").split(",")[column] == ""


def test_many_pictures_are_shown_in_several_figures(looking, tmp_path):
    settings, numbers = looking
    draw = np.random.default_rng(0)
    maps = draw.uniform(0, 0.3, (4, 9, SIDE, SIDE))
    pictures = draw.uniform(0, 1, (2, 9, SIDE, SIDE, 3))
    gallery = Gallery(*pictures, *maps, sources=[f"edit {i}" for i in range(9)])
    report = Report(tmp_path)
    shown = numbers._replace(gallery=gallery)
    fakelocator.report(shown, settings, report)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"maps.png", "maps_2.png"}


def test_sets_of_all_fakes_have_claims_too(tiny, settings_of):
    """As prepared folders have them, whose sources no config names."""
    sets = {"every edit": {"corpus": "edits", "fakes": None}}
    group = dict(settings_of().losses) | {"rows": ("L1", "Dice")}
    group |= {"trained_on": ("every edit",), "tests": ("every edit",)}
    settings = settings_of(
        training_sets=sets, tests=sets, losses=group, crossed=group, universal=group
    )
    numbers = fakelocator.measure(Answered(settings), settings, tiny)
    claimed = [row["claim"] for row in numbers.claims]
    assert "every edit: map_psnr that L1 gains over Dice" in claimed
    assert not any("another editor" in claim for claim in claimed)


def test_attention_of_predicted_parsings_has_claims_of_its_own(measured):
    _, numbers = measured
    cell = numbers.groups["losses"]["L1", "A"]["B"]
    better = {name: values + 0.01 for name, values in cell.summaries.items()}
    cells = {
        ("L1", "A"): {"B": cell},
        ("L1, attention (predicted)", "A"): {"B": cell._replace(summaries=better)},
    }
    (row,) = claims._of_attention(cells)
    assert "attention by predicted parsings gains" in row["claim"]
    assert row["verdict"] == "holds"
