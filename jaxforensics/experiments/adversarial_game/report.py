"""The report of the adversarial game's study: tables, figures, claims."""

from jaxforensics.experiments.adversarial_game import (
    attack_tables,
    report_tables,
)
from jaxforensics.experiments.adversarial_game import claims as game_claims
from jaxforensics.experiments.adversarial_game.findings import findings
from jaxforensics.experiments.common import claims

TITLE = "Adversarial game"
PROTOCOL = """\
Every detector tells real frames of videos from fake ones and is trained on one
manipulation, half on pictures as they are and half on pictures after an adversary that
sees it; its checkpoint has the highest AUC on the validation split. The test split is
opened when training is over. All splits and intervals are by pairs of clips: a clip,
its forgeries and their qualities are never on two sides. Figures are means over seeds,
± the standard deviation; those of the paper were measured on FaceForensics++, DFD and
Celeb-DF and stand beside ours for orientation.
"""
UNSEEN = """\
Trained on one manipulation in one quality, tested on others. Means are over all tests,
as in the paper, and over those that were not trained on, which is what the claim is
about. An AUC below one half says that these fakes look more real than reals do: a rise
to one half is no longer inverted, and not yet detected.
"""
QUALITIES = "Trained on one quality of the same clips, tested on all."
UNION = """\
Trained on all qualities together. All qualities are tested as one set, and each apart;
a clip in three qualities is still one clip of its group.
"""
FAMILIES = "Trained on all manipulations in all qualities."
KERNELS = "Kernels of k × k pixels in training."
SEGMENTS = """\
Detectors of videos: several frames of a clip are judged together, and adversaries act
on each. Which adversary the paper has here is not said; Two-Gen-BAT is our reading.
"""
# {group: (title, text, what the paper prints of a detector)}
SECTIONS = {
    "unseen": ("Unseen manipulations", UNSEEN, report_tables.unseen_printed),
    "union": ("All qualities", UNION, report_tables.union_printed),
    "families": ("Families of detectors", FAMILIES, report_tables.families_printed),
    "kernels": ("Kernels", KERNELS, report_tables.kernels_printed),
    "segments": ("Several frames", SEGMENTS, report_tables.nothing_printed),
}


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Frames per split and source.")
    report.table("videos", measured.videos, caption="What is tested.", about=())
    _report_trainings("unseen", measured, settings, report)
    _report_qualities(measured.groups["qualities"], settings, report)
    for group in ("union", "families", "kernels", "segments"):
        _report_trainings(group, measured, settings, report)
    attack_tables.report_idle(measured.idle, report)
    attack_tables.report_attacks(measured.attacks, settings, report)
    attack_tables.report_gallery(measured.gallery, report)
    claims.report(report, measured.claims, caption=game_claims.CAPTION)


def _report_trainings(group, measured, settings, report):
    """A section per detector and training set of a group."""
    title, text, printed = SECTIONS[group]
    cells = measured.groups[group]
    for detector, trained_on in report_tables.trainings(cells):
        report.section(f"{title}: {detector}, trained on {trained_on}", text)
        report_tables.report_training(
            f"{group}_{detector}_{trained_on}",
            report_tables.rows_of(cells, detector, trained_on),
            trained_on,
            settings,
            report,
            printed=printed(detector),
        )


def _report_qualities(cells, settings, report):
    """Tables II, V, IX and XI."""
    for detector in dict.fromkeys(detector for detector, _, _ in cells):
        report.section(f"Other qualities: {detector}", QUALITIES)
        report_tables.report_qualities(
            f"qualities_{detector}",
            cells,
            detector,
            report,
            printed=report_tables.quality_printed(detector),
        )
        for other, trained_on in report_tables.trainings(cells):
            if other == detector:
                report_tables.report_training(
                    f"qualities_{detector}_{trained_on}",
                    report_tables.rows_of(cells, detector, trained_on),
                    trained_on,
                    settings,
                    report,
                )
