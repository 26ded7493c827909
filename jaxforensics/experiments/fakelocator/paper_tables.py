"""The paper's numbers as tables that stand beside those of a run, by group."""

from jaxforensics.experiments.fakelocator import paper


def types():
    """Table I: accuracy without augmentation, with partial one, of named clusters."""
    return [
        {"trained on": trained_on, "tested on": test}
        | dict(zip(("none", "(1, 0)", "clusters"), accuracies, strict=True))
        for (trained_on, test), accuracies in paper.TYPES.items()
    ]


def losses():
    """Table IV."""
    return [{"network": name} | _of_map(row) for name, row in paper.LOSSES.items()]


def detection():
    """Table III."""
    return [
        {"set": name, "detector": detector} | accuracies._asdict()
        for name, detectors in paper.DETECTION.items()
        for detector, accuracies in detectors.items()
    ]


def sets():
    """Table V."""
    return [
        {"set": name, "network": network} | _of_map(row)
        for name, rows in paper.SETS.items()
        for network, row in rows.items()
    ]


def _of_map(row):
    """The columns of a `paper.Printed` that tables of maps have."""
    return {
        "accuracy": row.accuracy,
        "COSS": row.coss,
        "PSNR": row.psnr,
        "SSIM": row.ssim,
        "Dice": row.dice,
        "IoU": row.iou,
        "PBCA": row.pbca,
        "IINC": row.iinc,
    }


def crossed():
    """Table VI."""
    return [
        {"trained on": trained_on, "tested on": test} | cell._asdict()
        for (trained_on, test), cell in paper.CROSSED.items()
    ]


def augmented():
    """Table VII."""
    return [
        {"augmentation": name} | cell._asdict()
        for name, cell in paper.AUGMENTED.items()
    ]


def universal():
    """Table IX."""
    return [
        {"tested on": name} | cell._asdict() for name, cell in paper.UNIVERSAL.items()
    ]


def attention():
    """Table X, without attention and with it."""
    return [
        {"tested on": name, "attention": attended} | cell._asdict()
        for name, cells in paper.ATTENTION.items()
        for attended, cell in zip(("no", "yes"), cells, strict=True)
    ]


ROWS = {
    "types": types,
    "losses": losses,
    "crossed": crossed,
    "augmented": augmented,
    "universal": universal,
    "attention": attention,
    "detection": detection,
    "sets": sets,
}
