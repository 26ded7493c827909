"""AMTEN's robustness grid: every operation of Table IX in one pass over a split."""

import jax
import numpy as np

from jaxforensics.experiments.amten_bench import accuracy
from jaxforensics.ops import degrade
from jaxforensics.reporting import figures, tables


def report(bench, *, models, sets):
    """Accuracy after every operation of Table IX that runs on the device."""
    operations, key = degrade.amten_grid(), jax.random.key(bench.workspace.seed)
    cells = {f"{operation} {s}": (operation, s) for operation, s in operations}
    names = "none 0", *cells
    for trained_on in sets:
        values = {
            title: _through(bench, title, trained_on, operations, cells, key)
            for title in models
        }
        rows = [
            {"operation": name}
            | {title: tables.spread(found[name]) for title, found in values.items()}
            for name in names
        ]
        bench.workspace.section(
            f"Robustness, trained on {trained_on}",
            "Test pictures, as large as networks take them, go through one operation "
            "of Table IX at a time. (The sets that networks are trained on are changed "
            "at the size they are stored in.)",
        )
        where = f"robustness_{trained_on}"
        chance = 1 / len(bench.corpus(trained_on).test.sources)
        bench.workspace.table(where, rows, caption="Accuracy of sources.")
        for operation in dict.fromkeys(operation for operation, _ in operations):
            here = {s: name for name, (o, s) in cells.items() if o == operation}
            series = {
                title: (list(here), np.array([found[n] for n in here.values()]).T)
                for title, found in values.items()
            }
            axis = f"{degrade.AMTEN[operation].name} ({operation})"
            figure = figures.curves(
                series,
                x_label=axis,
                y_label="accuracy",
                y_limits=(0, 1.02),
                level=(chance, "chance"),
            )
            caption = f"{operation}: accuracy by severity; a band holds all seeds."
            bench.workspace.figure(f"{where}_{operation}", figure, caption=caption)


def _through(bench, title, trained_on, operations, cells, key):
    """{cell: one accuracy per seed}: pictures decoded once, all cells in one pass."""
    test, runs = bench.corpus(trained_on).test, []
    for seed in bench.seeds:
        net = bench.net(title, trained_on, seed)
        changed = {name: operations[at] for name, at in cells.items()}
        runs.append(
            bench.workspace.predict(
                f"{title}/source/{trained_on}/seed{seed}/grid",
                net.through(changed, key, output="logits"),
                test.batches,
                test.digest,
                outputs=("none 0", *cells),
            )
        )
    return {
        name: np.array([accuracy(found, logits=name) for found in runs])
        for name in ("none 0", *cells)
    }
