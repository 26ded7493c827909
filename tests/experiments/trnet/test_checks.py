"""What cannot work in TR-Net's study is said before anything is trained."""

import pytest
import tiny_arena
from tiny_set import opened, pictures, prepare_in

from jaxforensics.experiments.trnet import checks

NF = {"victims": ("NF",), "attacks": ("Noise",), "seeds": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_arena.pairs(tmp_path_factory.mktemp("trnet"))


def selection(**changed):
    return tiny_arena.NOBODY | changed


def limited(**changed):
    return tiny_arena.settings().limited | changed


def traces(**changed):
    return tiny_arena.settings().traces | changed


def defences(none):
    return tiny_arena.settings().defences | {"none": none}


def check(data, **changed):
    checks.check(tiny_arena.settings(**changed), data)


def test_what_is_used_is_found(data):
    check(data)
    check(data, defences=defences(NF) | {"strong": (NF, NF)})
    chosen = tiny_arena.settings()
    assert checks.used_attacks(chosen) == ["Noise"]
    assert checks.used_attacks(tiny_arena.settings(defences={})) == []
    for parts, used in (({}, []), ({"fractions": (1,)}, ["Noise"])):
        with_victims = limited(victims=("NF",), **parts)
        chosen = tiny_arena.settings(defences={}, limited=with_victims)
        assert checks.used_attacks(chosen) == used


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"traces": traces(victims=("NF",))}, "without attacks"),
        ({"traces": traces(attacks=("Nois",))}, "did you mean 'Noise'"),
        ({"limited": limited(leave_out=("begin",))}, "did you mean 'began'"),
        (
            {
                "defences": defences(
                    selection(victims=("NF",), attacks=("Noise",), seeds=3)
                )
            },
            r"asks for 3 seeds, there are \(0,\)",
        ),
        (
            {
                "traces": traces(victims=("NF",), attacks=("Noise",), layer="block_2"),
            },
            "traces.layer, of NF: 0 layers are called 'block_2'.*none with maps",
        ),
        (
            {"defences": defences((NF, NF))},
            "defences.none is one selection",
        ),
        (
            {
                "defences": defences(NF) | {"strong": (NF, NF | {"seeds": 2})},
                "seeds": (0, 1),
            },
            r"the selections of defences.strong take \[1, 2\] seeds",
        ),
        (
            {"limited": limited(fractions=(0.01, 1))},
            "limited.fractions has 0.01, which is too little: .* no fake",
        ),
        ({"critics": selection(victims=("NF",))}, "without attacks"),
        (
            {"critics": selection(victims=("NF",), attacks=("Noise",))},
            "critics.attacks: 'Noise' has no critics, as no network of method 'trnet'",
        ),
        (
            {"critics": selection(victims=("NF",), attacks=("Nois",))},
            "did you mean 'Noise'",
        ),
        (
            {"defences": defences(selection(victims=("NG",), attacks=("Noise",)))},
            "no victim 'NG'.*did you mean 'NF'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_first(data, changed, message):
    with pytest.raises(ValueError, match=message):
        check(data, **changed)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"attack": "fgsm", "epsilon": 0.1},
            "attacks.Noise: it needs 'follows': the victim whose gradients it follows",
        ),
        ({"attack": "fgsm", "follows": "NG"}, "no victim 'NG'.*did you mean 'NF'"),
        (
            {"attack": "noise", "lower": 1.0},
            "attacks.Noise: noise has no setting 'lower'.*did you mean 'low'",
        ),
        ({"attack": "trnet", "network": "trnet"}, "no network 'trnet'"),
    ],
)
def test_attacks_are_built_on_what_is_there(data, row, message):
    """Gradients are followed of real and fake alone."""
    with pytest.raises(ValueError, match=message):
        check(data, attacks={"Noise": row})


EQUAL = {"attack": "noise_of_psnr", "equals": "Noise"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (EQUAL | {"equals": "Nois"}, "no attack for Equal 'Nois'.*mean 'Noise'"),
        (EQUAL | {"equals": "Equal"}, "attacks.Equal.equals='Equal': it cannot equal"),
        (EQUAL | {"equals": "Other"}, "attacks.Equal.*equals 'Noise' in turn"),
        (EQUAL | {"equals": "Gradient"}, "other pictures for each victim: name one"),
        (EQUAL | {"psnr": 30.0}, "take its 'psnr' out, or 'equals'"),
        ({"attack": "noise_of_psnr"}, "attacks.Equal: noise_of_psnr needs psnr"),
        ({"attack": "noise", "equals": "Noise"}, "noise has no setting 'psnr'"),
    ],
)
def test_what_cannot_equal_another_attack_is_said(data, row, message):
    attacks = {
        "Noise": tiny_arena.NOISE,
        "Other": EQUAL,
        "Gradient": {"attack": "fgsm", "follows": "itself"},
        "Equal": row,
    }
    chosen = selection(victims=("NF",), attacks=("Equal",))
    with pytest.raises(ValueError, match=message):
        check(data, attacks=attacks, defences=defences(chosen))


def test_every_victim_can_be_followed(data):
    """By its name or by itself, whatever its logits are; likeness has its attack."""
    attacks = {
        "Noise": tiny_arena.NOISE,
        "Equal": EQUAL,
        "NF's": {"attack": "fgsm", "follows": "NF"},
        "Itself": {"attack": "fgsm", "follows": "itself"},
    }
    both = selection(victims=("NF",), attacks=("Equal", "NF's", "Itself"))
    chosen = {"attacks": attacks, "defences": {"none": both}}
    check(data, **chosen)
    used = checks.used_attacks(tiny_arena.settings(**chosen))
    assert used == ["Equal", "NF's", "Itself", "Noise"]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"traces": traces(attacks=("Itself",))}, "traces.attacks='Itself'"),
        (
            {
                "limited": limited(
                    attack="Itself", victims=("NF",), fractions=(0.5, 1), seeds=1
                )
            },
            "limited.attack='Itself'",
        ),
    ],
)
def test_pictures_for_each_victim_stand_in_tables_alone(data, changed, where):
    attacks = {"Noise": tiny_arena.NOISE} | {
        "Itself": {"attack": "fgsm", "follows": "itself"}
    }
    with pytest.raises(ValueError, match=f"{where} follows each victim itself"):
        check(data, attacks=attacks, **changed)


def test_fakes_without_originals_are_refused(tmp_path):
    data = opened(prepare_in(tmp_path, pictures(tmp_path)))
    with pytest.raises(ValueError, match="prepare.py pairs DIR"):
        check(data)


def test_a_split_of_one_class_is_refused(data):
    with pytest.raises(ValueError, match="split test needs reals and fakes"):
        check(data._replace(test=data.test.labelled(1)))
    with pytest.raises(ValueError, match=r"fakes that training lacks: \['pggan'\]"):
        check(data._replace(train=data.train.only(["began"])))
