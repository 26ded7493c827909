"""The adversarial game: who moves, for whom a map is, and what is learned from."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from jaxforensics import attacks
from jaxforensics.methods import adversarial_game, classifier
from jaxforensics.models import multi_attention
from jaxforensics.ops.filters import pixelwise_gaussian_blur

SIDE = 16
TINY = {
    "model": "meso4",
    "model_settings": {"norm_momentum": 0.9},
    "num_classes": 2,
    "generator": {"width": 4, "blocks": 1, "size": 3},
    "steps": 4,
}
OPTIONS = {  # of those that take other kernels than the default, for small pictures
    "blur": {"attack": {"size": 3}},
    "constant_blur": {"attack": {"size": 3}},
    "random_blur": {"attack": {"size": 3}},
}


def pictures(seed=0, count=8):
    """Noise, of fakes smoother, in an order of no meaning."""
    draw = np.random.default_rng(seed)
    image = draw.normal(0, 0.2, (count, SIDE, SIDE, 3))
    label = draw.permutation(np.arange(count) % 2)
    smooth = (image + np.roll(image, 1, axis=1)) / 2**0.5
    image = np.where(label[:, None, None, None] == 1, smooth, image)
    return {
        "image": jnp.float32(np.clip(0.5 + image, 0, 1)),
        "label": jnp.int32(label),
        "valid": jnp.ones(count, jnp.float32),
    }


def made(adversary, **changed):
    return adversarial_game.make(
        **TINY | OPTIONS.get(adversary, {}) | {"adversary": adversary} | changed
    )


def game_of(method):
    """The `Game` of a method."""
    return method.predict.args[0]


@pytest.fixture(scope="module")
def two():
    """Two generators, and the state before and after a step."""
    method = made("two_generators", generator_steps=2)
    before = jax.jit(method.init)(jax.random.key(0), pictures())
    step = jax.jit(method.stages[0].step)
    after, metrics = step(jax.random.key(1), before, pictures())
    return method, step, before, after, metrics


@pytest.fixture(scope="module")
def move_generators(two):
    """The compiled move of the generators of `two`."""
    return jax.jit(partial(adversarial_game._move_generators, game_of(two[0])))


def same(first, second):
    return jax.tree.all(jax.tree.map(np.array_equal, first, second))


@pytest.mark.parametrize("adversary", adversarial_game.ADVERSARIES)
def test_every_adversary_plays(adversary):
    method = made(adversary)
    state = jax.eval_shape(method.init, jax.random.key(0), pictures())
    moved, metrics = jax.eval_shape(
        method.stages[0].step, jax.random.key(0), state, pictures()
    )
    assert jax.tree.map(jnp.shape, moved) == jax.tree.map(jnp.shape, state)
    assert all(value.shape == () for value in metrics.values())
    assert ("changed" in metrics) == (adversary != "none")
    assert ("generator_loss" in metrics) == (adversary in adversarial_game.GENERATORS)


def clips(seed=0):
    """Four videos of two frames."""
    batch = pictures(seed)
    return {
        "image": batch["image"].reshape(4, 2, SIDE, SIDE, 3),
        "label": jnp.array([0, 1, 1, 0]),
        "valid": jnp.ones(4, jnp.float32),
    }


SEVERAL = {
    "model": "tsn",
    "model_settings": {
        "frame_model": "meso4",
        "frame_settings": {"norm_momentum": 0.9},
    },
}


@pytest.mark.parametrize("adversary", ["blur", "flow", "pgd", "combined"])
def test_every_frame_of_a_video_is_changed(adversary):
    """Shapes say that all play; below is what the generators see."""
    method = made(adversary, **SEVERAL)
    state = jax.eval_shape(method.init, jax.random.key(0), clips())
    step = method.stages[0].step
    moved, metrics = jax.eval_shape(step, jax.random.key(0), state, clips())
    assert jax.tree.map(jnp.shape, moved) == jax.tree.map(jnp.shape, state)
    assert all(value.shape == () for value in metrics.values())
    predicted = jax.eval_shape(method.predict, state, clips())
    assert predicted["logits"].shape == (4, 2)
    if adversary == "combined":
        assert predicted["precision"].shape == (4, 2, SIDE, SIDE)


def test_generators_draw_for_every_frame_as_for_a_picture(two):
    method, _, before, _, _ = two
    batch = clips()
    alone = {
        "image": batch["image"].reshape(8, SIDE, SIDE, 3),
        "label": jnp.repeat(batch["label"], 2),
    }
    params = {name: net.params for name, net in before.nets.items()}

    @jax.jit
    def maps(batch):
        game = game_of(method)
        return adversarial_game._maps(game, before.nets, params, batch, train=True)

    for found, expected in zip(
        *(jax.tree.leaves(maps(each)) for each in (batch, alone)), strict=True
    ):
        np.testing.assert_array_equal(found, np.reshape(expected, found.shape))


def test_all_move_in_a_step_and_a_second_one_compiles_nothing(two):
    _, step, before, after, metrics = two
    assert set(before.nets) == {"detector", "real_generator", "fake_generator"}
    for role in before.nets:
        assert not same(before.nets[role].params, after.nets[role].params)
        assert not same(before.nets[role].stats, after.nets[role].stats)
    assert all(np.isfinite(value) for value in metrics.values())
    compiled = step._cache_size()
    step(jax.random.key(2), after, pictures(1))
    assert step._cache_size() == compiled


def test_generators_leave_the_detector_alone_and_raise_its_loss(two, move_generators):
    _, _, before, _, _ = two
    nets = before.nets
    rises = []
    for seed in range(12):
        batch = pictures(seed)
        moved, _, metrics = move_generators(nets, batch)
        assert same(moved["detector"], before.nets["detector"])
        _, _, again = move_generators(moved, batch)
        rises.append(again["generator_loss"] - metrics["generator_loss"])
        nets = moved
    assert np.mean(rises) > 0


def test_the_detector_leaves_the_generators_alone(two):
    method, _, before, _, _ = two
    game = game_of(method)
    batch = pictures()
    move = jax.jit(partial(adversarial_game._move_detector, game))
    nets, _ = move(before.nets, jax.random.key(3), batch, batch["image"])
    for role in ("real_generator", "fake_generator"):
        assert same(nets[role], before.nets[role])
    assert not same(nets["detector"].params, before.nets["detector"].params)


def constant(net, output):
    """A generator that gives this everywhere."""
    last = {"kernel": 0 * net.params["map"]["kernel"], "bias": jnp.full(1, output)}
    return net.replace(params=net.params | {"map": last})


def test_roles_go_by_label_in_any_order(two):
    """Reals' maps are the identity's, those of fakes a blur's."""
    method, _, before, _, _ = two
    game = game_of(method)._replace(
        blur=game_of(method).blur._replace(bound="free", rms=1.0)
    )
    nets = before.nets | {
        "real_generator": constant(before.nets["real_generator"], 100.0),
        "fake_generator": constant(before.nets["fake_generator"], 0.5),
    }
    batch = pictures(5)
    move = jax.jit(partial(adversarial_game._move_generators, game))
    _, blurred, _ = move(nets, batch)
    is_real = np.asarray(batch["label"] == 0)
    np.testing.assert_array_equal(blurred[is_real], batch["image"][is_real])
    flat = jnp.full(batch["image"].shape[:-1], 0.25)
    expected = pixelwise_gaussian_blur(batch["image"], flat, size=3)
    np.testing.assert_allclose(blurred[~is_real], expected[~is_real], rtol=0, atol=1e-6)


def test_generators_are_normalised_by_their_own_pictures_and_learn_from_them(
    two, move_generators
):
    _, _, before, _, _ = two
    batch = pictures(6)
    is_real = (batch["label"] == 0)[:, None, None, None]
    other = batch | {"image": jnp.where(is_real, batch["image"], 0.7)}
    moved = [
        move_generators(before.nets, one)[0]["real_generator"] for one in (batch, other)
    ]
    for one, another in zip(*map(jax.tree.leaves, moved), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-4, atol=1e-5)


def in_turn(batch, first):
    """The pictures of a batch with labels in turn; the first has the label `first`."""
    by_label = [np.flatnonzero(batch["label"] == label) for label in (first, 1 - first)]
    place = np.stack(by_label, 1).reshape(-1)
    return {name: column[place] for name, column in batch.items()}


@pytest.fixture(scope="module")
def move_in_turn(two):
    """The compiled move of the generators of `two`, where labels come in turn."""
    game = game_of(two[0])
    game = game._replace(blur=game.blur._replace(in_turn=True))
    return jax.jit(partial(adversarial_game._move_generators, game))


@pytest.mark.parametrize("first", [0, 1])
def test_pictures_in_turn_are_drawn_as_they_are_by_all(
    two, move_generators, move_in_turn, first
):
    """The general way, in which every generator sees all pictures, is another one."""
    _, _, before, _, _ = two
    batch = in_turn(pictures(7), first)
    expected = move_generators(before.nets, batch)
    found = move_in_turn(before.nets, batch)
    for one, another in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-3, atol=1e-4)


def test_a_picture_out_of_turn_stays_as_it_is(two, move_in_turn):
    _, _, before, _, _ = two
    batch = in_turn(pictures(8), 0)
    batch["label"] = batch["label"].at[3].set(0)
    _, blurred, metrics = move_in_turn(before.nets, batch)
    stays = [
        np.array_equal(*pair) for pair in zip(blurred, batch["image"], strict=True)
    ]
    assert stays == [False] * 3 + [True] + [False] * 4
    assert all(np.isfinite(value) for value in metrics.values())


def test_a_batch_of_one_class_moves_nothing_to_nan(two):
    _, step, before, _, _ = two
    batch = pictures() | {"label": jnp.ones(8, jnp.int32)}
    after, metrics = step(jax.random.key(1), before, batch)
    assert all(np.isfinite(value) for value in metrics.values())
    finite = jax.tree.map(lambda x: bool(jnp.isfinite(x).all()), after)
    assert jax.tree.all(finite)


@pytest.mark.parametrize(
    "bound, expected",
    [
        ("free", lambda s: s),
        ("clamp", lambda s: np.maximum(s, 1.5)),
        ("above", lambda s: s + 1.5),
        ("rms", lambda s: s * 0.39 / np.sqrt(np.mean(s**2, (1, 2), keepdims=True))),
    ],
)
def test_bounds(bound, expected):
    drawn = np.random.default_rng(0).uniform(0, 3, (2, 5, 4))
    blur = adversarial_game.Blur(
        size=9, bound=bound, rms=0.39, least=1.5, in_turn=False
    )
    found = adversarial_game.BOUNDS[bound](jnp.float32(drawn), blur)
    np.testing.assert_allclose(found, expected(drawn), rtol=1e-5)


def test_losses_are_shared_as_set():
    """By scipy, from the logits that the detector gives the batch of both."""
    method = made("constant_blur", share=0.25)
    game = game_of(method)
    batch = pictures() | {"valid": jnp.array([1, 1, 1, 1, 1, 1, 0, 0.0])}
    state = jax.jit(method.init)(jax.random.key(0), batch)
    changed = 1 - batch["image"]
    move = jax.jit(partial(adversarial_game._move_detector, game))
    nets, metrics = move(state.nets, jax.random.key(1), batch, changed)
    net = state.nets["detector"]
    both = jnp.stack([batch["image"], changed], 1).reshape(-1, SIDE, SIDE, 3)
    logits, _ = game.detector.apply(
        {"params": net.params, "batch_stats": net.stats},
        both,
        train=True,
        rngs={"dropout": jax.random.key(1)},
        mutable=["batch_stats"],
    )
    logs = log_softmax(np.float64(logits), axis=1).reshape(8, 2, 2)
    losses = -logs[np.arange(8), :, np.asarray(batch["label"])][:6].mean(0)
    np.testing.assert_allclose(metrics["changed"], losses[1], rtol=1e-5)
    expected = 0.75 * losses[0] + 0.25 * losses[1]
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


class Mapped(nn.Module):
    """A detector of few weights that draws a map, as FFD does."""

    @nn.compact
    def both(self, image, *, train=False):
        """Logits (b, 2) and a map (b, h / 4, w / 4)."""
        del train
        drawn = nn.sigmoid(nn.Conv(1, (4, 4), 4)(image))
        return nn.Dense(2)(image.mean((1, 2))), drawn[..., 0]

    def __call__(self, image, *, train=False):
        """Logits (b, 2)."""
        return self.both(image, train=train)[0]


def test_maps_learn_from_masks_of_the_picture_that_was_changed():
    """By numpy: an empty mask for reals, the fakes' for both, beside cross-entropy."""
    method = made("constant_blur", model="ffd", share=0.25, side_losses={"map": 2.0})
    game = game_of(method)._replace(detector=Mapped())
    valid = jnp.array([1, 1, 1, 1, 1, 1, 0, 0.0])
    draw = np.random.default_rng(2)
    mask = draw.uniform(size=(8, 4, 4)).repeat(4, 1).repeat(4, 2)
    batch = pictures() | {"valid": valid, "mask": jnp.float32(mask)}
    state = jax.jit(partial(adversarial_game._init, game))(jax.random.key(0), batch)
    changed = 1 - batch["image"]
    weights = {"weights": game.side_losses["map"], "none": 0.0}
    metrics = {}
    params = {}
    for name, weight in weights.items():
        one = game._replace(side_losses={"map": weight})
        move = jax.jit(partial(adversarial_game._move_detector, one))
        nets, metrics[name] = move(state.nets, jax.random.key(1), batch, changed)
        params[name] = nets["detector"].params
    distances = []
    target = np.where(np.asarray(batch["label"])[:, None, None] == 1, mask, 0)
    for image in (batch["image"], changed):
        variables = {"params": state.nets["detector"].params}
        _, drawn = game.detector.apply(variables, image, method="both")
        coarse = target.reshape(8, 4, 4, 4, 4).mean((2, 4))
        distances.append(np.abs(drawn - coarse).mean((1, 2))[:6].mean())
    expected = 0.75 * distances[0] + 0.25 * distances[1]
    np.testing.assert_allclose(metrics["weights"]["map_loss"], expected, rtol=1e-3)
    np.testing.assert_allclose(
        metrics["weights"]["loss"], metrics["none"]["loss"] + 2 * expected, rtol=1e-3
    )
    # The map's layer moves by the masks alone, that of logits without them.
    assert not same(params["weights"]["Conv_0"], params["none"]["Conv_0"])
    assert same(params["weights"]["Dense_0"], params["none"]["Dense_0"])


def test_maps_without_masks_are_an_error():
    method = made("constant_blur", model="ffd", side_losses={"map": 1})
    game = game_of(method)._replace(detector=Mapped())
    batch = pictures()
    init = partial(adversarial_game._init, game)
    state = jax.eval_shape(init, jax.random.key(0), batch)
    step = partial(adversarial_game._step, game)
    with pytest.raises(ValueError, match="side_losses.map learns .* have no masks"):
        jax.eval_shape(step, jax.random.key(0), state, batch)


def test_ffd_gives_maps():
    method = made("none", model="ffd", side_losses={"map": 1})
    batch = pictures() | {"mask": jnp.ones((8, SIDE, SIDE))}
    state = jax.eval_shape(method.init, jax.random.key(0), batch)
    step = method.stages[0].step
    _, metrics = jax.eval_shape(step, jax.random.key(0), state, batch)
    assert metrics["map_loss"].shape == ()


class Attending(nn.Module):
    """A detector of few weights with maps and centres, as the multi-attentional."""

    @nn.compact
    def both(self, image, *, train=False):
        """Logits (b, 2) and `Attended`."""
        del train
        maps = nn.sigmoid(nn.Conv(2, (4, 4), 4)(image))
        features = multi_attention.gathered(image[..., None, :], maps)
        centres = self.variable("batch_stats", "centres", lambda: jnp.zeros((2, 3)))
        logits = nn.Dense(2)(features.reshape(len(image), -1))
        return logits, multi_attention.Attended(maps, features, centres.value)

    def __call__(self, image, *, train=False):
        """Logits (b, 2)."""
        return self.both(image, train=train)[0]


def test_attention_is_kept_apart_and_guides_what_is_learned_from():
    method = made(
        "constant_blur",
        model="multi_attention",
        model_settings={},
        share=0.25,
        side_losses={"independence": 0.5},
        guided=2.0,
    )
    game = game_of(method)._replace(detector=Attending())
    batch = pictures() | {"valid": jnp.array([1, 1, 1, 1, 1, 1, 0, 0.0])}
    state = jax.jit(partial(adversarial_game._init, game))(jax.random.key(0), batch)
    net = state.nets["detector"]
    changed = 1 - batch["image"]
    move = jax.jit(partial(adversarial_game._move_detector, game))
    nets, metrics = move(state.nets, jax.random.key(1), batch, changed)

    variables = {"params": net.params, "batch_stats": net.stats}
    means, away = {}, {}
    _, attended = game.detector.apply(variables, batch["image"], method="both")
    guided = multi_attention.guided(
        jax.random.fold_in(jax.random.key(1), 1), batch["image"], attended.maps
    )
    parts = {"clean": batch["image"], "changed": changed, "guided": guided}
    features = []
    for name, image in parts.items():
        logits, attended = game.detector.apply(variables, image, method="both")
        logs = log_softmax(np.float64(logits), axis=1)
        means[name] = -logs[np.arange(8), np.asarray(batch["label"])][:6].mean()
        features.append(attended.features)
    weights = {"clean": 0.75, "changed": 0.25, "guided": 2.0}
    # Centres start at zero and follow all that is learned from.
    moved = 0.05 * np.stack(features)[:, :6].mean((0, 1))
    np.testing.assert_allclose(nets["detector"].stats["centres"], moved, rtol=1e-4)
    for name, feature in zip(parts, features, strict=True):
        one = multi_attention.Attended(None, feature, jnp.float32(moved))
        still = one._replace(
            centres=moved - 0.05 / 0.95 * (feature[:6].mean(0) - moved)
        )
        losses, _ = multi_attention.independence_loss(
            still, batch["label"], batch["valid"]
        )
        away[name] = losses[:6].mean()
    independence = 0.75 * away["clean"] + 0.25 * away["changed"]
    np.testing.assert_allclose(metrics["independence_loss"], independence, rtol=1e-4)
    expected = sum(weights[name] * means[name] for name in parts) + 0.5 * independence
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(metrics["guided"], means["guided"], rtol=1e-4)


def test_without_an_adversary_it_is_plain_training():
    """Step for step as a classifier, which knows no game; of a net without dropout."""
    common = {
        "model": "dcta",
        "num_classes": 2,
        "optimiser": {"name": "sgd", "rate": 0.1},
        "steps": 4,
    }
    game = adversarial_game.make(**common, adversary="none")
    plain = classifier.make(**common, loss="cross_entropy")
    state = jax.jit(game.init)(jax.random.key(0), pictures())
    other = jax.jit(plain.init)(jax.random.key(0), pictures())
    other = other.replace(nets={"classifier": state.nets["detector"]})
    key = jax.random.key(5)
    found, metrics = jax.jit(game.stages[0].step)(key, state, pictures())
    expected, plain_metrics = jax.jit(plain.stages[0].step)(key, other, pictures())
    for name, value in plain_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-6)
    for one, another in zip(
        jax.tree.leaves(found.nets["detector"]),
        jax.tree.leaves(expected.nets["classifier"]),
        strict=True,
    ):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-7)


def test_what_it_predicts(two):
    method, _, _, after, _ = two
    batch = pictures()
    found = jax.jit(method.predict)(after, batch)
    assert found["logits"].shape == (8, 2) and found["score"].shape == (8,)
    assert found["precision"].shape == (8, SIDE, SIDE)
    assert found["image"].shape == batch["image"].shape
    np.testing.assert_allclose(
        np.sqrt(np.square(found["precision"]).mean((1, 2))),
        adversarial_game.RMS,
        rtol=1e-4,
    )
    plain = made("blur")
    state = jax.eval_shape(plain.init, jax.random.key(0), batch)
    assert set(jax.eval_shape(plain.predict, state, batch)) == {"logits", "score"}


def test_trained_generators_attack_any_detector(two):
    method, _, before, after, _ = two
    batch = pictures(7)
    expected = jax.jit(method.predict)(after, batch)["image"]
    attack = attacks.build(
        "generated_blur", None, network=adversarial_game.blur_network(method, after)
    )
    found = attack(jax.random.key(0), batch["image"], batch["label"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    compiled = attacks.redraw._apply_by_class._cache_size()
    other = attacks.build(
        "generated_blur", None, network=adversarial_game.blur_network(method, before)
    )
    other(jax.random.key(0), batch["image"], batch["label"])
    assert attacks.redraw._apply_by_class._cache_size() == compiled
    with pytest.raises(ValueError, match="'blur' has no generators: generator, two"):
        adversarial_game.blur_network(made("blur"), after)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"adversary": "two_generator"}, "did you mean 'two_generators'"),
        ({"share": 1.5}, "0 to 1, not 1.5"),
        ({"num_classes": 3}, "one logit or two"),
        ({"generator": {"widht": 3}}, "did you mean 'width'"),
        ({"generator": {"bound": "clmap"}}, "did you mean 'clamp'"),
        ({"attack": {"epsilon": 1}}, "not for 'two_generators'"),
        ({"side_losses": {"mpa": 1}}, "did you mean 'map'"),
        ({"guided": 1.0}, "guided is for multi_attention, not for the model 'meso4'"),
        ({"side_losses": {"map": 1}}, "side_losses.map is for ffd, not for the model"),
        ({"adversary": "combined", "attack": {"epsilom": 1}}, "did you mean 'epsilon'"),
        ({"adversary": "blur", "attack": {"update": "pritned"}}, "mean 'printed'"),
    ],
)
def test_odd_settings_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        adversarial_game.make(**TINY | changed)
