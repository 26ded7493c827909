"""The translation method: what counts, what moves, what is predicted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.synthfaces.forgers import translation
from jaxforensics.synthfaces.forgers.translator import Redrawn


def batch(*, extras=()):
    draw = np.random.default_rng(1)
    found = {}
    for size in translation.SIZES:
        shape = (3, size, size, 3)
        for name in ("image", "truth", *(x for x in extras if x == "guide")):
            found[f"{name}_{size}"] = draw.integers(0, 256, shape, np.uint8)
        if "mask" in extras:
            mask = np.zeros(shape[:3], np.uint8)
            mask[:, size // 4 : size // 2, size // 4 : size // 2] = 255
            found[f"mask_{size}"] = mask
    return found


SWAP = {"large": 2, "steps": 1}


@pytest.fixture(scope="module")
def swapped():
    method, data = translation.make(**SWAP), batch(extras=("guide", "mask"))
    state = jax.jit(method.init)(jax.random.key(0), data)
    step = jax.jit(method.stages[0].step)
    return method, data, state, step, step(jax.random.key(1), state, data)


def test_a_step_moves_both_nets(swapped):
    _, _, state, _, (moved, metrics) = swapped
    assert int(moved.step) == 1
    assert set(metrics) == {"distance", "texture", "fooled", "critic"}
    assert all(np.isfinite(float(x)) for x in metrics.values())
    for name in ("translator", "critic"):
        before, after = state.nets[name].params, moved.nets[name].params
        moves = jax.tree.map(lambda a, b: float(abs(a - b).max()), before, after)
        assert max(jax.tree.leaves(moves)) > 1e-5, name


def test_what_lies_outside_the_mask_does_not_count(swapped):
    _, data, state, step, (_, metrics) = swapped
    for inside in (False, True):
        changed = dict(data)
        for size in translation.SIZES:
            region = (data[f"mask_{size}"] > 0) == inside
            truth = np.where(region[..., None], 128, data[f"truth_{size}"])
            changed[f"truth_{size}"] = np.uint8(truth)
        _, found = step(jax.random.key(1), state, changed)
        same = np.isclose(found["distance"], metrics["distance"], rtol=0.02)
        assert same != inside


def test_only_the_first_large_pictures_take_part(swapped):
    _, data, state, step, (_, metrics) = swapped
    for row, part in ((2, False), (1, True)):
        changed = {k: np.array(v) for k, v in data.items()}
        changed["truth_128"][row] = 0
        _, found = step(jax.random.key(1), state, changed)
        assert (float(found["distance"]) != float(metrics["distance"])) == part


def test_predictions_leave_alone_what_is_not_masked(swapped):
    method, data, state, _, _ = swapped
    one = {k: jnp.float32(data[f"{k}_64"]) / 255 for k in ("image", "guide", "mask")}
    drawn = jax.jit(method.predict)(state, one | {"index": np.arange(3)})["image"]
    outside = data["mask_64"] == 0
    assert np.array_equal(drawn[outside], one["image"][outside])
    assert np.abs(drawn - one["image"])[~outside].mean() > 0.01
    levels = np.asarray(drawn)[~outside] * 255
    assert np.allclose(levels, np.round(levels), atol=1e-3)


def weights(**chosen):
    plain = {
        "emphasis": 4.0,
        "crowd": None,
        "texture": 0,
        "adversarial": 0,
        "gate": 0.0,
    }
    return translation.Weights(**(plain | chosen))


def redrawn(picture, paint, kept=None):
    if kept is None:
        kept = np.ones((*picture.shape[:3], 1), np.float32)
    return Redrawn(picture, paint, kept)


def test_perfect_pictures_are_at_no_distance():
    draw = np.random.default_rng(2)
    truth, image = np.float32(draw.uniform(size=(2, 2, 16, 16, 3)))
    pair = {"truth": truth, "image": image}

    def terms(picture, paint):
        return translation._distances(pair, redrawn(picture, paint), weights())

    perfect = terms(truth, truth)
    assert set(perfect) == {"distance", "texture"}
    assert np.allclose(list(perfect.values()), 0, atol=1e-6)
    worse = terms(truth + 0.1, truth)
    assert np.isclose(worse["distance"], 0.1, atol=1e-3) and worse["texture"] < 1e-3
    painted = terms(truth, truth + 0.1)
    assert np.isclose(painted["distance"], 0.05, atol=1e-3)


def test_changed_pixels_weigh_more():
    truth = np.zeros((1, 16, 16, 3), np.float32)
    image, drawn = truth.copy(), truth.copy()
    image[:, :4], drawn[:, :4] = 1.0, 0.1
    pair = {"truth": truth, "image": image}
    plain, weighted = (
        translation._distances(pair, redrawn(drawn, truth), weights(emphasis=e))
        for e in (0.0, 3.0)
    )
    assert np.isclose(plain["distance"], 0.025)
    assert np.isclose(weighted["distance"], 0.1 * 4 / 7, rtol=1e-3)


def test_in_a_crowd_a_small_region_counts_nearly_as_a_large_one():
    truth = np.zeros((2, 64, 64, 3), np.float32)
    image = truth.copy()
    image[0, 16:48, 16:48] = 1.0
    image[1, 31, 16:48] = 1.0  # a line, an eighth of the cells that it crosses
    pair = {"truth": truth, "image": image}
    for crowd, least, most in ((None, 25, 40), (0.05, 1, 10)):
        emphasised = np.asarray(translation._emphasised(pair, crowd))[..., 0]
        assert (emphasised[image[..., 0] == 0] == 0).all()
        square, line = emphasised.sum((1, 2))
        assert least < square / line < most

    # In the middle of the square everything changes.
    assert np.isclose(translation._emphasised(pair, 0.1)[0, 32, 32, 0], 1 / 1.1)


def test_guidance_wants_an_open_gate_and_good_paint_where_the_picture_changes():
    truth = np.full((1, 16, 16, 3), 0.5, np.float32)
    image = truth.copy()
    image[:, 4:8, 4:8] = 0.0
    pair = {"truth": truth, "image": image}
    stays = np.ones((1, 16, 16, 1), np.float32)
    stays[:, 4:8, 4:8] = 0.0
    elsewhere = truth + 0.3 * stays

    def guidance(paint, kept):
        drawn = redrawn(truth, paint, kept)
        return translation._distances(pair, drawn, weights(gate=1.0))["guidance"]

    right = guidance(truth, stays)
    assert right < 0.01
    assert guidance(truth, 1 - stays) > 5
    # A gate at one half is wrong by one bit, wherever it is.
    assert np.isclose(guidance(truth, 0 * stays + 0.5), np.log(2), atol=0.01)
    assert np.isclose(guidance(truth + 0.1, stays) - right, 0.1, atol=0.05)
    single_pixels = translation.SCALES[0]
    assert single_pixels == 1 and guidance(elsewhere, stays) < 0.15


def test_every_argument_is_among_the_settings():
    method = translation.make(up="shuffle", **SWAP)
    assert method.settings["up"] == "shuffle" and method.settings["large"] == 2
    assert set(method.settings) == set(translation.make.__kwdefaults__) | {"steps"}
