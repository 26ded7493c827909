"""Fig. 3 of AMTEN's paper: what its filters let through as training goes on."""

import jax
import numpy as np

from jaxforensics.models.amtennet import AMTEN
from jaxforensics.reporting import figures, tables

TEXT = """\
The maps that AMTEN hands on, after some steps and of the checkpoint that is tested: the
picture's content should fade and traces stay. Content is the share of a map's variance
that a linear function of the picture's own colours explains, pixel by pixel, away from
the border, where maps see zeros; maps that are constant have none.
"""
SHOWN = 3  # pictures in the figure
BORDER = 5  # pixels that AMTEN's five layers see zeros from
SPREAD = 3  # standard deviations from black to white


def report(bench, *, models, sets, after):
    """Maps and their content after the steps `after`, and of the best checkpoint."""
    workspace = bench.workspace
    workspace.section("What AMTEN's filters let through", TEXT)
    for name in sets:
        images, sources = _examples(bench.corpus(name).test)
        for title in models:
            rows = []
            for steps in (*after, None):
                nets = [bench.net(title, name, s, after=steps) for s in bench.seeds]
                found = [maps(bench.models[title], net, images) for net in nets]
                when = "best" if steps is None else f"{steps} steps"
                rows.append({"after": when} | _contents(found, images))
                workspace.figure(
                    f"traces_{title}_{name}_{when.replace(' ', '_')}",
                    _figure(found[0], images),
                    caption=f"{title} trained on {name}, {when}, first seed. Rows: "
                    f"{', '.join(sources[:SHOWN])}.",
                )
            caption = f"{title} on {name}: content of the maps, mean over pictures."
            workspace.table(f"traces_{title}_{name}", rows, caption=caption)


def maps(settings, net, images):
    """{'F2', 'F1', 'F_mt'}: AMTEN's maps of pictures (b, h, w, 3) in [0, 1]."""
    own = {k: v for k, v in dict(settings).items() if k in AMTEN.__dataclass_fields__}
    module = AMTEN(**own)
    params = jax.device_get(net.state.nets["classifier"].params["amten"])
    found = np.asarray(jax.jit(module.apply)({"params": params}, 255 * images))
    second, rest = np.split(found, [module.width], axis=-1)
    parts = {"F2": second, "F1": rest[..., :3], "F_mt": rest[..., 3:]}
    return {k: v for k, v in parts.items() if v.shape[-1]}


def content(maps, images):
    """Per picture, the share of the maps' variance that colours explain linearly.

    (b, h, w, c), (b, h, w, 3) -> (b, c) in [0, 1]; nan where a map is constant.
    """
    shares = []
    for response, image in zip(maps, images, strict=True):
        y = np.float64(response).reshape(-1, response.shape[-1])
        x = np.float64(image).reshape(-1, image.shape[-1])
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        y = y - y.mean(0)
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        whole = np.square(y).sum(0)
        known = whole > 1e-12 * len(y)
        part = 1 - np.square(left).sum(0) / np.where(known, whole, 1)
        shares.append(np.where(known, np.clip(part, 0, 1), np.nan))
    return np.array(shares)


def _examples(test):
    """The first test picture of each source, and the sources: a real, fakes, reals."""
    found = {}
    for batch in test.batches():
        for i in np.flatnonzero(batch["valid"]):
            row = batch["label"][i], test.sources[batch["source"][i]]
            found.setdefault(row, batch["image"][i])
    first, *others = sorted(found)
    chosen = [first, *sorted(others, key=lambda row: row[0], reverse=True)]
    images = np.stack([found[row] for row in chosen])
    return np.float32(images) / 255, [source for _, source in chosen]


def _contents(runs, images):
    """Columns of a table: one per part, over the seeds."""
    return {
        part: tables.spread([_mean_content(run[part], images) for run in runs])
        for part in runs[0]
    }


def _mean_content(maps, images):
    inside = slice(BORDER, -BORDER), slice(BORDER, -BORDER)
    shares = content(maps[:, *inside], images[:, *inside])
    return np.nanmean(shares) if np.isfinite(shares).any() else np.nan


def _figure(found, images):
    """Pictures, the six filters of F2 and the traces that they start from."""
    shown = {name: found[name] for name in ("F2", "F_mt") if name in found}
    places = [(name, c) for name, p in shown.items() for c in range(p.shape[-1])][:9]
    rows = [
        [images[i], *(_gray(shown[name][i, ..., c]) for name, c in places)]
        for i in range(min(SHOWN, len(images)))
    ]
    columns = ["picture", *(f"{name} {c + 1}" for name, c in places)]
    return figures.pictures(rows, columns=columns)


def _gray(response):
    deviation = max(float(response.std()), 1e-6)
    return np.clip(0.5 + (response - response.mean()) / (2 * SPREAD * deviation), 0, 1)
