"""The directory of a run: trains each method once, caches, resumes, reports."""

import fcntl
import json
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import jax
import numpy as np
from absl import logging

from jaxforensics.files import locked, replacing
from jaxforensics.provenance import environment
from jaxforensics.reporting.report import Report
from jaxforensics.settings import differences, digest, plain
from jaxforensics.training import checkpoints, fit, mesh
from jaxforensics.training.hooks import NotFinite
from jaxforensics.training.predict import Predictor

DIVERGED = """\
The losses or weights of these became NaN or infinite, and their training ended there.
What this report says of them, and of what builds on them, is said of the state named
below. Before anything is concluded they want another look: a lower rate, or those
records. No claim is decided.
"""


class Taken(Exception):
    """Another process of the run is making this."""


class Workspace:
    """Everything that a run makes, under one directory.

        config.json, environment.json   the resolved settings and the surroundings
        nets/NAME/                      settings, checkpoints, metrics of a training
        measurements/NAME.json          cached numbers; NAME.npz cached predictions
        report/                         index.html, README.md, tables/, figures/

    Started again after a kill it skips what is finished, resumes what is not, and
    refuses to reuse nets that were trained with other settings or data.

    Several `processes` of one machine may share a run: one that reports, and helpers,
    for which everything is as in `silent`.  What one is at, no other begins.
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
    ):
        self.directory, self.seed = Path(directory), seed
        self.shared, self.helper = helper or processes > 1, helper
        self._processes = processes
        self._intervals = fit.Intervals(
            log_every=log_every,
            evaluate_every=evaluate_every,
            save_every=save_every,
            save_seconds=save_seconds,
            keep=keep,
            profile=profile,
        )
        self._report = Report(self.directory / "report")
        self._lead = jax.process_index() == 0
        self._reports = self._lead and not helper
        self._config, self._data = {}, {}
        self._trained, self._methods = {}, {}
        self.mesh = mesh.data_mesh()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.directory) if self._reports else None

    def close(self):
        """Let another run use the directory."""
        if self._lock:
            self._lock.close()

    def describe(self, config, *, data=None):
        """Store the resolved settings of the run, its surroundings and its data.

        `data` holds {what: digest}.
        """
        self._config, self._data = plain(config), dict(data or {})
        if self._reports:
            self._write("config.json", self._config)
            self._write("environment.json", environment() | {"data": self._data})

    @contextmanager
    def silent(self):
        """Nothing is reported, and what another process makes is `Taken`."""
        before, self._reports = self._reports, False
        try:
            yield
        finally:
            self._reports = before

    def train(
        self,
        name,
        method,
        data,
        *,
        watch=None,
        seed=None,
        strict=False,
    ):
        """A `Predictor` of `method`, trained on a Training or {stream: Training}.

        `watch` chooses the state on validation, see `fit`.  If it diverges the
        run goes on with its best state, or the one that it began with,
        and the report says so; with `strict` that is the end of the run.
        """
        seed = self.seed if seed is None else seed
        streams = data if isinstance(data, dict) else {method.stages[0].data: data}
        identity = plain(
            {
                "method": method.settings,
                "data": {k: v.digest for k, v in streams.items()},
                "seed": seed,
                "select": watch and watch.select,
                "evaluate_every": self._intervals.evaluate_every,
            }
        )
        method = self._alike(method, identity["method"])
        folder = f"nets/{name}"
        with self._claimed(folder):
            self._refuse_other(folder, identity)
            fitted, diverged = self._fitted(
                folder, method, streams, identity, name, watch, strict
            )
            self._trained[name] = diverged, fitted.note["best"]
            mark = checkpoints.digest(checkpoints.host_copy(fitted.state))[:16]
            done = {"best": fitted.note["best"], "state": mark, "diverged": diverged}
            self._write(f"{folder}/done.json", done)
        return Predictor(
            method.predict,
            fitted.state,
            mesh=self.mesh,
            digest=digest([identity, mark]),
        )

    def _alike(self, method, settings):
        """The first method like this one: what was compiled for it serves again."""
        kind = getattr(method.predict, "func", method.predict)
        key = f"{kind.__module__}.{kind.__qualname__} {digest(settings)}"
        return self._methods.setdefault(key, method)

    def _fitted(self, folder, method, streams, identity, name, watch, strict):
        """(what was trained, now or before; where it diverged, or '')."""
        place = self.directory / folder, method, streams
        watched = {"watch": watch, "mesh": self.mesh}
        chosen = watched | {"seed": identity["seed"]}
        if done := self._read(f"{folder}/done.json"):
            diverged = done.get("diverged", "")
            if diverged and strict:
                raise NotFinite(diverged, f"Delete {place[0]} to train it again.")
            if diverged:
                return fit.salvage(*place, **chosen), diverged
            return fit.load(*place, **watched), ""
        self._write(f"{folder}/settings.json", identity)
        told = {"name": name, "intervals": self._intervals}
        try:
            with self._timed(f"{folder}/runtime.json"):
                return fit.fit(*place, **chosen, **told), ""
        except NotFinite as error:
            if strict:
                raise
            logging.error("%s: %s The run goes on, its report says so.", name, error)
            diverged = error.what
        return fit.salvage(*place, **chosen), diverged

    def history(self, name):
        """The rows of a training's metrics file."""
        lines = (self.directory / f"nets/{name}/metrics.jsonl").read_text()
        return [json.loads(line) for line in lines.splitlines()]

    def predict(self, name, predictor, batches, *inputs, outputs=("logits", "score")):
        """The gathered outputs of a predictor over `batches()`, cached as npz.

        `inputs` (digests, settings) say what the batches hold.
        """
        path = self.directory / f"measurements/{name}.npz"
        mark = digest([predictor.digest, inputs, outputs])
        if stored := _predictions(path, mark):
            return stored
        with self._claimed(f"measurements/{name}"):
            if stored := _predictions(path, mark):  # by another process, meanwhile
                return stored
            if self._lead:
                print(f"predicting {name}", flush=True)
            found = predictor.over(batches(), outputs=outputs)
            if self._lead:
                notice = {"notice": predictor.notice} if predictor.notice else {}
                with replacing(path) as partial, partial.open("wb") as file:
                    np.savez(file, fingerprint=mark, **notice, **found)
            return found

    def measure(self, name, function, *inputs):
        """function(), JSON types, cached for these inputs (digests, settings)."""
        mark = digest(inputs)
        with self._claimed(f"measurements/{name}"):
            stored = self._read(f"measurements/{name}.json")
            if stored and stored["inputs"] == mark:
                return stored["value"]
            value = json.loads(json.dumps(function()))
            row = {"inputs": mark, "value": value}
            self._write(f"measurements/{name}.json", row)
            return value

    def section(self, title, text=""):
        """Open a section of the report."""
        if self._reports:
            self._report.section(title, text)

    def table(self, name, rows, *, caption="", columns=None):
        """A table of the report: Markdown and CSV files, and a part of the page."""
        if self._reports:
            self._report.table(name, rows, caption=caption, columns=columns)

    def figure(self, name, figure, *, caption="", texts=None):
        """A figure of the report: a PNG file, and a part of the page.

        `texts` {name: text} are fields of the file.
        """
        if self._reports:
            self._report.figure(name, figure, caption=caption, texts=texts)

    def report(self, title, *, subtitle=""):
        """Write report/index.html, whose path is returned, and README.md beside it."""
        if self._reports:
            self._report.write(
                title=title,
                subtitle=subtitle,
                facts=self._facts(),
                details={"Configuration": self._config, "Environment": environment()},
                notices=self._diverged(),
            )
        return self.directory / "report/index.html"

    @property
    def diverged(self):
        """Names of the trainings that met NaN."""
        return [name for name, (what, _) in self._trained.items() if what]

    def _diverged(self):
        """A notice of the trainings that met NaN, if there are any."""
        rows = []
        for name in self.diverged:
            what, best = self._trained[name]
            state = f"of step {best['step']}" if best else "before the first step"
            rows.append({"training": name, "what happened": what, "state": state})
        return [("Trainings that diverged", DIVERGED, rows)] if rows else []

    def _facts(self):
        times = [self._runtime(f"nets/{name}/runtime.json") for name in self._trained]
        found = environment()
        return {
            "Code": f"{found['code']} (git {found['git']})",
            "Data": ", ".join(f"{k} {v}" for k, v in self._data.items()),
            "Hardware": f"{found['devices']}, {found['machine']}",
            "Training time": f"{sum(times) / 60:.1f} minutes, {len(times)} trainings, "
            f"{self._processes} at a time",
        }

    def _refuse_other(self, folder, identity):
        begun = (self.directory / folder / "last").exists()
        stored = self._read(f"{folder}/settings.json")
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

    @contextmanager
    def _timed(self, name):
        before, start = self._runtime(name), time.monotonic()
        try:
            yield
        finally:
            with suppress(OSError):  # a full disk has its own, better message
                self._write(name, {"seconds": before + time.monotonic() - start})

    def _runtime(self, name):
        return (self._read(name) or {"seconds": 0.0})["seconds"]

    @contextmanager
    def _claimed(self, name):
        """Of all processes of the run, alone with what has this name."""
        if not self._lead:
            yield
            return
        with self._claim(name).open("w") as file:
            if not locked(file):
                if not self._reports:
                    raise Taken(name)
                print(f"waiting for {name}, which another process is at", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def wait(self, name):
        """Return once nobody is at what was `Taken`."""
        with self._claim(name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    def _claim(self, name):
        return self._folder(".claims") / name.replace("/", "~")

    def _folder(self, name):
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _read(self, name):
        path = self.directory / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError:
            logging.warning("%s is damaged and will be made again", path)
            return None

    def _write(self, name, value):
        if self._lead:
            with replacing(self.directory / name) as partial:
                partial.write_text(json.dumps(value, indent=1) + "\n")


def _predictions(path, mark):
    """The arrays of an npz file; None if there is none of that fingerprint."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = dict(stored)
        found.pop("notice", None)
        return found if str(found.pop("fingerprint")) == mark else None
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile):
        logging.warning("%s is damaged and will be made again", path)
        return None


def _lock(directory):
    file = (directory / ".lock").open("w")
    if not locked(file):
        file.close()
        raise SystemExit(
            f"another run is using {directory}: wait for it, or set another --workdir"
        )
    return file
