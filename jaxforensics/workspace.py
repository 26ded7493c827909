"""The directory of a run: trains each net once, caches, resumes, reports."""

import json
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import jax
from absl import logging

from jaxforensics import provenance
from jaxforensics.files import sha256
from jaxforensics.reporting.report import Report
from jaxforensics.settings import differences, digest, plain
from jaxforensics.store import Store
from jaxforensics.training import checkpoints, fit, mesh, predict, weights
from jaxforensics.training import watch as watches
from jaxforensics.training.hooks import NotFinite
from jaxforensics.training.nets import Net
from jaxforensics.training.predict import Predictor

DIVERGED = """\
The losses or weights of these became NaN or infinite, and their training ended there.
What this report says of them, and of what builds on them, is said of the state named
below. Before anything is concluded they want another look: a lower rate, or those
records. No claim is decided.
"""
MIXED = """\
Not everything here was trained by the code, the library versions and the devices that
wrote this report. Rows marked with a dagger rest on such nets, directly or not.
"""
WAYS_OUT = {
    "code": "go back to that code",
    "versions": "install those versions",
    "devices": "use such devices and as many --processes as then",
}


class Outcome(NamedTuple):
    """What a report has to say about a training."""

    diverged: str  # where, or ''
    best: dict | None  # the step that was chosen, and by which value
    mixture: str  # other code, versions or devices that it was made by, or ''


class Workspace:
    """Everything that a run makes, under one directory.

        config.json, environment.json   the resolved settings and the surroundings
        nets/NAME/                      settings, checkpoints, metrics of a training
        measurements/NAME.json          cached numbers; NAME.npz cached arrays
        report/                         index.html, README.md, tables/, figures/

    Started again after a kill it skips what is finished and resumes what is not.  Nets
    that were trained with other settings or data are refused; those of other code,
    library versions or devices are too, unless `accept` names that kind of difference.

    Several `processes` of one machine may share a run: one that measures and reports,
    and helpers, which only make jobs.
    """

    def __init__(
        self,
        directory,
        *,
        seed=0,
        log_every=50,
        evaluate_every=200,
        save_every=0,
        save_seconds=300.0,
        keep=2,
        profile=None,
        processes=1,
        helper=False,
        accept=(),
    ):
        self.directory = Path(directory)
        self.seed = seed
        self.mesh = mesh.data_mesh()
        self.leads = jax.process_index() == 0
        self.store = Store(directory, writes=self.leads)
        self._processes = processes
        self._accepted = frozenset(accept)
        self._intervals = fit.Intervals(
            log_every=log_every,
            evaluate_every=evaluate_every,
            save_every=save_every,
            save_seconds=save_seconds,
            keep=keep,
            profile=profile,
        )
        self._config = {}
        self._data = {}
        self._methods = {}
        self._trained = {}
        self.reports = self.leads and not helper
        self.helper = helper
        self._lock = self.store.lock() if self.reports else None

    def close(self):
        """Let another run use the directory."""
        if self._lock:
            self._lock.close()

    def describe(self, config, *, data=None):
        """Store the resolved settings of the run, its surroundings and its data.

        `data` holds {what: digest}.
        """
        self._config = plain(config)
        self._data = dict(data or {})
        if self.reports:
            surroundings = provenance.environment() | {"data": self._data}
            self.store.write("config.json", self._config)
            self.store.write("environment.json", surroundings)

    def train(
        self,
        name,
        method,
        data,
        *,
        watch=None,
        start=None,
        seed=None,
        strict=False,
        export=False,
    ):
        """A `Predictor` of `method`, trained on TrainingData or {stream: TrainingData}.

        `watch` says what is measured on validation and which state is chosen, `start`
        with which weights to begin, see `fit`.  If the training diverges the run goes
        on with its best state, or the one that it began with, and the report says so;
        with `strict` that is the end of the run.  With `export` what it has trained is
        also written as `weights/NAME/ROLE.safetensors`.
        """
        streams = data
        if not isinstance(data, dict):
            streams = {method.stages[0].data: data}
        seed = self.seed if seed is None else seed
        # Whoever asks for a net of this name has to ask for this one.
        identity = plain(
            {
                "method": method.settings,
                "data": {stream: each.digest for stream, each in streams.items()},
                "seed": seed,
                "watch": watches.settings(watch),
                "start": _describe_start(start),
                "evaluate_every": self._intervals.evaluate_every,
            }
        )
        surroundings = provenance.surroundings(method, watch, *streams.values(), fit)
        folder = f"nets/{name}"
        self._refuse_other_settings(folder, identity)
        history = self._refuse_other_surroundings(folder, surroundings)

        # Finished, diverged earlier, or to be trained: from the newest checkpoint on.
        method = self._alike(method, identity["method"])
        place = self.directory / folder, method, streams
        chosen = {"watch": watch, "mesh": self.mesh}
        begun = chosen | {"seed": seed, "start": start}
        done = self.store.read(f"{folder}/done.json")
        diverged = done["diverged"] if done else ""
        if diverged and strict:
            raise NotFinite(diverged, f"Delete {place[0]} to train it again.")
        if done and not diverged:
            fitted = fit.load(*place, **chosen)
        elif diverged:
            fitted = fit.salvage(*place, **begun)
        else:
            self.store.write(f"{folder}/settings.json", identity)
            try:
                with self._timed(f"{folder}/runtime.json"):
                    fitted = fit.fit(
                        *place, **begun, name=name, intervals=self._intervals
                    )
            except NotFinite as error:
                if strict:
                    raise
                message = "%s: %s The run goes on, its report says so."
                logging.error(message, name, error)
                diverged = error.what
                fitted = fit.salvage(*place, **begun)

        # What is predicted with this state is stored under its digest.
        best = fitted.note["best"]
        host_state = checkpoints.host_copy(fitted.state)
        state_digest = checkpoints.digest(host_state)[:16]
        if export and not done:
            self._export(name, method.handed_on(host_state))
        done = {"best": best, "state": state_digest, "diverged": diverged}
        self.store.write(f"{folder}/done.json", done)
        mixture = describe_mixture(history, surroundings)
        self._trained[name] = Outcome(diverged, best, mixture)
        return Predictor(
            method.predict,
            fitted.state,
            mesh=self.mesh,
            digest=digest([identity, state_digest]),
        )

    def history(self, name):
        """The rows of a training's metrics file."""
        lines = (self.directory / f"nets/{name}/metrics.jsonl").read_text()
        return [json.loads(line) for line in lines.splitlines()]

    def predict(self, name, predictor, batches, *inputs, outputs=("logits", "score")):
        """The gathered outputs of a predictor over `batches()`, cached as npz.

        `inputs` (digests, settings) say what the batches hold.
        """

        def gathered():
            if self.leads:
                print(f"predicting {name}", flush=True)
            return predictor.over(batches(), outputs=outputs)

        code = provenance.surroundings(predictor, batches, predict)
        inputs = [predictor.digest, inputs, outputs, code]
        return self._arrays(name, gathered, inputs, notice=predictor.notice)

    def arrays(self, name, function, *inputs):
        """function(), {name: array}, cached for these inputs (digests, settings)."""
        return self._arrays(name, function, [inputs, provenance.surroundings(function)])

    def measure(self, name, function, *inputs):
        """function(), JSON types, cached for these inputs (digests, settings)."""
        inputs_digest = digest([inputs, provenance.surroundings(function)])
        path = f"measurements/{name}.json"
        stored = self.store.read(path)
        if stored and stored["inputs"] == inputs_digest:
            return stored["value"]
        value = json.loads(json.dumps(function()))
        self.store.write(path, {"inputs": inputs_digest, "value": value})
        return value

    @property
    def diverged(self):
        """Names of the trainings that met NaN."""
        return [name for name, result in self._trained.items() if result.diverged]

    @property
    def mixed(self):
        """{training: by which other code, versions or devices it was made}."""
        return {
            name: result.mixture
            for name, result in self._trained.items()
            if result.mixture
        }

    def new_report(self, *, remarks=None):
        """An empty `Report` of this run, with `remarks` {row name: text}."""
        return Report(self.directory / "report", remarks=remarks)

    def write(self, report, title):
        """Write a report with what is to be said of the run: the path of its page."""
        return report.write(
            title=title,
            facts=self._facts(),
            notices=[*self._notices()],
            details={
                "Configuration": self._config,
                "Environment": provenance.environment(),
            },
        )

    def _export(self, name, nets):
        """Write nets in half precision: to hand on, or to `start` others from.

        `nets` {role: Net} hold numpy arrays; of several hosts one writes.
        """
        if not self.store.writes:
            return
        for role, net in nets.items():
            path = self.directory / "weights" / name / f"{role}.safetensors"
            weights.save_net(path, net, half=True)

    def _alike(self, method, settings):
        """The first method like this one: what was compiled for it serves again."""
        predict_function = getattr(method.predict, "func", method.predict)
        path = f"{predict_function.__module__}.{predict_function.__qualname__}"
        return self._methods.setdefault(f"{path} {digest(settings)}", method)

    def _arrays(self, name, function, inputs, *, notice=""):
        inputs_digest = digest(inputs)
        path = f"measurements/{name}.npz"
        stored = self.store.read_arrays(path, inputs_digest)
        if stored is not None:
            return stored
        arrays = function()
        self.store.write_arrays(path, arrays, inputs_digest, notice=notice)
        return arrays

    def _refuse_other_settings(self, folder, identity):
        begun = (self.directory / folder / "last").exists()
        stored = self.store.read(f"{folder}/settings.json")
        if begun and not stored:
            raise SystemExit(
                f"{self.directory / folder} does not say with which settings it was "
                "trained: delete that folder to train it again."
            )
        changed = differences(stored, identity) if stored else []
        if changed:
            raise SystemExit(
                f"{self.directory / folder} was trained with other settings:\n  "
                + "\n  ".join(changed)
                + "\nUse another --workdir, or delete that folder to train it again."
            )

    def _refuse_other_surroundings(self, folder, surroundings):
        """Surroundings of a training, [{'step': from which on, …}], the last ones now.

        Those of a finished training stay as they are.
        """
        path = f"{folder}/provenance.json"
        history = self.store.read(path) or []
        changed = [
            aspect
            for aspect in provenance.KINDS
            if history and history[-1][aspect] != surroundings[aspect]
        ]
        refused = [aspect for aspect in changed if aspect not in self._accepted]
        if refused:
            lines = [f"{k}: {history[-1][k]} → {surroundings[k]}" for k in refused]
            ways = ", ".join(WAYS_OUT[aspect] for aspect in refused)
            raise SystemExit(
                f"{self.directory / folder} was trained with other "
                f"{' and '.join(refused)}:\n  "
                + "\n  ".join(lines)
                + f"\nTo end with one kind of nets, {ways}, or delete that folder to "
                "train it again, or use another --workdir. To go on with both, add "
                f"--accept={','.join(changed)}: the report will name what is mixed."
            )
        finished = (self.directory / folder / "done.json").exists()
        if not finished and (changed or not history):
            step = self._newest_step(folder)
            history = [*history, {"step": step, **surroundings}]
            self.store.write(path, history)
        return history

    def _newest_step(self, folder):
        """The step from which a training will go on."""
        kept = (self.directory / folder / "last").glob("[0-9]*")
        return max((int(path.name) for path in kept), default=0)

    @contextmanager
    def _timed(self, name):
        """Add the seconds that this takes to those in a file."""
        before = self._runtime(name)
        start = time.monotonic()
        try:
            yield
        finally:
            with suppress(OSError):  # a full disk has its own, better message
                seconds = before + time.monotonic() - start
                self.store.write(name, {"seconds": seconds})

    def _runtime(self, name):
        return (self.store.read(name) or {"seconds": 0.0})["seconds"]

    def _facts(self):
        times = [self._runtime(f"nets/{name}/runtime.json") for name in self._trained]
        surroundings = provenance.environment()
        return {
            "Code": f"{surroundings['code']} (git {surroundings['git']})",
            "Data": ", ".join(f"{k} {v}" for k, v in self._data.items()),
            "Hardware": f"{surroundings['devices']}, {surroundings['machine']}",
            "Training time": f"{sum(times) / 60:.1f} minutes, {len(times)} trainings, "
            f"{self._processes} at a time",
        }

    def _notices(self):
        """(title, text, rows) of what a reader has to know before any number."""
        diverged = []
        for name in self.diverged:
            result = self._trained[name]
            state = "before the first step"
            if result.best:
                state = f"of step {result.best['step']}"
            row = {"training": name, "what happened": result.diverged, "state": state}
            diverged.append(row)
        if diverged:
            yield "Trainings that diverged", DIVERGED, diverged
        mixed = [{"training": k, "made by": text} for k, text in self.mixed.items()]
        if mixed:
            yield "Code and devices are mixed", MIXED, mixed


def describe_mixture(history, surroundings):
    """In which of its surroundings a training differs from these, as text, or ''.

    `history` [{'step': from which on, 'code', …}] is in the order of steps.
    """
    texts = []
    for aspect in provenance.KINDS:
        here = surroundings[aspect]
        if any(part[aspect] != here for part in history):
            spans = [f"{part[aspect]} from step {part['step']}" for part in history]
            texts.append(f"{aspect} {', '.join(spans)} (here {here})")
    return "; ".join(texts)


def _describe_start(start):
    """What identifies the weights that nets begin with: {role: digest}, or None."""
    if start is None:
        return None
    return {
        role: checkpoints.digest(checkpoints.host_copy(weights))[:16]
        if isinstance(weights, Net)
        else sha256(weights)[:16]
        for role, weights in start.items()
    }
