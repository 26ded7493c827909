"""FakeLocator: targets, pairs, attention, losses, steps, what is frozen and refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from jaxforensics.evaluation import metrics
from jaxforensics.methods import fakelocator
from jaxforensics.ops import augment

SIDE = 32
SMALL = {"width": 4, "levels": 2}
TINY = {
    "model": "unet",
    "model_settings": SMALL,
    "branch": {"widths": (4, 4), "dense": (8,)},
    "steps": 4,
}
HAIR, MOUTH = 2, 7
# Real, edits of hair, edits of mouths, whole faces.
REGIONS = ((), (HAIR,), (MOUTH,), ())
ENTIRE = (3,)


def batch_of(seed=0, count=8, sources=(1, 2)):
    """Noise with a brighter patch where a class of the parsing lies, and originals."""
    draw = np.random.default_rng(seed)
    original = draw.integers(0, 200, (count, SIDE, SIDE, 3), np.uint8)
    parsing = np.full((count, SIDE, SIDE), 1, np.uint8)
    source = np.int32([sources[i % len(sources)] for i in range(count)])
    image = original.copy()
    for i, (row, column) in enumerate(draw.integers(4, 20, (count, 2))):
        for number in (HAIR, MOUTH):
            row = (row + 12) % 24
            place = i, slice(row, row + 8), slice(column, column + 8)
            parsing[place] = number
            if (number,) == REGIONS[source[i]]:
                image[place] = image[place] + 40
    image = np.where((source == 0)[:, None, None, None], original, image)
    return {
        "image": jnp.float32(image) / 255,
        "real": jnp.float32(original) / 255,
        "parsing": jnp.array(parsing),
        "label": jnp.int32(source > 0),
        "source": jnp.array(source),
        "valid": jnp.ones(count, jnp.float32),
    }


def made(**changed):
    return fakelocator.make(**TINY | changed)


def of(method):
    """The `Locator` of a method."""
    return method.predict.args[0]


def same(first, second):
    return jax.tree.all(jax.tree.map(np.array_equal, first, second))


def moved_role(role, before, after):
    return not same(before.nets[role].params, after.nets[role].params)


@pytest.fixture
def placed_only(monkeypatch):
    """Augmentation that moves pictures and leaves their looks alone."""
    monkeypatch.setattr(augment, "photometric", lambda key, image: image)


@pytest.fixture(scope="module")
def predicted():
    """A method with everything, after two steps of either stage."""
    method = made(
        attention="predicted",
        regions=REGIONS,
        entire=ENTIRE,
        augment_reals=1.0,
        parser={"classes": 11, **SMALL},
        parser_steps=2,
    )
    states = [jax.jit(method.init)(jax.random.key(0), batch_of())]
    compiled = []
    for stage in method.stages:
        step = jax.jit(stage.step)
        for number in range(2):
            state, metrics_of_step = step(
                jax.random.key(number), states[-1], batch_of(number)
            )
            assert all(np.isfinite(value) for value in metrics_of_step.values())
            states.append(state)
        compiled.append(step._cache_size())
    return method, states, compiled


def test_each_stage_moves_its_nets_and_compiles_once(predicted):
    method, states, compiled = predicted
    assert [stage.name for stage in method.stages] == ["parse", "train"]
    assert compiled == [1, 1]
    start, _, parsed, _, trained = states
    assert moved_role("parser", start, parsed)
    assert same(parsed.nets["parser"], trained.nets["parser"])
    for role in ("locator", "branch"):
        assert same(start.nets[role], parsed.nets[role])
        assert moved_role(role, parsed, trained)
    assert not same(parsed.nets["locator"].stats, trained.nets["locator"].stats)


def test_predictions(predicted):
    """A map in [0, 1], P(fake), a spread; without attention, from pictures alone."""
    method, states, _ = predicted
    batch = batch_of(5)
    outputs = jax.jit(method.predict)(states[-1], batch)
    shapes = {name: value.shape for name, value in outputs.items()}
    assert shapes == {
        "mask": (8, SIDE, SIDE),
        "score": (8,),
        "logits": (8, 1),
        "features": (8, 8),
        "spread": (8, SIDE, SIDE),
        "parsing": (8, SIDE, SIDE),
    }
    for name in ("mask", "score"):
        assert 0 <= outputs[name].min() <= outputs[name].max() <= 1
    np.testing.assert_allclose(
        outputs["score"], expit(np.asarray(outputs["logits"])[:, 0]), rtol=1e-5
    )
    assert outputs["spread"].min() >= 0 and outputs["spread"].max() < 0.5
    other = batch | {"parsing": 0 * batch["parsing"], "label": 1 - batch["label"]}
    assert same(outputs["mask"], jax.jit(method.predict)(states[-1], other)["mask"])
    values = jax.jit(partial(fakelocator.measure, entire=ENTIRE, regions=REGIONS))(
        outputs, batch
    )
    assert all(value.shape == (8,) for value in values.values())
    summary = fakelocator.summarise(
        values | {n: batch[n] for n in ("label",)} | outputs
    )
    assert summary["left_out"] == 0 and summary["fake_accuracy"] == summary["accuracy"]
    assert summary["region_map_psnr"] > 0
    assert summary["parsing_iou"] == pytest.approx(
        np.mean(metrics.parsing_iou(outputs["parsing"], batch["parsing"], 11))
    )


def test_a_parser_that_starts_from_weights_is_frozen():
    method = made(attention="predicted", regions=REGIONS, parser=SMALL)
    state = jax.eval_shape(method.init, jax.random.key(0), batch_of())
    assert [stage.name for stage in method.stages] == ["train"]
    assert state.nets["parser"].opt == ()
    assert set(method.handed_on(state)) == {"locator", "branch"}


def test_a_logit_of_zero_is_a_half_and_without_a_branch_the_map_scores():
    method = made(branch=None)
    assert set(of(method).txs) == {"locator"}
    batch = batch_of()
    state = jax.jit(method.init)(jax.random.key(0), batch)
    net = state.nets["locator"]
    still = {**net.params, "logits": jax.tree.map(jnp.zeros_like, net.params["logits"])}
    state = state.replace(nets={"locator": net.replace(params=still)})
    outputs = jax.jit(method.predict)(state, batch)
    np.testing.assert_array_equal(outputs["mask"], 0.5)
    np.testing.assert_array_equal(outputs["score"], 0.5)
    assert "logits" not in outputs


# Targets.


def test_targets():
    """Edits by the formula; whole faces ones in spite of a pair; reals zeros."""
    batch = batch_of(sources=(0, 1, 3))
    found = np.asarray(fakelocator.targets(batch, entire=ENTIRE))
    image, original = (np.round(255 * np.asarray(batch[k])) for k in ("image", "real"))
    gray = np.abs(image - original) @ [0.299, 0.587, 0.114] / 255
    for i, source in enumerate(np.asarray(batch["source"])):
        expected = {0: 0 * gray[i], 1: gray[i], 3: 0 * gray[i] + 1}[source]
        np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-6)
        assert (source == 1) == (0 < found[i].mean() < 1)


def test_fakes_without_an_original_are_left_out_and_counted():
    batch = batch_of(sources=(1, 2, 3, 0))
    missing = batch | {"real": batch["real"].at[:5].set(batch["image"][:5])}
    found = fakelocator.is_usable(missing, entire=ENTIRE)
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 0, 1, 1, 1])
    without = {name: column for name, column in batch.items() if name != "real"}
    found = fakelocator.is_usable(without, entire=ENTIRE)
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 0, 0, 1, 1])
    method = of(made(entire=ENTIRE))
    examples = fakelocator._examples(method, jax.random.key(0), {}, missing)
    np.testing.assert_array_equal(
        examples.valid.reshape(8, 2)[:, 0], [0, 0, 1, 0, 0, 1, 1, 0]
    )


def test_binary_targets_are_those_above_the_threshold():
    batch = batch_of(sources=(1,))
    settings = {"target": "binary", "threshold": 0.15}
    gray = fakelocator.targets(batch)
    found = fakelocator._asked(settings, gray, (SIDE, SIDE))
    np.testing.assert_array_equal(found, gray >= 0.15)
    assert 0 < found.mean() < 1
    # Of a map that is smaller: means over its pixels, which reach it or do not.
    cells = np.asarray(gray).reshape(8, 4, SIDE // 4, 4, SIDE // 4).mean((2, 4))
    settings["threshold"] = float(np.median(cells[cells > 0]))
    found = fakelocator._asked(settings, gray, (4, 4))
    np.testing.assert_array_equal(found, cells >= settings["threshold"] - 1e-7)
    np.testing.assert_allclose(
        fakelocator._asked({"target": "gray"}, gray, (4, 4)), cells, atol=1e-6
    )


def test_ffd_is_trained_like_any_locator():
    """A smaller map, and an answer of its own."""
    method = made(model="ffd_map", model_settings={}, branch=None, target="binary")
    batch = batch_of(count=2)
    state = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert set(state.nets) == {"locator"}
    after, found = jax.eval_shape(
        method.stages[0].step, jax.random.key(0), state, batch
    )
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    assert {"map", "branch", "accuracy"} < set(found)
    outputs = jax.eval_shape(method.predict, state, batch)
    assert outputs["mask"].shape == outputs["spread"].shape == (2, SIDE, SIDE)
    assert outputs["logits"].shape == (2, 1) and outputs["score"].shape == (2,)


def test_pictures_as_they_come(placed_only):
    """Unpaired: labels of the batch, chances by label, targets that move along."""
    batch = batch_of(sources=(0, 3))
    method = of(made(paired=False, entire=ENTIRE, augment_fakes=1.0))
    examples = fakelocator._examples(method, jax.random.key(3), {}, batch)
    np.testing.assert_array_equal(examples.label, batch["label"])
    np.testing.assert_array_equal(examples.image[::2], batch["image"][::2])
    assert np.abs(examples.image - batch["image"]).max() > 0.1
    np.testing.assert_allclose(examples.target.mean((1, 2)), [0, 1] * 4, atol=1e-6)


# Pairs and attention.


def test_members_of_a_pair_have_one_attention_which_does_not_tell_the_label(
    placed_only,
):
    method = of(made(attention="parsing", regions=REGIONS, augment_reals=1.0))
    maps = []
    labels = []
    for seed in range(6):
        examples = fakelocator._examples(
            method, jax.random.key(seed), {}, batch_of(seed)
        )
        np.testing.assert_array_equal(examples.attention[::2], examples.attention[1::2])
        np.testing.assert_array_equal(examples.label, [1, 0] * 8)
        maps.append(np.asarray(examples.attention).reshape(16, -1))
        labels.append(examples.label)
    maps, labels = np.concatenate(maps), np.concatenate(labels)
    # Mean-pooled, as the encoder sees it; every pair is in one half alone.
    half = len(maps) // 2
    judge = LogisticRegression().fit(maps[:half], labels[:half])
    scores = judge.predict_proba(maps[half:])[:, 1]
    assert metrics.auc(labels[half:], scores) == pytest.approx(0.5, abs=0.05)


def test_attention_lies_on_the_region_of_the_property():
    batch = batch_of()
    method = of(made(attention="parsing", regions=REGIONS))
    found = fakelocator._examples(method, jax.random.key(0), {}, batch).attention[::2]
    for i, source in enumerate(np.asarray(batch["source"])):
        region = np.asarray(batch["parsing"][i]) == REGIONS[source][0]
        assert found[i][region].mean() > 3 * found[i][~region].mean()
        assert float(found[i].max()) == 1


def test_unknown_properties_have_all_regions_and_whole_faces_white_maps():
    batch = batch_of(sources=(3,))
    table = fakelocator._region_table(REGIONS)
    region = np.isin(batch["parsing"], [HAIR, MOUTH])
    found = fakelocator._region(batch["parsing"], batch["source"], table)
    np.testing.assert_array_equal(found > 0, region)
    nothing = fakelocator.attention_maps(
        0 * batch["parsing"], batch["source"], regions=table
    )
    np.testing.assert_array_equal(nothing, 1.0)
    unlisted = fakelocator._region(batch["parsing"], batch["source"] + 9, table)
    assert not unlisted.any()


def test_a_fake_and_its_target_move_together(placed_only):
    """A picture whose difference from its original is its own gray."""
    ramp = np.mgrid[:SIDE, :SIDE][1] / SIDE
    image = np.float32(np.broadcast_to(ramp[..., None], (8, SIDE, SIDE, 3)))
    batch = batch_of(sources=(1,)) | {"image": jnp.array(image), "real": 0 * image}
    method = of(made(augment_fakes=1.0))
    examples = fakelocator._examples(method, jax.random.key(1), {}, batch)
    fakes, targets = examples.image[::2], examples.target[::2]
    assert np.abs(fakes - image).max() > 0.2
    np.testing.assert_allclose(targets, fakes[..., 0], atol=1e-5)
    np.testing.assert_array_equal(examples.target[1::2], 0)


def test_pairs_are_shifted_together_with_target_and_parsing():
    """All parts of a picture hold one ramp: shifted, they still do."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    ramp = np.uint8(4 * rows + 2 * columns)
    pictures = np.broadcast_to(ramp[..., None], (8, SIDE, SIDE, 3)) / np.float32(255)
    batch = batch_of(sources=(1,)) | {
        "image": jnp.array(pictures),
        "real": jnp.array(pictures / 2),
        "parsing": jnp.array(np.broadcast_to(ramp, (8, SIDE, SIDE))),
    }
    shifted = jax.jit(partial(fakelocator._shifted, limit=0.3))(
        jax.random.key(2), batch
    )
    found = np.asarray(shifted["image"])
    assert (np.abs(found - pictures).max((1, 2, 3)) > 0.05).sum() >= 7
    np.testing.assert_allclose(shifted["real"], found / 2, atol=1e-6)
    np.testing.assert_array_equal(shifted["parsing"], np.round(255 * found[..., 0]))
    # What a step learns from: the target is that of the shifted pictures.
    method = of(made(attention="parsing", regions=REGIONS, shift=0.3))
    examples = fakelocator._examples(method, jax.random.key(2), {}, batch)
    fakes, reals = examples.image[::2], examples.image[1::2]
    np.testing.assert_allclose(reals, fakes / 2, atol=1e-6)
    np.testing.assert_allclose(examples.target[::2], (fakes / 2)[..., 0], atol=1e-6)
    np.testing.assert_array_equal(examples.attention[::2], examples.attention[1::2])


# Losses.


def focal_by_pixel(p, y):
    """RetinaNet's at both ends, what lies between in proportion."""
    value = 0.0
    for share, probability, weight in ((y, p, 0.25), (1 - y, 1 - p, 0.75)):
        value += -weight * share * (1 - probability) ** 2 * np.log(probability)
    return value


LOSSES = {
    "l1": lambda p, y: np.abs(p - y).mean(),
    "l2": lambda p, y: ((p - y) ** 2).mean(),
    "focal": lambda p, y: focal_by_pixel(p, y).mean(),
    "dice": lambda p, y: 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1),
}


@pytest.mark.parametrize("name", fakelocator.MAP_LOSSES)
def test_losses_equal_their_formulas(name):
    draw = np.random.default_rng(0)
    logits = np.float32(draw.normal(0, 3, (4, 7, 5)))
    target = np.float32(draw.random((4, 7, 5)) * (np.arange(4) > 0)[:, None, None])
    found = fakelocator.MAP_LOSSES[name](logits, target)
    expected = [
        LOSSES[name](expit(np.float64(x)), np.float64(y))
        for x, y in zip(logits, target, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    extreme = jax.grad(
        lambda x: fakelocator.MAP_LOSSES[name](x, jnp.array(target)).sum()
    )(jnp.array(40 * logits))
    assert np.isfinite(extreme).all()


def test_the_loss_is_that_of_map_and_branch_of_valid_pictures():
    method = made(branch_weight=0.5, model_settings=SMALL)
    batch = batch_of() | {"valid": jnp.array([1, 1, 1, 1, 1, 1, 0, 0.0])}
    state = jax.jit(method.init)(jax.random.key(0), batch)
    _, found = jax.jit(method.stages[0].step)(jax.random.key(1), state, batch)
    assert float(found["loss"]) == pytest.approx(
        float(found["map"] + 0.5 * found["branch"]), rel=1e-6
    )
    assert float(found["used"]) == pytest.approx(0.75)


# Refusals.


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"model": "ffd_map", "model_settings": {}}, "set branch=None"),
        ({"model": "xception"}, "no encoder and decoder 'xception'"),
        ({"map_loss": "l3"}, "did you mean 'l"),
        ({"attention": "parsing"}, "'parsing' needs regions"),
        (
            {"attention": "parsing", "regions": REGIONS, "paired": False},
            "needs paired=True",
        ),
        ({"parser_steps": 3}, "are for attention='predicted', not for 'white'"),
        ({"augment_reals": 1.5}, "augment_reals is a probability"),
        ({"shift": 0.6}, "shift is a share of a side, 0 to 0.5"),
        ({"branch_input": "feature"}, "did you mean 'features'"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        made(**settings)
