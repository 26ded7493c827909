"""The translation method: what counts, what moves, what is predicted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.synthfaces.forgers import translation


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


def test_perfect_pictures_are_at_no_distance():
    draw = np.random.default_rng(2)
    truth, image = np.float32(draw.uniform(size=(2, 2, 16, 16, 3)))
    pair = {"truth": truth, "image": image}
    assert np.allclose(translation._distances(pair, truth, truth, 4.0), 0, atol=1e-6)
    worse, rough = translation._distances(pair, truth + 0.1, truth, 4.0)
    assert np.isclose(worse, 0.1, atol=1e-3) and rough < 1e-3
    painted, _ = translation._distances(pair, truth, truth + 0.1, 4.0)
    assert np.isclose(painted, 0.05, atol=1e-3)


def test_changed_pixels_weigh_more():
    truth = np.zeros((1, 16, 16, 3), np.float32)
    image, drawn = truth.copy(), truth.copy()
    image[:, :4], drawn[:, :4] = 1.0, 0.1
    pair = {"truth": truth, "image": image}
    plain, weighted = (
        translation._distances(pair, drawn, truth, e)[0] for e in (0.0, 3.0)
    )
    assert np.isclose(plain, 0.025) and np.isclose(weighted, 0.1 * 4 / 7, rtol=1e-3)


def test_every_argument_is_among_the_settings():
    method = translation.make(up="shuffle", **SWAP)
    assert method.settings["up"] == "shuffle" and method.settings["large"] == 2
    assert set(method.settings) == set(translation.make.__kwdefaults__) | {"steps"}
