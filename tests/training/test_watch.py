"""Stages watched one by one: own streams, own measures, the best handed to the next."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from jaxforensics.evaluation import metrics
from jaxforensics.training import fit, hooks
from jaxforensics.training import watch as watches
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.nets import Method, Net, Stage, new_state
from jaxforensics.training.watch import Watch

MESH = data_mesh(devices=jax.devices()[:1])
SHAPE = (4, 6, 6)
PER_STEP = {"redraw": 1.0, "locate": 10.0}  # by which a stage moves the only weight


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the library may catch it."""


class Maps:
    """Black pictures with a mask and an original, all of one brightness.

    `drawn` counts validations; from `dies` on, nothing more can be drawn.
    """

    batch_size = 4
    digest = "maps"

    def __init__(self, brightness, *, dies=None):
        self.brightness = brightness
        self.dies = dies
        self.drawn = 0

    def batches(self, start=0):
        while True:
            if start == self.dies:
                raise Killed
            yield self.batch()
            start += 1

    def validation(self):
        self.drawn += 1
        yield self.batch()
        yield self.batch(padding=3)

    def batch(self, *, padding=0):
        valid = np.arange(4) < 4 - padding
        level = np.where(valid, self.brightness, 0.5)[:, None, None]
        return {
            "image": np.zeros((*SHAPE, 3), np.uint8),
            "mask": np.float32(np.broadcast_to(level, SHAPE)),
            "real": np.float32(np.broadcast_to(level[..., None], (*SHAPE, 3))),
            "label": np.ones(4, np.int32),
            "valid": np.float32(valid),
        }


def streams(**changes):
    return {"pairs": Maps(0.2), "maps": Maps(0.3)} | changes


def counter(*, first=4, second=3, poison=None):
    """Two stages that add to one weight; pictures are a tenth of it, maps a hundredth.

    So the first stage is best after two steps, and the second after three, if it began
    at two.  The weight is NaN after step `poison`.
    """

    def init(key, batch):
        del key, batch
        return new_state(only=Net({"weight": jnp.zeros(())}, {}, ()))

    def step(amount, key, state, batch):
        del key, batch
        weight = state.nets["only"].params["weight"] + amount
        after = state.step + 1
        if poison is not None:
            weight = jnp.where(after == poison, jnp.nan, weight)
        nets = {"only": Net({"weight": weight}, {}, ())}
        return state.replace(step=after, nets=nets), {"weight": weight}

    def predict(state, batch):
        weight = state.nets["only"].params["weight"]
        return {
            "score": jnp.full(len(batch["image"]), weight),
            "image": batch["image"] + weight / 10,
            "map": batch["image"][..., 0] + weight / 100,
        }

    stages = (
        Stage("redraw", first, "pairs", partial(step, PER_STEP["redraw"])),
        Stage("locate", second, "maps", partial(step, PER_STEP["locate"])),
    )
    return Method(init, stages, predict, {"first": first})


def closeness(outputs, batch):
    """Of the redrawn picture to the original: (b, h, w, 3) -> (b,)."""
    return {"closeness": -jnp.abs(outputs["image"] - batch["real"]).mean((1, 2, 3))}


def overlap(outputs, batch):
    """Of the map and the mask: (b, h, w) -> (b,)."""
    return {
        "overlap": -jnp.abs(outputs["map"] - batch["mask"]).mean((1, 2)),
        "ignored": jnp.zeros(len(batch["mask"])),
    }


WATCHES = {
    "redraw": Watch(measures=closeness, select="closeness"),
    "locate": Watch(measures=overlap, select="overlap"),
}
EACH = fit.Intervals(log_every=1, evaluate_every=1, save_every=1)


def run(directory, *, method=None, watch=WATCHES, intervals=EACH, **changes):
    return fit.fit(
        directory,
        method or counter(),
        streams(**changes),
        seed=0,
        watch=watch,
        intervals=intervals,
        mesh=MESH,
    )


def weight(fitted):
    return float(fitted.state.nets["only"].params["weight"])


def test_a_stage_hands_its_best_state_to_the_next(tmp_path):
    opened = streams()
    fitted = run(tmp_path, **opened)
    assert weight(fitted) == 2 + 30  # of maps, 0.32 is nearest to 0.3
    assert int(fitted.state.step) == 7
    best = {"stage": "redraw", "step": 2, "name": "closeness", "value": 0.0}
    last = {"stage": "locate", "step": 7, "name": "overlap", "value": -0.02}
    assert fitted.note["bests"]["redraw"] == pytest.approx(best)
    assert fitted.note["bests"]["locate"] == pytest.approx(last, abs=1e-6)
    assert fitted.note["best"] == fitted.note["bests"]["locate"]
    # Once before training, to know the names of measures; then after every step.
    assert (opened["pairs"].drawn, opened["maps"].drawn) == (1 + 4, 1 + 3)
    read = fit.load(tmp_path, counter(), opened, watch=WATCHES, mesh=MESH)
    assert weight(read) == 32 and read.note == fitted.note


def test_the_best_of_the_last_stage_is_returned_though_training_went_on(tmp_path):
    fitted = run(tmp_path, method=counter(second=5))
    assert weight(fitted) == 32 and int(fitted.state.step) == 7
    read = fit.load(tmp_path, counter(second=5), streams(), watch=WATCHES, mesh=MESH)
    assert weight(read) == 32


def test_a_last_stage_that_selects_nothing_returns_its_last_state(tmp_path):
    watch = WATCHES | {"locate": Watch(measures=overlap)}
    method = counter(second=5)
    fitted = run(tmp_path, method=method, watch=watch)
    assert weight(fitted) == 52 and fitted.note["best"] is None
    assert set(fitted.note["bests"]) == {"redraw"}
    read = fit.load(tmp_path, method, streams(), watch=watch, mesh=MESH)
    assert weight(read) == 52
    lonely = run(
        tmp_path / "lonely", method=method, watch={"redraw": WATCHES["redraw"]}
    )
    assert weight(lonely) == 52


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished training, and its metrics file."""
    directory = tmp_path_factory.mktemp("undisturbed")
    return run(directory), (directory / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(
    "dies, save_every", [(0, 1), (0, 4), (0, 0), (1, 1), (1, 4), (2, 2), (2, 0)]
)
def test_killed_in_the_next_stage_it_is_handed_the_same(
    undisturbed, tmp_path, dies, save_every
):
    """At (0, 1) and (0, 4) it goes on exactly from the boundary."""
    intervals = EACH._replace(save_every=save_every)
    with pytest.raises(Killed):
        run(tmp_path, maps=Maps(0.3, dies=dies), intervals=intervals)
    fitted = run(tmp_path, intervals=intervals)
    whole, history = undisturbed
    assert weight(fitted) == weight(whole) == 32
    assert fitted.note == whole.note
    assert (tmp_path / "metrics.jsonl").read_bytes() == history


def test_a_damaged_checkpoint_behind_the_boundary_costs_nothing(tmp_path, caplog):
    with pytest.raises(Killed):
        run(tmp_path, maps=Maps(0.3, dies=1))
    for file in (tmp_path / "last/5/state").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:20])
    fitted = run(tmp_path)
    assert "falling back" in caplog.text
    assert weight(fitted) == 32 and set(fitted.note["bests"]) == {"redraw", "locate"}


def test_a_stage_is_measured_at_its_end_whatever_the_interval(tmp_path):
    run(tmp_path, intervals=EACH._replace(evaluate_every=3))
    text = (tmp_path / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    measured = {
        name: [row["step"] for row in rows if f"validation/{name}" in row]
        for name in ("closeness", "overlap")
    }
    assert measured == {"closeness": [3, 4], "overlap": [6, 7]}


def test_one_watch_chooses_over_all_stages_on_the_first_ones_stream(tmp_path):
    opened = streams()
    fitted = run(tmp_path, watch=WATCHES["redraw"], **opened)
    assert weight(fitted) == 2 and fitted.note["best"]["stage"] == "redraw"
    assert (opened["pairs"].drawn, opened["maps"].drawn) == (1 + 7, 0)
    other = WATCHES["redraw"]._replace(stream="maps")
    assert weight(run(tmp_path / "other", watch=other)) == 3


@pytest.mark.parametrize("poison, step, expected", [(2, 1, 1), (5, 2, 2), (7, 6, 22)])
def test_of_a_run_that_diverges_the_best_so_far_is_left(
    tmp_path, poison, step, expected
):
    method = counter(poison=poison)
    with pytest.raises(hooks.NotFinite):
        run(tmp_path, method=method)
    place = tmp_path, method, streams()
    salvaged = fit.salvage(*place, seed=0, watch=WATCHES, mesh=MESH)
    assert weight(salvaged) == expected
    assert salvaged.note["best"]["step"] == step


def test_big_outputs_stay_on_the_device_and_padding_counts_for_nothing(tmp_path):
    columns_seen = []

    def summary(columns):
        columns_seen.append(columns)
        return {"mean": columns["closeness"].mean()}

    watch = Watch(outputs=("score",), measures=closeness, summary=summary)
    run(tmp_path, watch=watch, intervals=fit.Intervals())
    (columns,) = columns_seen
    assert set(columns) == {"score", "closeness", "label"}
    assert {column.shape for column in columns.values()} == {(5,)}  # of 8, 3 padded


def test_a_misspelt_select_is_named_before_training(tmp_path):
    opened = streams(pairs=Maps(0.2, dies=1))  # 0 gives the initial state
    watch = WATCHES | {"locate": Watch(measures=overlap, select="overlp")}
    message = r"'overlp' to select by .did you mean 'overlap'.*: ignored, overlap"
    with pytest.raises(ValueError, match=message):
        run(tmp_path, watch=watch, **opened)


def test_a_select_that_a_summary_does_not_give_is_named_when_measured(tmp_path):
    watch = watches.detection(select="acuracy")
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        fit.fit(tmp_path, tiny.method(), {"train": tiny.Stream()}, seed=0, watch=watch)


@pytest.mark.parametrize(
    "watch, message",
    [
        (Watch(), "the watch measures nothing"),
        ({"redraw": Watch()}, "the watch of stage 'redraw' measures nothing"),
        ({"redrew": Watch()}, "no stage 'redrew' .did you mean 'redraw'"),
        ({"redraw": "auc"}, "the watch of stage 'redraw' is a str, not a Watch"),
    ],
)
def test_a_watch_that_cannot_work_is_refused(watch, message):
    with pytest.raises(ValueError, match=message):
        watches.check(watch, counter())


def test_stages_of_one_name_cannot_be_watched_one_by_one():
    method = counter()
    twins = tuple(stage._replace(name="redraw") for stage in method.stages)
    with pytest.raises(ValueError, match="different names"):
        watches.check({"redraw": WATCHES["redraw"]}, method._replace(stages=twins))


def whole_batch(outputs, batch):
    return {"mean": outputs["map"].mean()}


def shadow(outputs, batch):
    return {"label": batch["valid"]}


@pytest.mark.parametrize(
    "watch, message",
    [
        (Watch(measures=whole_batch), "'mean' has shape .*: it has to be one value"),
        (Watch(measures=shadow), "'label' is also called an output or a column"),
        (
            Watch(summary=dict, outputs=("score", "maps")),
            "predict gives no output 'maps' .did you mean 'map'",
        ),
        (
            Watch(measures=closeness, stream="map"),
            "no stream 'map' .did you mean 'maps'",
        ),
    ],
)
def test_measures_that_cannot_work_are_refused_before_training(
    tmp_path, watch, message
):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, watch=watch, pairs=Maps(0.2, dies=1))


def test_detection_gives_the_two_measures_of_a_detector():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 30)
    scores = draw.random(30)
    watch = watches.detection()
    assert watch.select == "auc"
    assert watch.summary({"label": labels, "score": scores}) == {
        "auc": metrics.auc(labels, scores),
        "accuracy": metrics.accuracy(labels, scores),
    }


def test_settings_tell_watches_apart():
    described = watches.settings(WATCHES)
    assert json.loads(json.dumps(described)) == described
    assert described["redraw"]["select"] == "closeness"
    assert described["redraw"]["measures"].endswith("test_watch.closeness")
    assert watches.settings(None) is None
    thirds = [
        watches.settings(Watch(measures=partial(closeness, scale=scale)))
        for scale in (1, 3)
    ]
    assert thirds[0] != thirds[1]
