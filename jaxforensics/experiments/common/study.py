"""A study from its settings to its report: jobs, measure, report.

A study is a module with

    TITLE
    Settings                            a dataclass: the config's section `experiment`
    jobs(settings, data)                what must be made first, as a graph of `Job`s
    measure(made, settings, data)       numbers and arrays from what was made
    report(measured, settings, report)  tables, figures, claims: draws, trains nothing

`data` are the `Sets` that the config names.
"""

from typing import Any, NamedTuple

from jaxforensics.experiments.common.jobs import in_turn


class Sets(NamedTuple):
    """The data sets of a run: the config's section `data`, and those in `others`."""

    main: Any  # a Corpus
    others: dict[str, Any]  # {name: Corpus}

    def named(self, main):
        """{name: Corpus} of all of them; `main` is what the first is called."""
        return {main: self.main} | dict(self.others)


MIXED = "rests on nets of other code, library versions or devices, named above"


def run(study, workspace, settings, data, *, execute=in_turn):
    """Carry out a study: the path of its page, None where another process reports."""
    made = execute(study.jobs(settings, data), workspace)
    if workspace.helper:
        return None

    # Of several hosts that work as one, all have to measure and one writes.
    measured = study.measure(made, settings, data)
    if not workspace.reports:
        return None

    affected = made.titles_needing(workspace.mixed)
    report = workspace.new_report(remarks=dict.fromkeys(affected, MIXED))
    study.report(measured, settings, report)
    return workspace.write(report, study.TITLE)
