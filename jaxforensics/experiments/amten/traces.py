"""Fig. 3 of AMTEN's paper: what its filters let through as training goes on.

Everything here is measured, and cached as arrays; `trace_figures` draws it.
"""

from dataclasses import fields
from typing import NamedTuple

import jax
import numpy as np

from jaxforensics.experiments.amten.settings import cells_of, over_seeds
from jaxforensics.models.amtennet import AMTEN
from jaxforensics.ops.color import to_float

BEST = "best"  # the checkpoint that is tested
DRAWN = 3  # pictures in the figure
BORDER = 5  # pixels that AMTEN's five layers see zeros from
CONSTANT = 1e-12  # variance per pixel below which a map holds nothing to explain


class Moment(NamedTuple):
    """AMTEN at one moment of a training; parts are 'F2', 'F1' and 'F_mt'."""

    contents: dict  # {part: mean share of content, a value per seed}
    maps: dict  # {part: (pictures, h, w, c)}, first seed, pictures of the figure alone


class Traces(NamedTuple):
    """Example pictures, and what AMTEN makes of them at several moments."""

    images: np.ndarray  # (sources, h, w, 3) in [0, 1]
    sources: list  # their names
    moments: dict  # {'20 steps', …, 'best': Moment}


def moments(settings):
    """{name of a moment: the step to stop at, None for the best checkpoint}."""
    stops = {f"{steps} steps": steps for steps in settings.traces["after"]}
    return stops | {BEST: None}


def measure(made, settings, corpora):
    """{(title, trained on): Traces}, of every network and set of the group."""
    traces = {}
    for title, trained_on in cells_of(settings, "traces"):
        test = corpora[trained_on].test
        images, sources = examples(test)
        networks = over_seeds(settings, "traces", title, trained_on)
        by_moment = {}
        for name, after in moments(settings).items():
            at_moment = [network._replace(after=after) for network in networks]
            looks = [
                _look(made, network, settings, test, images) for network in at_moment
            ]
            by_moment[name] = _moment(looks)
        traces[title, trained_on] = Traces(images, sources, by_moment)
    return traces


def examples(test):
    """The first test picture of each source, and their sources: a real, fakes, reals.

    Pictures are (sources, h, w, 3) in [0, 1].
    """
    first_pictures = {}
    for batch in test.batches():
        for i in np.flatnonzero(batch["valid"]):
            place = int(batch["label"][i]), test.sources[batch["source"][i]]
            first_pictures.setdefault(place, batch["image"][i])
    first, *others = sorted(first_pictures)
    fakes = [place for place in others if place[0] == 1]
    reals = [place for place in others if place[0] == 0]
    places = [first, *fakes, *reals]
    images = np.stack([first_pictures[place] for place in places])
    return to_float(images), [source for _, source in places]


def maps(settings, predictor, images):
    """{'F2', 'F1', 'F_mt'}: AMTEN's maps of pictures (b, h, w, 3) in [0, 1].

    `settings` are those of the network, of which AMTEN has some.  Parts that a variant
    lacks are left out.
    """
    names = {field.name for field in fields(AMTEN)}
    module = AMTEN(**{k: v for k, v in dict(settings).items() if k in names})
    classifier = predictor.state.nets["classifier"]
    variables = {"params": jax.device_get(classifier.params["amten"])}
    # The network looks at values of 0 to 255.
    stacked = np.asarray(jax.jit(module.apply)(variables, 255 * images))

    ends = module.width, module.width + 3
    second, first, traces = np.split(stacked, ends, axis=-1)
    parts = {"F2": second, "F1": first, "F_mt": traces}
    return {name: part for name, part in parts.items() if part.shape[-1]}


def content(maps, images):
    """Per picture, the share of the maps' variance that colours explain linearly.

    This is R² of a least-squares fit of a map's pixels to the picture's three colours
    there and a constant: (b, h, w, c), (b, h, w, 3) -> (b, c) in [0, 1]; nan where a
    map is constant.
    """
    shares = []
    for picture_maps, image in zip(maps, images, strict=True):
        responses = np.float64(picture_maps).reshape(-1, picture_maps.shape[-1])
        colours = np.float64(image).reshape(-1, image.shape[-1])
        colours = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
        responses = responses - responses.mean(0)
        fit = np.linalg.lstsq(colours, responses, rcond=None)[0]
        unexplained = np.square(responses - colours @ fit).sum(0)
        total = np.square(responses).sum(0)
        varies = total > CONSTANT * len(responses)
        share = 1 - unexplained / np.where(varies, total, 1)
        shares.append(np.where(varies, np.clip(share, 0, 1), np.nan))
    return np.array(shares)


def mean_content(maps, images):
    """Mean content of maps over those that have any, away from the border."""
    inside = slice(BORDER, -BORDER), slice(BORDER, -BORDER)
    shares = content(maps[:, *inside], images[:, *inside])
    if not np.isfinite(shares).any():
        return np.nan
    return np.nanmean(shares)


def _look(made, network, settings, test, images):
    """{'content/PART', 'maps/PART': array} of one network, stored."""
    predictor = made[network.name]
    model = settings.models[network.title]

    def look():
        arrays = {}
        for part, responses in maps(model, predictor, images).items():
            arrays[f"content/{part}"] = np.asarray(mean_content(responses, images))
            # All pictures count for the content, few are drawn.
            arrays[f"maps/{part}"] = responses[:DRAWN]
        return arrays

    return made.workspace.arrays(
        f"traces/{network.name}", look, predictor.digest, test.digest
    )


def _moment(looks):
    """The Moment of what was seen of one network per seed."""
    parts = [
        name.removeprefix("maps/") for name in looks[0] if name.startswith("maps/")
    ]
    return Moment(
        contents={
            part: np.array([float(look[f"content/{part}"]) for look in looks])
            for part in parts
        },
        maps={part: looks[0][f"maps/{part}"] for part in parts},
    )
