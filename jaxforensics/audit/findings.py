"""What the numbers of an audit mean, in words."""

from collections import defaultdict
from typing import NamedTuple

STRONG, WEAK = 0.75, 0.6  # least AUC, at the low end of its interval, that is told
LESSONS = {
    "dimensions": "the size of pictures",
    "file size": "compression",
    "compression": "compression",
    "mean colour": "colour balance",
    "contrast": "contrast",
    "border": "the background at the border",
}


class Finding(NamedTuple):
    """One thing the reader should know."""

    severity: str  # 'error', 'warning' or 'note'
    text: str


def findings(report):
    """The findings of an audit's report, the gravest first."""
    parts = _about_files, _about_duplicates, _about_splits, _about_leaks
    found = [finding for part in parts for finding in part(report)]
    if not found:
        found = [Finding("note", "Nothing here tells a label but what pictures show.")]
    order = "error", "warning", "note"
    return sorted(found, key=lambda finding: order.index(finding.severity))


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
    for kind in ("same file", "same pixels"):
        found = [c for c in report["duplicates"][kind] if len(c["labels"]) > 1]
        if found:
            text = f"{len(found)} times the {kind} is labelled both real and fake"
            yield Finding("error", f"{text}, such as {_example(found)}.")
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
    for kind, clusters in report["duplicates"].items():
        across = [c for c in clusters if len(c["splits"]) > 1]
        if across:
            what = "near duplicates lie" if kind == "near" else f"the {kind} lies"
            yield Finding(
                "warning" if kind == "near" else "error",
                f"{len(across)} times {what} in different splits, such as "
                f"{_example(across)}: what is scored there is memory.",
            )


def _about_leaks(report):
    kinds = defaultdict(list)
    for leak in report["leaks"]:
        kinds[leak["fakes"]].append(leak)
    for fakes, (*alone, together) in kinds.items():
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
