"""A config is looked at whole before anything starts: one line says what is wrong."""

import pytest

from configs import amten, detection, synthfaces, trnet
from jaxforensics.experiments import detection as study
from jaxforensics.experiments.common import checks


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("experiment.steps", 0, "experiment.steps=0: between 1 and"),
        ("experiment.steps", -5, "experiment.steps=-5: between 1 and"),
        ("experiment.seeds", (), "experiment.seeds is empty"),
        ("experiment.seeds", (0, 0), "a seed is named twice"),
        ("experiment.seeds", (-1,), "seeds are whole numbers from 0 on"),
        ("data.size", 99_999, "data.size=99999: between 8 and"),
        ("data.size", 0, "data.size=0: between 8 and"),
        ("data.batch_size", 0, "data.batch_size=0: between 1 and"),
        ("data.batch_size", 10**9, "data.batch_size=1000000000: between 1 and"),
        ("run.log_every", -1, "log_every"),
        ("run.evaluate_every", -1, "evaluate_every"),
        ("run.save_seconds", float("nan"), "run.save_seconds=nan: every number"),
        ("run.save_seconds", float("inf"), "run.save_seconds=inf: every number"),
        ("run.keep", 0, "keep"),
        (
            "experiment.classifier.optimiser.rate",
            float("nan"),
            "experiment.classifier.optimiser.rate=nan: every number",
        ),
    ],
)
def test_numbers_out_of_reason_are_named(path, value, message):
    config = detection.get_config("quick")
    config.update_from_flattened_dict({path: value})
    with pytest.raises(ValueError, match=message) as refusal:
        checks.check(config, study.Settings)
    assert "\n" not in str(refusal.value)


def test_steps_by_title_are_steps_too():
    config = synthfaces.get_config("quick")
    config.experiment.steps["Meso-4"] = 0
    with pytest.raises(ValueError, match="experiment.steps.Meso-4=0"):
        checks.check(config, study.Settings)
    config = trnet.get_config("quick")
    config.experiment.victims["Patch-CNN"].steps = -3
    with pytest.raises(ValueError, match="victims.Patch-CNN.steps=-3"):
        checks.check(config, study.Settings)


def test_settings_of_another_study_are_named():
    config = amten.get_config("quick")
    with pytest.raises(ValueError, match="experiment has no setting"):
        checks.check(config, study.Settings)


def test_what_is_right_comes_back_as_settings():
    settings = checks.check(detection.get_config("quick"), study.Settings)
    assert settings.steps == 12 and tuple(settings.seeds) == (0,)


def test_differences_to_accept_are_known_by_name():
    assert checks.accepted(["code", "devices"]) == ("code", "devices")
    assert checks.accepted([]) == ()
    with pytest.raises(ValueError, match="did you mean 'code'"):
        checks.accepted(["cod"])


def test_a_split_of_one_class_is_refused():
    fine = {"real": 3, "real/street": 2, "began": 1}
    checks.have_both_labels({"train": fine})
    for counts in ({"real": 3}, {"began": 3}, {}):
        with pytest.raises(ValueError, match="split test of HQ needs reals and fakes"):
            checks.have_both_labels({"train": fine, "test": counts}, of="HQ")
    assert checks.fakes(fine | {"pggan": 0}) == ("began",)
