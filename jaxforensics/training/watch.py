"""What is validated while a method trains, and by which value its best state is chosen.

A `Watch` is data: `fit` validates with it, and a workspace stores its `settings`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.settings import nearest
from jaxforensics.training import loop


class Watch(NamedTuple):
    """How the state of a training is measured on a validation split, and chosen.

    With neither `measures` nor `summary` there would be nothing to measure: `check`
    refuses that.  Functions are compared by identity where something is compiled, so
    pass those of a module rather than a lambda made anew for every training.
    """

    # Whose validation batches are measured; '' is the stream that trains the stage.
    stream: str = ""
    # The outputs of `predict` that are gathered on the host, whole.
    outputs: tuple[str, ...] = ("logits", "score")
    # (outputs, batch) -> {name: (b,)}, one value per example, on the device.  It sees
    # every output of `predict` and the batch at hand, such as a map and batch['mask'];
    # maps and pictures never leave the device.
    measures: Callable | None = None
    # (columns) -> {name: value} on the host.  Columns are the gathered outputs, the
    # measures, and what else the batches hold (label, source, group, ...), valid
    # examples only.  None: the mean of each measure.
    summary: Callable | None = None
    # The value whose highest state is kept; None keeps the last state.
    select: str | None = None


class Watched(NamedTuple):
    """A stage with its Watch, and what follows from where it stands."""

    watch: Watch
    stream: str  # whose validation split is measured
    last: int  # the step after which it is measured whatever the interval says
    label: str  # under which its best state is kept, see `Checkpoints`


def by_stage(watch, method):
    """{stage name: Watched} of the stages that are watched, in their order.

    One Watch over all stages keeps one best state, '', and is measured on the stream of
    the first stage unless it names another.
    """
    spans = loop.spans(method)
    if watch is None:
        return {}
    if isinstance(watch, dict):
        return {
            stage.name: Watched(
                watch=watch[stage.name],
                stream=watch[stage.name].stream or stage.data,
                last=stop,
                label=stage.name,
            )
            for stage, _, stop in spans
            if stage.name in watch
        }
    over_all = Watched(
        watch=watch,
        stream=watch.stream or spans[0].stage.data,
        last=spans[-1].stop,
        label="",
    )
    return {stage.name: over_all for stage in method.stages}


def detection(*, stream="", select="auc"):
    """Watch a detector of real and fake: AUC, and accuracy at P(fake) = 0.5."""
    return Watch(stream=stream, summary=summarise_detection, select=select)


def summarise_detection(columns):
    """{'auc', 'accuracy'} of gathered columns with `label` and `score`."""
    labels = columns["label"]
    scores = columns["score"]
    return {
        "auc": float(metrics.auc(labels, scores)),
        "accuracy": float(metrics.accuracy(labels, scores)),
    }


def validation(watch, predictor, stream):
    """(state) -> {name: value}, what `watch` says of the validation split of `stream`.

    Names that are known before anything is trained are looked at here: a `select` or
    an output that is not among them is refused.
    """
    measured = ()
    if watch.measures is not None or watch.outputs != Watch().outputs:
        # Shapes are enough: nothing is predicted, and a wrong one is found now.
        first_batch = next(iter(stream.validation()))
        outputs, measured = predictor.names(first_batch, watch.measures)
        check_outputs(watch.outputs, outputs)
    if watch.summary is None:
        check_selected(watch.select, measured)

    def values(state):
        columns = predictor.at(state).over(
            stream.validation(), outputs=watch.outputs, measures=watch.measures
        )
        if watch.summary is not None:
            return watch.summary(columns)
        # Over the whole split, in float64: means of batch means would weigh padding.
        return {name: float(np.mean(columns[name], dtype=float)) for name in measured}

    return values


def settings(watch):
    """What identifies a Watch, or one per stage, as JSON types; None stays None."""
    if watch is None:
        return None
    if isinstance(watch, dict):
        return {stage: settings(each) for stage, each in watch.items()}
    return {
        "stream": watch.stream,
        "outputs": list(watch.outputs),
        "measures": _describe(watch.measures),
        "summary": _describe(watch.summary),
        "select": watch.select,
    }


def check(watch, method):
    """Refuse a Watch that cannot work with the stages of `method`, in one line.

    Nothing is opened or compiled: meant for the time when a config is read.
    """
    stages = {stage.name: stage for stage in method.stages}
    if watch is None:
        return
    if not isinstance(watch, dict):
        _check_one(watch, "the watch")
        return
    if len(stages) < len(method.stages):
        raise ValueError(
            "watch: stages need different names to be watched one by one, not "
            + ", ".join(stage.name for stage in method.stages)
        )
    for name, each in watch.items():
        if name not in stages:
            raise ValueError(
                f"watch: there is no stage {name!r}{nearest(name, stages)}. "
                f"Valid: {', '.join(stages)}"
            )
        _check_one(each, f"the watch of stage {name!r}")


def check_selected(select, names, *, where="validation"):
    """Refuse a `select` that is not among the names of measured values."""
    if select is not None and select not in names:
        raise ValueError(
            f"{where} gives no {select!r} to select by{nearest(select, names)}. "
            f"Valid: {', '.join(sorted(names))}"
        )


def check_outputs(asked, names):
    """Refuse to gather an output that `predict` does not give.

    Not all methods have the outputs that are gathered by default.
    """
    for output in asked:
        if output not in (*names, *Watch().outputs):
            raise ValueError(
                f"predict gives no output {output!r}{nearest(output, names)}. "
                f"Valid: {', '.join(names)}"
            )


def _check_one(watch, where):
    if not isinstance(watch, Watch):
        raise ValueError(f"{where} is a {type(watch).__name__}, not a Watch")
    if watch.measures is None and watch.summary is None:
        raise ValueError(f"{where} measures nothing: give it measures or a summary")


def _describe(function):
    """A function by its full name; a `partial` with its arguments."""
    if function is None:
        return None
    if isinstance(function, partial):
        return {
            "function": _describe(function.func),
            "arguments": list(function.args),
            "settings": dict(function.keywords),
        }
    return f"{function.__module__}.{function.__qualname__}"
