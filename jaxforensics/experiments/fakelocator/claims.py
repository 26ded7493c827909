"""What FakeLocator's paper claims, decided on the data at hand.

Two networks are compared seed by seed: the gain is that of the seeds that both have.
"""

import numpy as np

from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.claims import gain
from jaxforensics.experiments.fakelocator import views

CAPTION = "Each on these data, whatever it says; COSS is that of maps of fakes."
OURS = "L1"
FFD = "FFD"
PATCH = "Patch"
ALONE = "L1, no branch"
ATTENDED = {
    "L1, attention": "attention gains",
    "L1, attention (predicted)": "attention by predicted parsings gains",
}
AUGMENTED = "(1, 0)"
# Partial augmentation, by accuracy across editors, the better one first.
ORDER = (AUGMENTED, OURS), (OURS, "(1, 1)"), ("(1, 1)", "(0, 1)")
MEAN_MAP = "mean training map"

FAKE_ACCURACY = 0.95
OVER_MEAN = 0.05  # of COSS, at least
SHIFT_COST = 0.1  # at most
NEIGHBOUR_COST = 0.2  # at least
FALSE_AREA = 0.02  # at most
AUGMENTED_COST = 0.1  # of the accuracy of fakes, at most
BRANCH_CHANGE = 0.05  # of COSS, at most
KEPT = 0.9  # of COSS under disorganisation


def decide(groups, constants, looks, named, settings):
    """Rows of `claims.decided`.

    `groups` {group: {(row, trained on): {test: measure.Cell}}}, `constants` {(trained
    on, test): {constant map: summary}}, `named` as `clusters.measure` gives it.
    """
    rows = []
    rows += _of_looks(looks, constants, settings)
    rows += _of_losses(groups["losses"])
    rows += _of_crossed(groups["crossed"], settings)
    rows += _of_augmentation(groups["augmented"])
    rows += _of_attention(groups["attention"])
    rows += _of_universal(groups["universal"], groups["losses"], settings)
    rows += _of_types(groups["types"], named)
    rows += _of_sets(groups["sets"])
    return rows


def accuracy(cell):
    """The mean of the accuracies of reals and of fakes, a value per seed."""
    summaries = cell.summaries
    return (summaries["real_accuracy"] + summaries["fake_accuracy"]) / 2


def shift_claim(row):
    """How the claim begins that a row's maps move with the picture."""
    return f"{row}: a picture that is shifted by a quarter"


def _of_looks(looks, constants, settings):
    """Whether the locators look at the picture, row by row."""
    if looks is None:
        return []
    pair = settings.looks["trained_on"], settings.looks["test"]
    mean_map = constants[pair][MEAN_MAP]["cosine_similarity"]
    constant_fall = (
        looks.constant[views.PLAIN]["cosine_similarity"]
        - looks.constant[views.SHIFTED]["cosine_similarity"]
    )
    rows = []
    for row, seen in looks.rows.items():
        rows += _of_looking_row(row, seen, mean_map, constant_fall)
    return rows


def _of_looking_row(row, seen, mean_map, constant_fall):
    """Whether one row looks, from what it says of pictures seen in different ways.

    `mean_map` is the COSS of the mean training map, `constant_fall` what that map loses
    where pictures are shifted.
    """
    plain = seen[views.PLAIN]
    similarity = plain["cosine_similarity"]
    shifted = seen[views.SHIFTED]["cosine_similarity"]
    neighbours = seen[views.NEIGHBOURS]["cosine_similarity"]
    shuffled = seen[views.SHUFFLED]["cosine_similarity"]
    augmented = seen[views.AUGMENTED]["fake_accuracy"]
    claimed = {
        f"{row}: the accuracy of fakes is {FAKE_ACCURACY} or more: what is above": (
            plain["fake_accuracy"] - FAKE_ACCURACY
        ),
        f"{row}: COSS is {OVER_MEAN} or more above that of the mean training map: what "
        "is beyond that": similarity - mean_map - OVER_MEAN,
        f"{shift_claim(row)} costs {SHIFT_COST} of COSS at most (the mean map loses "
        f"{constant_fall:.3f}): what is left to that": (
            SHIFT_COST - (similarity - shifted)
        ),
        f"{row}: a neighbour's picture costs {NEIGHBOUR_COST} of COSS or more: what is "
        "beyond that": similarity - neighbours - NEIGHBOUR_COST,
        f"{row}: of authentic pictures {FALSE_AREA} or less is marked: what is left": (
            FALSE_AREA - plain["false_area"]
        ),
        f"{row}: augmented fakes are recognised, {AUGMENTED_COST} less often at most: "
        "what is left to that": (AUGMENTED_COST - (plain["fake_accuracy"] - augmented)),
        f"{row}: disorganised pictures keep {KEPT} of COSS or more: what is above": (
            shuffled / similarity - KEPT
        ),
    }
    return [claims.decided(claim, values) for claim, values in claimed.items()]


def _of_losses(cells):
    """Table IV: which loss is best in what, and whether the branch matters."""
    rows = []
    by_set = {}
    for (row, trained_on), tests in cells.items():
        by_set.setdefault(trained_on, {})[row] = next(iter(tests.values())).summaries
    for trained_on, summaries in by_set.items():
        comparisons = [
            (first, second, name)
            for name in ("map_psnr", "map_ssim")
            for first in (OURS, "L2")
            for second in ("Dice", "Focal")
        ]
        comparisons += [
            ("Dice", other, name)
            for name in ("soft_dice", "iou")
            for other in (OURS, "L2", "Focal")
        ]
        comparisons += [
            (OURS, FFD, name) for name in ("cosine_similarity", "map_ssim", "iou")
        ]
        for first, second, name in comparisons:
            if first in summaries and second in summaries:
                claim = f"{trained_on}: {name} that {first} gains over {second}"
                gained = gain(summaries[first][name], summaries[second][name])
                rows.append(claims.decided(claim, gained))
        if OURS in summaries and ALONE in summaries:
            change = np.abs(
                gain(
                    summaries[OURS]["cosine_similarity"],
                    summaries[ALONE]["cosine_similarity"],
                )
            )
            claim = f"{trained_on}: the branch changes COSS by {BRANCH_CHANGE} at most"
            rows.append(claims.decided(claim, BRANCH_CHANGE - change))
    return rows


def _of_crossed(cells, settings):
    """Table VI: the same property by another editor, another property by the same."""
    rows = []
    for (row, trained_on), tests in cells.items():
        trained = settings.training_sets[trained_on]["fakes"]
        by_kind = {}
        for test, cell in tests.items():
            tested = settings.tests[test]["fakes"]
            if not (_are_edits(trained) and _are_edits(tested)):
                continue
            kind = _relation(trained, tested)
            by_kind.setdefault(kind, []).append(accuracy(cell))
        other_editor = by_kind.get("another editor")
        other_property = by_kind.get("another property")
        if other_editor and other_property:
            claim = (
                f"{row} trained on {trained_on}: accuracy on another editor's same "
                "property over the same editor's other ones"
            )
            gained = gain(
                np.mean(other_editor, axis=0), np.mean(other_property, axis=0)
            )
            rows.append(claims.decided(claim, gained))
    return rows


def _are_edits(fakes):
    """Whether sources are named, and all of them EDITOR/NAME."""
    return bool(fakes) and all("/" in name for name in fakes)


def _relation(trained, tested):
    """How the edits of a test differ from those learned from, by names EDITOR/NAME."""
    editors, properties = zip(*(name.split("/") for name in trained), strict=True)
    tested_editors, tested_properties = zip(
        *(name.split("/") for name in tested), strict=True
    )
    same_editor = set(tested_editors) <= set(editors)
    same_property = set(tested_properties) <= set(properties)
    if same_editor and same_property:
        return "the same"
    if same_property:
        return "another editor"
    if same_editor:
        return "another property"
    return "both"


def _of_augmentation(cells):
    """Table VII: which partial augmentation helps on another editor."""
    rows = []
    by_pair = {}
    for (row, trained_on), tests in cells.items():
        for test, cell in tests.items():
            by_pair.setdefault((trained_on, test), {})[row] = accuracy(cell)
    for (trained_on, test), accuracies in by_pair.items():
        for first, second in ORDER:
            if first in accuracies and second in accuracies and trained_on != test:
                claim = (
                    f"trained on {trained_on}, tested on {test}: accuracy that "
                    f"{first} gains over {second}"
                )
                gained = gain(accuracies[first], accuracies[second])
                rows.append(claims.decided(claim, gained))
    return rows


def _of_attention(cells):
    """Table X: what attention to the face does on other properties."""
    rows = []
    by_set = {}
    for (row, trained_on), tests in cells.items():
        by_set.setdefault(trained_on, {})[row] = tests
    for trained_on, by_row in by_set.items():
        attended_rows = [row for row in ATTENDED if {OURS, row} <= set(by_row)]
        for row in attended_rows:
            for test, plain in by_row[OURS].items():
                claim = (
                    f"trained on {trained_on}, tested on {test}: accuracy that "
                    f"{ATTENDED[row]}"
                )
                gained = gain(accuracy(by_row[row][test]), accuracy(plain))
                rows.append(claims.decided(claim, gained))
    return rows


def _of_universal(cells, single_cells, settings):
    """Table IX: a model for all against one for a single property."""
    rows = []
    singles = {
        (row, _pictures(settings.training_sets[trained_on])): tests
        for (row, trained_on), tests in single_cells.items()
    }
    for (row, trained_on), tests in cells.items():
        for test, cell in tests.items():
            single = singles.get((row, _pictures(settings.tests[test])))
            if single is not None and test in single:
                claim = (
                    f"{test}: COSS that {trained_on} gains over the test's own model"
                )
                gained = gain(
                    cell.summaries["cosine_similarity"],
                    single[test].summaries["cosine_similarity"],
                )
                rows.append(claims.decided(claim, gained))
    return rows


def _pictures(chosen):
    """What a training set and a test have in common: corpus and fakes, None for all."""
    fakes = chosen["fakes"]
    return chosen["corpus"], fakes and tuple(fakes)


def _of_types(cells, named):
    """Table I: clusters named by one picture against the classifier, on other types."""
    rows = []
    for cell, tests in named.items():
        gains = [
            gain(by_ratio[min(by_ratio)].accuracies, accuracy(cells[cell][test]))
            for test, by_ratio in tests.items()
        ]
        row, trained_on = cell
        claim = (
            f"{row} trained on {trained_on}: accuracy on other types that clusters "
            "named by one picture gain over the classifier"
        )
        rows.append(claims.decided(claim, np.mean(gains, axis=0)))
    return rows


def _of_sets(cells):
    """Table V: maps beside those of the baselines, on the set that was learned."""
    rows = []
    for (row, trained_on), tests in cells.items():
        if row not in (FFD, PATCH) or (OURS, trained_on) not in cells:
            continue
        ours = cells[OURS, trained_on][trained_on].summaries
        theirs = tests[trained_on].summaries
        for name in ("cosine_similarity", "map_ssim", "iou"):
            claim = f"{trained_on} (other sets): {name} that {OURS} gains over {row}"
            rows.append(claims.decided(claim, gain(ours[name], theirs[name])))
    return rows
