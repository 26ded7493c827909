"""What the numbers of an audit mean, in words."""

from collections import defaultdict
from typing import NamedTuple

# The least AUC, at the low end of its interval, that is a warning and a note.
STRONG = 0.75
WEAK = 0.6
LESSONS = {  # what a detector learns instead of forgery, by the family that leaks
    "dimensions": "the size of pictures",
    "file size": "compression",
    "compression": "compression",
    "mean colour": "colour balance",
    "contrast": "contrast",
    "sharpness": "how soft or sharp pictures are",
    "border": "the background at the border",
}


class Finding(NamedTuple):
    """One thing the reader should know."""

    severity: str  # 'error', 'warning' or 'note'
    text: str


def findings(report):
    """The findings of an audit's report, the gravest first."""
    listed = [
        *_about_files(report),
        *_about_duplicates(report),
        *_about_splits(report),
        *_about_leaks(report),
    ]
    if not listed:
        text = "Nothing here tells a label but what pictures show."
        listed = [Finding("note", text)]
    order = ("error", "warning", "note")
    return sorted(listed, key=lambda finding: order.index(finding.severity))


def words(reasons):
    """'3 truncated, 1 unreadable'."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def _about_files(report):
    if count := len(report["failures"]):
        yield Finding("warning", f"{count} files left out: {words(report['reasons'])}.")
    labels = {row["label"] for row in report["counts"]}
    if len(labels) < 2:
        yield Finding("error", f"There are only {labels.pop()} pictures.")
    elif not report["leaks"]:
        text = "Leaks cannot be tested: a class has fewer than two groups."
        yield Finding("note", text)


def _about_duplicates(report):
    if count := report["copies"]:
        yield Finding("note", f"{count} pictures are exact copies of others.")
    for relation in ("same file", "same pixels"):
        clusters = report["duplicates"][relation]
        contradictory = [c for c in clusters if len(c["labels"]) > 1]
        if contradictory:
            count = len(contradictory)
            text = f"{count} times the {relation} is labelled both real and fake"
            yield Finding("error", f"{text}, such as {_example(contradictory)}.")

    # An edit looks like its original.  With both in one group that is as it should be.
    near = report["duplicates"]["near"]
    edits = [c for c in near if len(c["labels"]) > 1 and c["groups"] > 1]
    if edits:
        yield Finding(
            "note",
            f"{len(edits)} pictures occur both real and, little changed, fake, such as "
            f"{_example(edits)}: edits beside their originals.  Give both the same "
            "group, so that no split parts them.",
        )


def _about_splits(report):
    if overlap := report["overlap"]:
        names = ", ".join(row["group"] for row in overlap[:3])
        yield Finding(
            "error",
            f"{len(overlap)} groups (videos, identities) are in more than one split, "
            f"such as {names}: a test would meet what training saw.",
        )
    for relation, clusters in report["duplicates"].items():
        across = [cluster for cluster in clusters if len(cluster["splits"]) > 1]
        if not across:
            continue
        # Near duplicates may be two photographs of one scene, so they are no error.
        severity = "error"
        subject = f"the {relation} lies"
        if relation == "near":
            severity = "warning"
            subject = "near duplicates lie"
        yield Finding(
            severity,
            f"{len(across)} times {subject} in different splits, such as "
            f"{_example(across)}: what is scored there is memory.",
        )


def _about_leaks(report):
    leaks_of = defaultdict(list)
    for leak in report["leaks"]:
        leaks_of[leak["fakes"]].append(leak)
    # The last of each is that of all families together, see `leaks.leaks`.
    for fakes, (*alone, together) in leaks_of.items():
        strong = [leak for leak in alone if leak["low"] >= STRONG]
        for leak in strong:
            yield Finding(
                "warning",
                f"{leak['family'].capitalize()} alone separates {fakes} from real, "
                f"AUC {leak['auc']:.2f}: a detector may learn "
                f"{LESSONS[leak['family']]}, not forgery.",
            )

        if together["low"] >= STRONG and not strong:
            yield Finding(
                "warning",
                f"All trivial features together separate {fakes} from real, "
                f"AUC {together['auc']:.2f}: a detector must beat that to be believed.",
            )

        if weak := [leak for leak in alone if WEAK <= leak["low"] < STRONG]:
            hints = ", ".join(f"{leak['family']} {leak['auc']:.2f}" for leak in weak)
            yield Finding("note", f"Weaker hints at {fakes}: {hints} (AUC).")


def _example(clusters):
    return " and ".join(clusters[0]["names"][:2])
