"""TR-Net's experiments: six victims, five attacks, three levels of defence.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022): how far detectors can be trusted, and what hardens them.
"""

from functools import partial

import numpy as np

from jaxforensics.data import marks
from jaxforensics.experiments import (
    detection,
    trnet_checks,
    trnet_claims,
    trnet_paper,
    trnet_traces,
)
from jaxforensics.experiments.groups import of_group, one_by_one, share
from jaxforensics.experiments.trnet_bench import NONE, STRONG, WEAK, Bench, likeness
from jaxforensics.reporting import figures, tables

TITLE = "TR-Net"
SHARED = True  # among processes
PROTOCOL = """\
Victims are trained on the training split; their checkpoint is the one of highest AUC on
the unattacked validation split, and the likeliest class decides. NF is not trained: it
cuts at the equal-error threshold of the validation split. GANprintR is trained on real
pictures, TR-Net on pairs of a fake and its original or nearest real, neither on any
victim. FGSM and PGD follow the gradients of one undefended victim, named with their
settings. Each attacks the fakes of the test split, which are then stored in 8 bits, as
a saved file would be, and shown to all victims. Accuracy is that within a class: of the
reals, of the fakes, of the attacked fakes. Figures are means over seeds, ± the standard
deviation; victims, networks and attacks of a seed belong together. The paper's numbers,
of photographs, stand beside ours for orientation.
"""
DEFENCES = {
    NONE: ("Without defence", "Victims trained on pictures as they are; Table 1."),
    WEAK: (
        "Weak defence",
        "Training pictures are blurred, cropped, compressed and made noisy, each at "
        "times; Table 2.",
    ),
    STRONG: (
        "Strong defence",
        "Half of the fakes in training are shown as the attack under test leaves them: "
        "one training per victim and attack; Table 3.",
    ),
}
QUALITY = """\
How much like the fakes the attacked ones are; Table 4. Mean ± standard deviation over
the pictures of the first seed.
"""
TRANSFER = """\
All cells of the tables above, one per row, of the first seed: accuracy within a class
and how much of that of fakes an attack takes away, with 95 % bootstrap intervals over
groups of pictures.
"""
LIMITED = """\
TR-Net trained on a part of the pairs alone, or without one kind of fake; Fig. 14.
Victims are undefended.
"""


def run(
    workspace,
    data,
    *,
    victims,
    attacks,
    networks,
    training,
    weak,
    seeds,
    defences,
    limited,
    traces,
):
    """Every table and figure of the paper that its settings name victims for.

    `victims`, `attacks`, `networks`, `training` and `weak` are those of a `Bench`.
    `defences` {none, weak, strong}, `limited` and `traces` name the victims or attacks
    that they are about, and how many of the `seeds` they take, from the first on.
    """
    bench = Bench(
        workspace,
        data,
        victims=victims,
        attacks=attacks,
        networks=networks,
        training=training,
        weak=weak,
        seeds=seeds,
    )
    limited = dict(limited)
    if limited["leave_out"] is None:
        limited["leave_out"] = trnet_checks.fakes(data)
    used = trnet_checks.check(bench, defences, limited, traces)
    parts = [
        partial(_defend, bench, defence, single)
        for defence in DEFENCES
        for single in one_by_one(defences[defence], "victims")
    ]
    parts += [partial(_limit, bench, row) for row in one_by_one(limited, "victims")]
    if share(workspace, parts):
        return
    workspace.section("Data and protocol", PROTOCOL)
    detection.report_counts(workspace, data)
    everything = []
    for defence in DEFENCES:
        everything += _defend(bench, defence, defences[defence])
    if everything:
        _report_averages(workspace, everything)
    _report_quality(bench, used)
    _limit(bench, limited)
    few, settings = of_group(bench, traces)
    trnet_traces.report(few, **settings)
    trnet_claims.report(bench, defences[NONE], traces)
    if everything:
        workspace.section("Every accuracy", TRANSFER)
        rows = [_of_cell(bench, *cell) for cell in everything]
        workspace.table("transfer", rows, caption="Of the first seed.")


def _defend(bench, defence, settings):
    few, chosen = of_group(bench, settings)
    if not chosen["victims"]:
        return []
    bench.workspace.section(*DEFENCES[defence])
    return _report_defence(few, defence, **chosen)


def _limit(bench, settings):
    few, chosen = of_group(bench, settings)
    _report_limited(few, **chosen)


def _report_defence(bench, defence, *, victims, attacks):
    """Tables 1 to 3; cells (victim, defence, attack, real, fake, attacked) per seed."""
    cells = [
        (victim, defence, attack, *_measured(bench, victim, defence, attack))
        for victim in victims
        for attack in attacks
    ]
    printed = {NONE: trnet_paper.NONE, WEAK: trnet_paper.WEAK}
    if defence == STRONG:
        _report_strong(bench.workspace, cells)
        return cells
    rows = []
    for victim in victims:
        mine = [cell for cell in cells if cell[0] == victim]
        real, fake = mine[0][3:5]
        shares = {"real": real, "fake": fake} | {cell[2]: cell[5] for cell in mine}
        rows.append({"victim": victim} | shares)
    followed = _followed(bench, attacks)
    _report_rows(bench.workspace, f"accuracy_{defence}", rows, more=followed)
    paper = [
        {"victim": victim} | shares
        for victim, shares in printed[defence].items()
        if victim in victims
    ]
    if paper:
        caption = "The same in the paper, whose FGSM and PGD follow Xception."
        bench.workspace.table(f"accuracy_{defence}_paper", paper, caption=caption)
    return cells


def _measured(bench, victim, defence, attack):
    """Arrays of one accuracy per seed: of reals, fakes and attacked fakes."""
    known = attack if defence == STRONG else None
    clean = [bench.clean(victim, s, defence=defence, attack=known) for s in bench.seeds]
    left = [bench.fooled(victim, attack, s, defence=defence) for s in bench.seeds]
    return *np.array(clean).T, np.array(left)


def _followed(bench, attacks):
    """Which victims the attacks know: for others they are a transfer."""
    known = {a: bench.attacks[a]["on"] for a in attacks if "on" in bench.attacks[a]}
    return "".join(f" {attack} follows {victim}." for attack, victim in known.items())


def _report_rows(workspace, name, rows, *, more=""):
    """A table of accuracies per seed with their average, and a heat map."""
    columns = [column for column in rows[0] if column != "victim"]
    average = {c: np.mean([row[c] for row in rows], axis=0) for c in columns}
    shown = [
        {k: v if k == "victim" else tables.spread(v) for k, v in row.items()}
        for row in [*rows, {"victim": "average"} | average]
    ]
    workspace.table(name, shown, caption=f"Accuracy within a class.{more}")
    figure = figures.matrix(
        [[row[c].mean() for c in columns] for row in rows],
        rows=[row["victim"] for row in rows],
        columns=columns,
        x_label="pictures",
        y_label="victim",
    )
    workspace.figure(name, figure, caption="The same, means over the seeds.")


def _report_strong(workspace, cells):
    """Table 3, a table for each kind of picture."""
    for place, kind in ((3, "real"), (4, "fake"), (5, "attacked")):
        rows = {}
        for cell in cells:
            row = rows.setdefault(cell[0], {"victim": cell[0]})
            row[cell[2]] = cell[place]
        workspace.section("", f"Accuracy of {kind} pictures, after training against:")
        _report_rows(workspace, f"accuracy_strong_{kind}", list(rows.values()))
    victims = {cell[0] for cell in cells}
    paper = [
        {"victim": victim}
        | {
            attack: f"{shares[attack, 'clean']:.3f}, {shares[attack, 'attacked']:.3f}"
            for attack in trnet_paper.ATTACKS
        }
        for victim, shares in trnet_paper.STRONG.items()
        if victim in victims
    ]
    if paper:
        caption = "In the paper: fakes, attacked fakes."
        workspace.table("accuracy_strong_paper", paper, caption=caption)


def _report_averages(workspace, cells):
    """Fig. 12, over the victims that all of its defences have."""
    groups = {}
    for cell in cells:
        groups.setdefault(cell[1], []).append(cell)
    shared = set.intersection(*({cell[0] for cell in mine} for mine in groups.values()))
    if not shared:
        return
    whole = {}
    for defence, mine in groups.items():
        left = {}
        for victim, _, attack, *_, after in mine:
            if victim in shared:
                left.setdefault(attack, []).append(after.mean())
        whole[DEFENCES[defence][0]] = {a: np.mean(v) for a, v in left.items()}
    workspace.section("What defences are worth")
    figure = figures.bars(
        whole,
        y_label="accuracy of attacked fakes",
        y_limits=(0, 1.02),
        level=(0.5, "chance"),
    )
    names = ", ".join(dict.fromkeys(c[0] for c in cells if c[0] in shared))
    caption = f"Averages over victims that all of these have, as in Fig. 12: {names}."
    workspace.figure("defences", figure, caption=caption)


def _of_cell(bench, victim, defence, attack, *_):
    about = {"victim": victim, "defence": defence, "attack": attack}
    return about | bench.intervals(victim, attack, bench.seeds[0], defence=defence)


def _report_quality(bench, used):
    """Table 4 and Fig. 13."""
    seed, workspace = bench.seeds[0], bench.workspace
    known = [a for a in trnet_paper.ATTACKS if a in used]
    order = [*known, *(a for a in used if a not in known)]
    if not order:
        return
    found = {attack: bench.attacked(attack, seed) for attack in order}
    workspace.section("What attacks look like", QUALITY)
    rows = []
    for attack, shown in found.items():
        printed = trnet_paper.QUALITY.get(attack, (None, None))
        row = {"attack": attack}
        for name, digits, paper in zip(("psnr", "ssim"), (2, 3), printed, strict=True):
            own = likeness(shown[name])
            for title, pair in ((name.upper(), own), (f"{name.upper()}, paper", paper)):
                row[title] = pair and f"{pair[0]:.{digits}f} ± {pair[1]:.{digits}f}"
        rows.append(row)
    workspace.table("quality", rows, caption="PSNR in dB, peak 1; SSIM.")
    _, fakes = trnet_traces.originals(bench)
    names = bench.data.test.sources
    _, places = np.unique(fakes["source"], return_index=True)
    pictures = [
        [fakes["image"][i], *(shown["image"][i] for shown in found.values())]
        for i in places
    ]
    figure = figures.pictures(
        pictures,
        columns=["fake", *found],
        names=[names[fakes["source"][i]] for i in places],
    )
    caption = "The first test fake of each kind, and what each attack makes of it."
    mark = marks.mark(", ".join(found), [bench.attacks[attack] for attack in found])
    workspace.figure("attacked", figure, caption=caption, texts={marks.FIELD: mark})


def _report_limited(bench, *, attack, victims, fractions, leave_out):
    """Fig. 14."""
    if not victims or not (fractions or leave_out):
        return
    bench.workspace.section("What TR-Net has to know", LIMITED)
    if fractions:
        _report_fractions(bench, attack, victims, fractions)
    if leave_out:
        _report_left_out(bench, attack, victims, leave_out)


def _report_fractions(bench, attack, victims, fractions):
    rows, curves = [], {victim: [] for victim in victims}
    for fraction in fractions:
        limited = bench
        if fraction < 1:
            train = bench.data.train.share(fraction)
            limited = bench.knowing(f"share {fraction:g}", train)
        row = {"pairs": f"{100 * fraction:g} %"}
        for victim in victims:
            left = [limited.fooled(victim, attack, s) for s in bench.seeds]
            row[victim] = tables.spread(left)
            curves[victim].append(left)
        rows.append(row | _look(limited, attack))
    caption = (
        "Accuracy of attacked fakes, and their likeness, by the pairs in training."
    )
    bench.workspace.table("fractions", rows, caption=caption)
    percents = [100 * fraction for fraction in fractions]
    figure = figures.curves(
        {victim: (percents, np.transpose(left)) for victim, left in curves.items()},
        x_label="pairs in training, %",
        y_label="accuracy of attacked fakes",
        x_log=True,
        y_limits=(-0.02, 1.02),
    )
    bench.workspace.figure("fractions", figure, caption="A band holds all seeds.")


def _report_left_out(bench, attack, victims, sources):
    rows, names = [], bench.data.train.sources
    for source in sources:
        others = [name for name in trnet_checks.fakes(bench.data) if name != source]
        train = bench.data.train.only(others)
        unaware = bench.knowing(f"without {source}", train)
        for known, which in (("with", bench), ("without", unaware)):
            number = names.index(source)
            row = {"source": source, "in training": known}
            for victim in victims:
                left = [
                    which.fooled(victim, attack, s, sources=(number,))
                    for s in bench.seeds
                ]
                row[victim] = tables.spread(left)
            rows.append(row | _look(which, attack, source=number))
    caption = "Accuracy of attacked fakes of one kind, which TR-Net knew or did not."
    bench.workspace.table("left_out", rows, caption=caption)
    printed = [
        {"source": "ProGAN", "in training": known} | row
        for known, row in zip(("with", "without"), trnet_paper.LEFT_OUT, strict=True)
    ]
    caption = "In the paper, which trains on two kinds each time; what its text says."
    bench.workspace.table("left_out_paper", printed, caption=caption)


def _look(bench, attack, *, source=None):
    """Mean PSNR and SSIM of attacked fakes over the seeds."""
    found = {"psnr": [], "ssim": []}
    for seed in bench.seeds:
        shown = bench.attacked(attack, seed)
        mine = slice(None) if source is None else shown["source"] == source
        for name, values in found.items():
            values.append(likeness(shown[name][mine])[0])
    digits = {"psnr": 2, "ssim": 3}
    return {
        name.upper(): tables.spread(values, digits=digits[name])
        for name, values in found.items()
    }
