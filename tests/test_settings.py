"""Settings: typos are named, differences readable, digests stable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict
from ml_collections.config_flags import config_path

from jaxforensics.settings import (
    call,
    choose,
    differences,
    digest,
    misspelt,
    nearest_name,
    plain,
)


def paint(canvas, *, colour, width=1):
    return canvas, colour, width


def test_call_passes_settings_through():
    assert call(paint, {"colour": "red"}, "wall") == ("wall", "red", 1)


@pytest.mark.parametrize(
    "given_, message",
    [
        ({"color": "red"}, "no setting 'color' .did you mean 'colour'"),
        ({"colour": "red", "canvas": 1}, "no setting 'canvas'"),
        ({}, "needs colour"),
    ],
)
def test_call_names_typos_and_gaps(given_, message):
    with pytest.raises(ValueError, match=message):
        call(paint, given_, "wall")


def test_choose_proposes_the_nearest_name():
    assert choose({"meso4": 1}, "meso4", "model") == 1
    with pytest.raises(ValueError, match="no model 'mesa4' .did you mean 'meso4'"):
        choose({"meso4": 1, "xception": 2}, "mesa4", "model")


@pytest.mark.parametrize(
    "path, message",
    [
        ("rum.seed", "no 'rum' (did you mean 'run'?). Valid: net, run"),
        ("net.opt.rat", "no 'rat' (did you mean 'rate'?). Valid: rate"),
        ("run.zzz", "no 'zzz'. Valid: seed"),
        ("run.seed", ""),
        ("net.sizes[0]", ""),
    ],
)
def test_misspelt_overrides_are_explained(path, message):
    net = {"opt": {"rate": 1}, "sizes": (1, 2)}
    argv = ["main.py", "--config=file", f"--config.{path}=1"]
    found = misspelt(argv, lambda file: ConfigDict({"run": {"seed": 0}, "net": net}))
    assert found == (message and f"--config.{path}: there is {message}")


@pytest.mark.parametrize("name", ["Patch-CNN", "1-D spectrum"])
def test_how_to_override_a_name_that_is_no_identifier(name):
    """ml_collections reads it in brackets."""
    config = ConfigDict({"nets": {name: {"steps": 1}}})
    argv = ["main.py", "--config=file", f"--config.nets.{name}.steps=2"]
    spelt = f"nets['{name}'].steps"
    assert misspelt(argv, lambda file: config).endswith(f'"--config.{spelt}=..."')
    assert config_path.get_value(spelt, config) == 1


def test_plain_knows_config_dicts_and_refuses_objects():
    assert plain(ConfigDict({"a": {"b": (1, 2)}})) == {"a": {"b": [1, 2]}}
    with pytest.raises(TypeError, match="object"):
        plain({"a": object()})


SETTINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TREES = st.dictionaries(st.text(max_size=3), SETTINGS, max_size=3)


@given(TREES, TREES)
def test_differences_are_empty_exactly_for_equal_settings(a, b):
    same = digest(a) == digest(b)
    assert same == (not differences(plain(a), plain(b)) or a == b)


def test_differences_name_the_path():
    old, new = {"net": {"width": 8}, "seed": 0}, {"net": {"width": 9}, "rate": 1}
    assert differences(old, new) == [
        "net.width: 8 → 9",
        "rate: absent → 1",
        "seed: 0 → absent",
    ]


def test_the_nearest_name_is_that_of_difflib():
    names = ("psnr", "ssim", "lpips")
    assert nearest_name("psrn", names) == "psnr"
    assert nearest_name("zzz", names, least=0.5) is None
    assert nearest_name("zzz", ()) is None
