"""A run's directory: trained once, cached, never mixed, reported the same again."""

import json
import shutil
from contextlib import nullcontext

import jax
import numpy as np
import pytest
import tiny

from jaxforensics import provenance
from jaxforensics.experiments.common import claims
from jaxforensics.reporting import figures
from jaxforensics.training.hooks import NotFinite
from jaxforensics.workspace import Workspace, describe_mixture

OFTEN = {"log_every": 2, "evaluate_every": 4, "save_every": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory in which `net` has been trained, and its scores."""
    directory = tmp_path_factory.mktemp("run")
    return directory, scores(open_run(directory))


@pytest.fixture
def workspaces():
    """`open_run`, with the locks given back at the end."""
    opened = []

    def opener(directory, **settings):
        opened.append(open_run(directory, **settings))
        return opened[-1]

    yield opener
    for workspace in opened:
        workspace.close()


def open_run(directory, **settings):
    return Workspace(directory, **OFTEN | settings)


def train(workspace, *, method=None, stream=None, seed=None):
    return workspace.train(
        "net",
        method or tiny.method(),
        stream or tiny.Stream(),
        watch=tiny.WATCH,
        seed=seed,
    )


def scores(workspace):
    try:
        predictor = train(workspace)
        found = workspace.predict("net", predictor, tiny.Stream().validation, "v1")
        return found["score"]
    finally:
        workspace.close()


def test_finished_trainings_and_predictions_are_reused(trained, workspaces):
    directory, expected = trained
    workspace = workspaces(directory)
    predictor = train(workspace, stream=tiny.Untouchable())
    unread = tiny.Untouchable().validation

    found = workspace.predict("net", predictor, unread, "v1")
    assert np.array_equal(found["score"], expected)
    assert len(found["group"]) == len(expected) == 22
    with pytest.raises(AssertionError, match="predicted again"):
        workspace.predict("net", predictor, unread, "v2")


def test_a_method_is_traced_once_for_all_seeds(workspaces, tmp_path):
    workspace, traced = workspaces(tmp_path), []

    def method(number, **settings):
        found = tiny.method(**settings)
        step = found.stages[0].step

        def counted(*args):
            traced.append(number)
            return step(*args)

        stages = (found.stages[0]._replace(step=counted), found.stages[1])
        return found._replace(stages=stages)

    for number, settings in enumerate(({}, {}, {"second": 7})):
        name, seed = f"net{number}", number
        workspace.train(name, method(number, **settings), tiny.Stream(), seed=seed)
    assert set(traced) == {0, 2}
    weights = [
        workspace.train(f"net{n}", method(n), tiny.Stream(), seed=n).state.nets["a"]
        for n in (0, 1)
    ]
    first, second = (jax.tree.leaves(net.params) for net in weights)
    assert not any(map(np.array_equal, first[:1], second[:1]))


@pytest.mark.parametrize(
    "broken, step, kept",
    [
        ({"stream": tiny.Stream(poison=3)}, 4, "before the first step"),
        ({"stream": tiny.Stream(poison=5)}, 6, "of step 4"),
        ({"method": tiny.spoilt(5)}, 6, "of step 4"),  # a state before metrics say so
    ],
)
def test_a_run_goes_on_when_a_training_diverges(
    workspaces, tmp_path, caplog, broken, step, kept
):
    """The same report, of the best state before, however often the clock saves."""
    found, rows = [], []
    for seconds in (1e-9, 1e9):
        workspace = workspaces(tmp_path / str(seconds), save_seconds=seconds)
        for _ in range(2):  # trained, then read back
            predictor = train(workspace, **broken)
            batches = tiny.Stream().validation()
            found.append(predictor.over(batches)["score"])
        assert caplog.text.count(f"net: step {step}: ") == 1
        caplog.clear()
        report = workspace.new_report()
        decided = [claims.decided("It works: how well", [1, 1.1])]
        claims.report(report, claims.unless_diverged(decided, workspace.diverged))
        page = workspace.write(report, "A study").with_name("README.md").read_text()
        assert "Trainings that diverged" in page
        assert "says nothing: trainings diverged" in page
        rows += [line for line in page.splitlines() if f"step {step}: " in line]
    assert rows[0] == rows[1] and kept in rows[0]
    assert str(list(range(8 * step - 8, 8 * step))) in rows[0]
    assert np.isfinite(found).all()
    assert all(np.array_equal(found[0], scores) for scores in found[1:])


def test_a_strict_training_ends_the_run(workspaces, tmp_path):
    workspace, stream = workspaces(tmp_path), tiny.Stream(poison=3)
    for strict in (True, False):
        with pytest.raises(NotFinite, match="step 4") if strict else nullcontext():
            workspace.train("net", tiny.method(), stream, strict=strict)
    with pytest.raises(NotFinite, match="Delete .*net to train it again"):
        workspace.train("net", tiny.method(), stream, strict=True)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 9}, "seed: 0 → 9"),
        ({"method": tiny.method(second=7)}, r"method.second: 6 → 7"),
    ],
)
def test_other_settings_are_refused(trained, workspaces, change, message):
    with pytest.raises(SystemExit, match=message) as refusal:
        train(workspaces(trained[0]), **change)
    assert "--workdir" in str(refusal.value)


def test_other_data_is_refused(trained, workspaces):
    stream = tiny.Stream()
    stream.digest = "other"
    with pytest.raises(SystemExit, match="data.train: stream → other"):
        train(workspaces(trained[0]), stream=stream)


def test_nets_without_readable_settings_are_refused(trained, workspaces, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(trained[0], directory)
    (directory / "nets/net/settings.json").write_text("{ cut")
    with pytest.raises(SystemExit, match="delete that folder"):
        train(workspaces(directory))


def test_damaged_predictions_are_made_again(trained, workspaces, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(trained[0], directory)
    stored = directory / "measurements/net.npz"
    for damaged in (b"", b"PK", stored.read_bytes()[:-40]):
        stored.write_bytes(damaged)
        workspace = workspaces(directory)
        assert np.array_equal(scores(workspace), trained[1])


def test_two_runs_cannot_share_a_directory(workspaces, tmp_path):
    workspaces(tmp_path)
    with pytest.raises(SystemExit, match="another run is using"):
        workspaces(tmp_path)


def test_measurements_are_cached_by_their_inputs(workspaces, tmp_path):
    calls = []

    def measure():
        calls.append(1)
        return {"auc": 0.5, "rows": [1, 2]}

    workspace = workspaces(tmp_path)
    for inputs in (("a", {"k": 1}), ("a", {"k": 1}), ("a", {"k": 2})):
        assert workspace.measure("m", measure, *inputs) == {"auc": 0.5, "rows": [1, 2]}
    assert len(calls) == 2
    (tmp_path / "measurements/m.json").write_text("{ cut")
    workspace.measure("m", measure, "a", {"k": 2})
    assert len(calls) == 3


def test_predictions_under_operations_equal_predictions_of_changed_pictures(
    trained, workspaces, key
):
    predictor = train(workspaces(trained[0]))
    dark = predictor.through({"dark": lambda key, image: image / 2}, key)

    def halved():
        for batch in tiny.Stream().validation():
            yield batch | {"image": np.float32(batch["image"]) / 255 / 2}

    found = dark.over(tiny.Stream().validation(), outputs=("none 0", "dark"))
    assert np.array_equal(found["none 0"], trained[1])
    assert np.allclose(found["dark"], predictor.over(halved())["score"], atol=1e-6)


def test_gradients_flow_to_the_picture(trained, workspaces):
    predictor = train(workspaces(trained[0]))
    image = np.full((2, 8, 8, 3), 0.4, np.float32)
    slope = jax.grad(lambda x: predictor({"image": x})["score"].sum())(image)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0


def write_report(workspace):
    config = {"data": {"root": "x"}, "seeds": (0, 1)}
    workspace.describe(config, data={"training": "0123abc"})
    report = workspace.new_report()
    report.section("Results", "Two numbers.")
    report.table("numbers", [{"name": "a|b", "auc": (0.9, 0.8, 0.95)}])
    plot = figures.curves({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y")
    report.figure("plot", plot, caption="A line.")
    return workspace.write(report, "Title")


def test_reports_are_complete_and_repeatable(workspaces, tmp_path):
    workspace = workspaces(tmp_path)
    page = write_report(workspace).read_bytes()
    workspace.close()
    again = write_report(workspaces(tmp_path)).read_bytes()
    assert page == again
    text = page.decode()
    assert "training 0123abc" in text
    assert "Two numbers." in text and "A line." in text and "data:image/png" in text
    assert "a|b,0.9,0.8,0.95" in (tmp_path / "report/tables/numbers.csv").read_text()
    assert (tmp_path / "report/figures/plot.png").stat().st_size > 1000
    assert "![A line.](figures/plot.png)" in (tmp_path / "report/README.md").read_text()
    assert json.loads((tmp_path / "config.json").read_text())["seeds"] == [0, 1]
    stored = json.loads((tmp_path / "environment.json").read_text())
    assert stored["libraries"]["jax"] == jax.__version__


def test_a_helper_works_beside_its_leader_and_reports_nothing(workspaces, tmp_path):
    leader = workspaces(tmp_path, processes=2)
    helper = workspaces(tmp_path, helper=True)
    assert leader.reports and not helper.reports
    helper.describe({"seeds": (0, 1)})
    assert not (tmp_path / "config.json").exists()
    assert helper.measure("m", lambda: 1, "a") == leader.measure("m", second, "a") == 1


def second():
    raise AssertionError("measured again")


@pytest.fixture
def elsewhere(monkeypatch):
    """A function that pretends that code, versions or devices are others."""

    def change(kind, value):
        original = provenance.surroundings

        def surroundings(*objects):
            return original(*objects) | {kind: value}

        monkeypatch.setattr(provenance, "surroundings", surroundings)

    return change


@pytest.fixture
def copied(trained, tmp_path):
    """A directory of its own with the finished net."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


OTHERS = {
    "code": "0123456789abcdef",
    "versions": "jax 99.0.0",
    "devices": "7 × cpu with 7 cores",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_nets_of_other_surroundings_are_refused(copied, workspaces, elsewhere, kind):
    elsewhere(kind, OTHERS[kind])
    with pytest.raises(SystemExit, match=f"trained with other {kind}:") as refusal:
        train(workspaces(copied))
    message = str(refusal.value)
    assert OTHERS[kind] in message
    assert f"--accept={kind}" in message and "--workdir" in message


@pytest.mark.parametrize("kind", OTHERS)
def test_accepted_differences_are_said_beside_the_rows(
    copied, workspaces, elsewhere, kind
):
    """A finished net of other code, and one trained anew, whose net was deleted."""
    elsewhere(kind, OTHERS[kind])
    workspace = workspaces(copied, accept=(kind,))
    train(workspace, stream=tiny.Untouchable())
    workspace.train("new", tiny.method(), tiny.Stream(), watch=tiny.WATCH)
    assert list(workspace.mixed) == ["net"]
    assert OTHERS[kind] in workspace.mixed["net"]

    report = workspace.new_report(remarks={"net": "is of other code"})
    report.section("Results")
    report.table("rows", [{"who": "net", "auc": 0.9}, {"who": "new", "auc": 0.8}])
    page = workspace.write(report, "A study").with_name("README.md").read_text()
    assert "Code and devices are mixed" in page and OTHERS[kind] in page
    rows = [line for line in page.splitlines() if line.startswith("| net")]
    assert any("†" in line for line in rows)
    assert not any("†" in line for line in page.splitlines() if "| new" in line)


def test_a_training_that_moves_says_from_which_step_on(workspaces, elsewhere, tmp_path):
    """Begun on some devices, stopped, ended on others."""
    begun = workspaces(tmp_path)
    with pytest.raises(AssertionError, match="stopped"):
        train(begun, stream=tiny.Ending(stop=5))
    begun.close()

    elsewhere("devices", OTHERS["devices"])
    refusing = workspaces(tmp_path)
    with pytest.raises(SystemExit, match="--accept=devices"):
        train(refusing)
    refusing.close()

    accepting = workspaces(tmp_path, accept=("devices",))
    train(accepting)
    history = json.loads((tmp_path / "nets/net/provenance.json").read_text())
    assert [part["step"] for part in history] == [0, 4]
    assert history[1]["devices"] == OTHERS["devices"]
    assert f"{OTHERS['devices']} from step 4" in accepting.mixed["net"]


def test_a_mixture_names_what_differs_alone():
    here = {"code": "a", "versions": "v", "devices": "1 × cpu"}
    assert describe_mixture([{"step": 0, **here}], here) == ""
    history = [{"step": 0, **here}, {"step": 40, **here, "code": "b"}]
    text = describe_mixture(history, here)
    assert text == "code a from step 0, b from step 40 (here a)"


def test_measurements_of_other_code_are_made_again(workspaces, elsewhere, tmp_path):
    workspace = workspaces(tmp_path)
    assert workspace.measure("m", lambda: 1) == 1
    elsewhere("code", OTHERS["code"])
    assert workspace.measure("m", lambda: 2) == 2
