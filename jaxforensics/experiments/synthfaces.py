"""Is the embedded benchmark one?  Fakes of seen and unseen generators, compressed."""

import itertools
from functools import partial

import jax
import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.experiments import detection
from jaxforensics.experiments.groups import share
from jaxforensics.ops import degrade
from jaxforensics.reporting import figures, tables

TITLE = "SynthFaces: room to measure"
SHARED = True  # among processes
PROTOCOL = """\
Each detector is trained once per generator and seed, on that generator's fakes and all
reals of the training split; its checkpoint has the highest AUC on the validation split
of the same. It is then tested on every generator. 'Seen' is the generator of the
training, 'unseen' all others: those of whole faces, and editors, on which nothing is
trained. The accuracy is taken at the equal-error threshold of the validation split.
Everything here is drawn by code: no figure is a claim about the wild.
"""


def run(
    workspace,
    data,
    *,
    detectors,
    generators,
    editors,
    steps,
    training,
    seeds,
    quality,
):
    """Train `detectors` {title: {'model': …, and its settings}} on one generator each.

    All of `generators` have their turn, `editors` are for tests alone.  `steps` {title:
    steps}; `training` is as in `detection`.  `quality` is that of the JPEG that the
    test pictures are saved with once more.
    """

    def tested(title, generator, seed):
        known = data.train.only([generator])
        name, model = f"{title}/{generator}", detectors[title]
        net = detection.train(
            workspace, known, name, seed, model, steps[title], training
        )
        return _tested(workspace, data, net, f"{name}/seed{seed}", generator, quality)

    runs = list(itertools.product(detectors, generators, seeds))
    if share(workspace, [partial(tested, *key) for key in runs]):
        return
    found = {key: tested(*key) for key in runs}
    shown = (*generators, *editors)
    sources = [data.test.sources.index(generator) for generator in shown]
    matrices = {
        title: np.array(
            [
                [
                    [_auc(found[title, g, s]["test"], i) for i in sources]
                    for g in generators
                ]
                for s in seeds
            ]
        )
        for title in detectors
    }
    workspace.section("Protocol", PROTOCOL)
    detection.report_counts(workspace, data)
    _report_room(workspace, found, matrices, generators, seeds, sources, quality)
    _report_matrices(workspace, matrices, generators, shown)


def _tested(workspace, data, predictor, name, generator, quality):
    """{'validation', 'test', 'compressed'}: predictions."""
    known, test = data.train.only([generator]), data.test
    compress = {"jpeg": degrade.jpeg(low=quality, high=quality)}
    compressed = predictor.through(compress, jax.random.key(workspace.seed))
    found = detection.predictions(workspace, predictor, name, known, test)
    again = workspace.predict(
        f"{name}/jpeg{quality}",
        compressed,
        test.batches,
        test.digest,
        outputs=("jpeg",),
    )
    return found | {"compressed": again | {"score": again["jpeg"]}}


def _auc(test, source):
    chosen = (test["label"] == 0) | (test["source"] == source)
    return float(metrics.auc(test["label"][chosen], test["score"][chosen]))


def _accuracy(found, source):
    test = found["test"]
    chosen = (test["label"] == 0) | (test["source"] == source)
    return detection.balanced_accuracy(found, chosen=chosen)


def _report_room(workspace, found, matrices, generators, seeds, sources, quality):
    rows = []
    for title, matrix in matrices.items():
        count = len(generators)
        is_seen = np.eye(*matrix.shape[1:], dtype=bool)
        seen, unseen = matrix[:, is_seen], matrix[:, ~is_seen]
        faces = matrix[:, :, :count][:, ~is_seen[:, :count]]
        edits = matrix[:, :, count:].reshape(len(seeds), -1)
        accuracy, compressed = (
            np.array(
                [
                    [
                        measure(found[title, g, seed], i)
                        for g, i in zip(generators, sources, strict=False)
                    ]
                    for seed in seeds
                ]
            )
            for measure in (_accuracy, lambda f, i: _auc(f["compressed"], i))
        )
        families = {"AUC, unseen faces": faces, "AUC, unseen edits": edits}
        rows.append(
            {
                "detector": title,
                "accuracy, seen": tables.spread(accuracy.mean(1)),
                "AUC, seen": tables.spread(seen.mean(1)),
                **{k: tables.spread(x.mean(1)) for k, x in families.items() if x.size},
                "points lost, unseen": tables.spread(
                    100 * (seen.mean(1) - unseen.mean(1)), digits=1
                ),
                f"AUC, JPEG {quality}": tables.spread(compressed.mean(1)),
                "points lost, JPEG": tables.spread(
                    100 * (seen.mean(1) - compressed.mean(1)), digits=1
                ),
            }
        )
    workspace.section("Room to measure")
    workspace.table(
        "room",
        rows,
        caption=f"Means over {len(generators)} generators, ± the standard deviation "
        f"over {len(seeds)} seeds. Accuracy is the mean of that on reals and on fakes.",
    )


def _report_matrices(workspace, matrices, generators, tested):
    for title, matrix in matrices.items():
        mean = matrix.mean(0)
        rows = [
            {"trained on": trained} | dict(zip(tested, values, strict=True))
            for trained, values in zip(generators, mean.tolist(), strict=True)
        ]
        workspace.table(
            f"matrix_{title}", rows, caption=f"{title}: AUC, mean over the seeds."
        )
        workspace.figure(
            f"matrix_{title}",
            figures.matrix(
                mean,
                rows=generators,
                columns=tested,
                x_label="tested on",
                y_label="trained on",
                title=title,
                limits=(0.5, 1.0),
            ),
            caption=f"{title}: AUC, mean over the seeds.",
        )
