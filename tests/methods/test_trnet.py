"""TR-Net's game: losses against numpy, who moves when, and gradients that arrive."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.ndimage import correlate
from scipy.special import expit
from skimage.metrics import structural_similarity
from variables import filled

from jaxforensics import models
from jaxforensics.methods import trnet
from jaxforensics.training.nets import forward

random = np.random.default_rng(0)
TINY = {
    "sources": 3,
    "generator": {"widths": (4, 6), "norm": "affine"},
    "critic": {"width": 4},
    "optimiser": {"name": "rmsprop", "rate": 1e-3},
    "critic_optimiser": {"name": "rmsprop", "rate": 1e-3},
    "steps": 4,
}
RATES = "optimiser", "critic_optimiser"
PLAYERS = {"generator", *trnet.CRITICS}


def pictures(*shape):
    return np.float32(random.uniform(0.2, 0.8, (*shape, 3)))


def pairs(count=4, size=16):
    real = pictures(count, size, size)
    fake = np.clip(real + random.normal(0, 0.05, real.shape), 0, 1)
    return {
        "image": np.float32(fake),
        "real": real,
        "source": np.int32(1 + np.arange(count) % 2),
        "valid": np.float32(np.arange(count) < count - 1),
    }


def filled_params(net, image):
    """Random parameters, without the compilation of `init`."""
    return filled(np.random.default_rng(0), net, image)["params"]


# A game takes long to compile, so these tests share two: one that keeps its best
# generator, halves its rates, is balanced and has a penalty, and below one of two
# critics with statistics.
WATCHED = TINY | {"penalty": 1.0, "last": 3, "epoch": 1, "balanced": True}
FEW = "spectral", "fingerprint"


@jax.jit
def play(rates, key, state, batch):
    """A step of the first game; the rates of both optimisers are told when called."""
    optimisers = {
        name: TINY[name] | {"rate": rate}
        for name, rate in zip(RATES, rates, strict=True)
    }
    method = trnet.make(**WATCHED | optimisers)
    return method.stages[0].step(key, state, batch)


def moved_by(key, state, batch, rates=(1e-3, 1e-3)):
    return play(np.float32(rates), key, state, batch)


@pytest.fixture(scope="module")
def started():
    """The first game, its compiled step, and its state before the first."""
    method = trnet.make(**WATCHED)
    state = jax.jit(method.init)(jax.random.key(0), pairs())
    return method._replace(predict=jax.jit(method.predict)), moved_by, state


@pytest.fixture(scope="module")
def played(started):
    """States before and after each of four steps, and what the steps reported."""
    method, step, state = started
    states = [state]
    reported = []
    for number in range(4):
        state, metrics = step(jax.random.key(number), state, pairs())
        states.append(state)
        reported.append(jax.device_get(metrics))
    return method, states, reported


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """Random weights under torchvision's names, as far as relu1_2 and a bit more."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    draw = np.random.default_rng(1)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64)}
    arrays = {}
    for place, shape in shapes.items():
        kernel = draw.normal(0, 0.1, (*shape, 3, 3))
        arrays[f"features.{place}.weight"] = np.float32(kernel)
        arrays[f"features.{place}.bias"] = np.float32(draw.normal(0, 0.1, shape[0]))
    save_file(arrays, path)
    return path, arrays


@pytest.fixture(scope="module")
def with_statistics(vgg_file):
    """The second game, its state before and after a step, and the step's metrics."""
    path, _ = vgg_file
    method = trnet.make(
        **TINY | {"critic": {"width": 4, "norm": "batch"}, "critics": FEW},
        similarity="vgg",
        features={"weights": str(path), "layer": "relu1_2"},
        cutoff=CUTOFF,
    )
    state = jax.jit(method.init)(jax.random.key(0), pairs())
    stepped, metrics = jax.jit(method.stages[0].step)(jax.random.key(1), state, pairs())
    return method, state, stepped, metrics


def test_adversarial_losses_equal_their_formulas():
    real, fake = random.normal(0, 2, (2, 5))
    expected = {
        "vanilla": (
            -np.log(expit(real)) - np.log(1 - expit(fake)),
            -np.log(expit(fake)),
        ),
        "lsgan": ((real - 1) ** 2 + fake**2, (fake - 1) ** 2),
        "wgan": (fake - real, -fake),
    }
    assert trnet.ADVERSARIAL.keys() == expected.keys()
    for name, (of_critic, of_generator) in trnet.ADVERSARIAL.items():
        np.testing.assert_allclose(of_critic(real, fake), expected[name][0], rtol=1e-5)
        np.testing.assert_allclose(of_generator(fake), expected[name][1], rtol=1e-5)


def blurred(x):
    """By a 3x3 Gaussian of deviation 1, mirrored at the border."""
    taps = np.exp(-0.5 * np.array([-1.0, 0, 1]) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        sides = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        wide, n = np.pad(x, sides, mode="reflect"), x.shape[axis]
        x = sum(t * np.take(wide, range(i, i + n), axis) for i, t in enumerate(taps))
    return x


def dissimilarity(x, y):
    """10 (1 - SSIM) of two blurred pictures, mirrored around, by scikit-image."""
    around = [(5, 5), (5, 5), (0, 0)]
    return 10 - 10 * structural_similarity(
        *(np.pad(blurred(picture), around, mode="reflect") for picture in (x, y)),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
    )


def profile(image, log):
    """Radial means of the high band's power, ring by ring."""
    gray = image @ [0.299, 0.587, 0.114]
    height, width = gray.shape
    rows, columns = np.meshgrid(
        np.fft.fftfreq(height) * height, np.fft.fftfreq(width) * width, indexing="ij"
    )
    radius, sigma = np.hypot(rows, columns), CUTOFF * min(height, width)
    high = np.fft.fft2(gray) * (1 - np.exp(-(radius**2) / (2 * sigma**2)))
    power = np.abs(high) ** 2
    power = np.log(power + 1e-8) if log else power
    rings = radius.astype(int)
    return np.array([power[rings == k].mean() for k in range(rings.max() + 1)])


def of_powers(x, y):
    """Eqs. 10 and 11."""
    height, width, _ = x.shape
    rings = min(height, width) // 2
    a, b = (2 * np.pi * profile(p, False)[:rings] for p in (x, y))
    return np.square(a - b).sum() / (height * width) ** 2 / (rings - 1)


def of_logs(x, y):
    """Profiles of log powers without the first tenth, between 0 and 1."""
    a, b = (profile(p, True) for p in (x, y))
    a, b = (p[len(p) // 10 :] for p in (a, b))
    a, b = ((p - p.min()) / (p.max() - p.min()) for p in (a, b))
    return np.square(a - b).mean()


CUTOFF = 1 / 8
LOSSES = {
    "ssim": (trnet.ssim_distance, dissimilarity),
    "power": (partial(trnet.power_distance, cutoff=CUTOFF), of_powers),
    "log": (partial(trnet.log_distance, cutoff=CUTOFF), of_logs),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(16, 16), (13, 20)])
def test_losses_of_pictures_and_their_gradients(name, shape):
    """Values equal float64 formulas; gradients, finite differences of these."""
    loss, formula = LOSSES[name]
    a, b = pictures(2, *shape), pictures(2, *shape)
    wide = list(zip(np.float64(a), np.float64(b), strict=True))
    expected = [formula(x, y) for x, y in wide]

    @jax.jit
    def values_and_slopes(a):
        values, backward = jax.vjp(lambda a: loss(a, b), a)
        return values, *backward(jnp.ones_like(values))

    values, slopes = values_and_slopes(a)
    np.testing.assert_allclose(values, expected, rtol=5e-3)
    for slope, (x, y) in zip(slopes, wide, strict=True):
        length = np.linalg.norm(slope)
        way = 1e-5 * np.float64(slope) / length
        rise = (formula(x + way, y) - formula(x - way, y)) / 2e-5
        np.testing.assert_allclose(rise, length, rtol=1e-2)


def test_gradients_of_the_losses_reach_the_generator():
    net = models.build("trnet_generator", **TINY["generator"])
    batch = pairs()

    @jax.jit
    def slopes_of_all(params):
        """Of every loss, with the generator compiled once."""
        attacked, backward = jax.vjp(
            lambda params: net.apply({"params": params}, batch["image"]), params
        )
        of_pictures = []
        for loss, _ in LOSSES.values():
            values, to_picture = jax.vjp(
                lambda x, f=loss: f(x, batch["real"]), attacked
            )
            of_pictures += to_picture(jnp.ones_like(values))
        return jax.vmap(backward)(jnp.stack(of_pictures))

    (slopes,) = slopes_of_all(filled_params(net, batch["image"]))
    for path, slope in jax.tree.leaves_with_path(slopes):
        if path[-1].key == "kernel":
            for name, of_loss in zip(LOSSES, slope, strict=True):
                where = name, path
                assert np.isfinite(of_loss).all(), where
                assert np.abs(of_loss).max() > 0, where


@pytest.mark.parametrize("game", ["watched", "with statistics"])
def test_a_step_moves_every_player_and_stays_finite(game, request):
    if game == "watched":
        critics = {*trnet.CRITICS}
        _, step, state = request.getfixturevalue("started")
        moved, metrics = step(jax.random.key(1), state, pairs())
        assert moved.nets.keys() == PLAYERS | {"chosen", "plateau"}
    else:
        critics = {*FEW}
        _, state, moved, metrics = request.getfixturevalue("with_statistics")
        assert moved.nets.keys() == critics | {"generator", "features"}
    for name in critics | {"generator"}:
        pair = (jax.tree.leaves(s.nets[name].params) for s in (state, moved))
        assert any(np.abs(a - b).max() > 0 for a, b in zip(*pair, strict=True)), name
    assert critics | {"adversarial", "similarity", "spectrum"} <= metrics.keys()
    assert {f"share_{name}" for name in critics} == {
        name for name in metrics if name.startswith("share_")
    }
    assert all(np.isfinite(value) for value in metrics.values())


def test_balanced_critics_pull_equally(played):
    """Shares of the gradient at the picture, in each of four steps of the game."""
    _, _, reported = played
    for metrics in reported:
        shares = [metrics[f"share_{name}"] for name in trnet.CRITICS]
        np.testing.assert_allclose(sum(shares), 1, rtol=1e-4)
        np.testing.assert_allclose(shares, 1 / 3, atol=0.1)
        pulls = [metrics[f"pull_{name}"] for name in trnet.CRITICS]
        assert max(pulls) > 1.5 * min(pulls)  # without the switch they would not


def test_scaled_pulls_have_their_mean_norm_at_each_picture():
    spreads = {"a": 1, "b": 10, "c": 0.1}
    pulls = {n: random.normal(0, s, (5, 6, 4, 3)) for n, s in spreads.items()}
    pulls["c"][2] = 0  # a critic that says nothing of a picture
    scaled = trnet._equally_strong(pulls)
    lengths = {n: np.linalg.norm(p.reshape(5, -1), axis=1) for n, p in pulls.items()}
    mean = sum(lengths.values()) / 3
    for name, gradients in scaled.items():
        expected = np.where(lengths[name] > 0, mean, 0)
        gradients = np.reshape(gradients, (5, -1))
        norms = np.linalg.norm(gradients, axis=1)
        np.testing.assert_allclose(norms, expected, rtol=1e-5)
        cosine = (gradients * pulls[name].reshape(5, -1)).sum(1) / norms
        # Scaled, not turned.
        turned = cosine[expected > 0] / lengths[name][expected > 0]
        np.testing.assert_allclose(turned, 1, rtol=1e-5)


def test_shares_are_projections_on_the_sum():
    a, b = random.normal(size=(2, 3, 4, 4, 3))
    shares = trnet._shares({"a": jnp.float32(a), "b": jnp.float32(b)})
    total = (a + b).ravel()
    for name, gradients in (("a", a), ("b", b)):
        expected = gradients.ravel() @ total / (total @ total)
        np.testing.assert_allclose(shares[f"share_{name}"], expected, rtol=1e-5)


def test_the_log_regulariser_hears_high_frequencies():
    """The lowest ring of a high band is empty; its logarithm must not set the scale."""
    x = np.float32(random.normal(0.5, 0.05, (4, 32, 32, 3)))
    smooth = np.stack([blurred(picture) for picture in np.float64(x)])
    distance = trnet.log_distance(np.float32(smooth), x, cutoff=1 / 16)
    assert (distance > 0.05).all()  # 0.007 where ln ε is a profile's least value


@pytest.mark.parametrize("still", RATES)
def test_a_player_with_no_rate_stands_still(still, started):
    """What one player learns does not leak into another's weights."""
    _, step, state = started
    rates = [0.0 if name == still else 1e-3 for name in RATES]
    moved, _ = step(jax.random.key(1), state, pairs(), rates)
    standing = {"generator"} if still == "optimiser" else {*trnet.CRITICS}
    for name in PLAYERS:
        pair = (jax.tree.leaves(s.nets[name].params) for s in (state, moved))
        equal = all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))
        assert equal == (name in standing), name
    pair = (jax.tree.leaves(s.nets["generator"].stats) for s in (state, moved))
    assert not any(np.array_equal(a, b) for a, b in zip(*pair, strict=True))


def test_padding_counts_for_nothing(started):
    _, step, state = started
    batch = pairs()
    other = batch | {
        name: np.concatenate([batch[name][:-1], pictures(1, 16, 16)])
        for name in ("image", "real")
    }
    found = [step(jax.random.key(1), state, b)[1] for b in (batch, other)]
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-3)


def test_statistics_of_a_kind_are_not_those_of_another(with_statistics):
    """With batch normalisation, what reals look like does not change what is said of
    attacked pictures; statistics gather all kinds that the critic saw."""
    _, state, stepped, _ = with_statistics
    net = models.build(
        "trnet_discriminator", view="residual", sources=3, width=4, norm="batch"
    )
    held, (a, b) = state.nets["fingerprint"], (pictures(4, 16, 16), pictures(4, 16, 16))
    look = jax.jit(partial(forward, net, held.params, train=True))
    (_, said), moved = trnet._looks(look, held.stats, a, b)
    (_, again), _ = trnet._looks(look, held.stats, a / 2, b)
    np.testing.assert_array_equal(said["logits"], again["logits"])
    alone, once = look(held.stats, a)
    expected = look(once, b)[1]
    assert jax.tree.all(jax.tree.map(np.array_equal, moved, expected))
    pair = (jax.tree.leaves(s.nets["fingerprint"].stats) for s in (state, stepped))
    assert not any(np.array_equal(x, y) for x, y in zip(*pair, strict=True))


def test_without_statistics_two_kinds_are_seen_at_once_and_kept_apart():
    net = models.build("trnet_discriminator", view="image", width=4, sources=3)
    a, b = pictures(4, 16, 16), pictures(4, 16, 16)
    look = jax.jit(partial(forward, net, filled_params(net, a), train=True))
    told, stats = trnet._looks(look, {}, a, b)
    assert stats == {}
    for found, kind in zip(told, (a, b), strict=True):
        expected, _ = look({}, kind)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_the_penalty_of_a_linear_critic_is_its_weight():
    batch, weight = pairs(), np.float32(random.normal(size=(16, 16, 3)))
    slopes = trnet._squared_slopes(
        jax.random.key(0), lambda x: jnp.einsum("bhwc,hwc->b", x, weight), batch
    )
    np.testing.assert_allclose(slopes, np.square(weight).sum(), rtol=1e-5)


def test_what_it_predicts_is_a_picture(started):
    method, _, state = started
    attacked = method.predict(state, pairs())["image"]
    assert attacked.shape == (4, 16, 16, 3) and attacked.dtype == jnp.float32
    assert attacked.min() >= 0 and attacked.max() <= 1


def test_the_second_step_compiles_nothing(started):
    _, step, state = started
    state, _ = step(jax.random.key(1), state, pairs())
    compiled = play._cache_size()
    step(jax.random.key(2), state, pairs())
    assert play._cache_size() == compiled


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("adversarial", "vanila", "did you mean 'vanilla'"),
        ("similarity", "sim", "no similarity loss"),
        ("regulariser", "logs", "did you mean 'log'"),
        ("views", {"spatal": "image"}, "did you mean 'spatial'"),
        ("critics", ("spectal",), "did you mean 'spectral'"),
        ("critics", (), "without critics there is no game"),
        ("weights", {"spectral": 1.0}, "did you mean 'spectrum'"),
        ("critic", {"widht": 3}, "'widht'; nearest: 'width'"),
    ],
)
def test_misspelt_settings_are_named(setting, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trnet.make(**TINY | {setting: value})


def test_the_generator_of_the_least_loss_is_kept(played):
    method, states, reported = played
    losses = [metrics["loss"] for metrics in reported]
    best = 1 + int(np.argmin(losses[1:]))
    kept, known = states[-1].nets["chosen"], states[best].nets["generator"]
    assert kept.opt == () and kept.stats["loss"] == np.float32(losses[best])
    assert jax.tree.all(
        jax.tree.map(np.array_equal, kept.params["generator"], known.params)
    )
    judges = {name: states[best + 1].nets[name] for name in trnet.CRITICS}
    nets = judges | {"generator": known}  # critics move before they judge
    shown, simple = pairs(), trnet.make(**TINY)
    expected = jax.jit(simple.predict)(states[best].replace(nets=nets), shown)
    found = method.predict(states[-1], shown)
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    # What others may start from are those that attack, not those of the end.
    handed_on = method.handed_on(states[-1])
    assert handed_on.keys() == {"generator", *trnet.CRITICS}
    for role, player in nets.items():
        same = jax.tree.map(np.array_equal, handed_on[role].params, player.params)
        assert jax.tree.all(same), role
    with pytest.raises(ValueError, match="there are 4 steps: 5 cannot be the last"):
        trnet.make(**TINY, last=5)


def test_rates_are_halved_where_the_loss_does_not_fall(played):
    _, states, reported = played
    losses = [float(metrics["loss"]) for metrics in reported]
    paces, least = [1.0], np.inf
    for loss in losses:
        better = loss < least - 1e-4 * abs(least) if np.isfinite(least) else True
        paces.append(paces[-1] * (1 if better else 0.5))
        least = min(least, loss) if better else least
    found = [float(state.nets["plateau"].stats.pace) for state in states]
    assert found == paces


def test_it_shows_what_critics_see(started):
    method, _, state = started
    found = method.predict(state, pairs())
    for name in trnet.CRITICS:
        assert found[f"{name}_features"].shape[:3] == (4, 4, 4)
        assert found[f"{name}_logits"].shape == (4,)
    assert found["fingerprint_sources"].shape == (4, 3)


def test_vgg_likeness_is_of_low_bands(vgg_file, with_statistics):
    """Eq. 9 by scipy's correlations."""
    _, arrays = vgg_file
    method, state, stepped, metrics = with_statistics
    assert state.nets["features"].opt == ()
    a, b = pictures(2, 16, 16), pictures(2, 16, 16)
    game = method.stages[0].step.args[0]
    found = jax.jit(game.similarity)(state.nets, a, b)

    def seen(image):
        rows, columns = np.meshgrid(*2 * [np.fft.fftfreq(16) * 16], indexing="ij")
        band = np.exp(-(rows**2 + columns**2) / (2 * (CUTOFF * 16) ** 2))
        low = np.fft.ifft2(
            np.fft.fft2(image, axes=(0, 1)) * band[..., None], axes=(0, 1)
        )
        x = (low.real - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        for place in (0, 2):
            kernel = np.float64(arrays[f"features.{place}.weight"])
            maps = [
                sum(correlate(x[..., i], k[i], mode="constant") for i in range(len(k)))
                for k in kernel
            ]
            x = np.maximum(np.stack(maps, -1) + arrays[f"features.{place}.bias"], 0)
        return x

    expected = [
        np.square(seen(x) - seen(y)).sum(-1).mean() for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert jnp.isfinite(metrics["similarity"])
    frozen = (nets["features"] for nets in (stepped.nets, state.nets))
    assert jax.tree.all(jax.tree.map(np.array_equal, *frozen))
    assert len(method.settings["features"]["sha256"]) == 64


def test_vgg_without_weights_is_refused():
    with pytest.raises(ValueError, match="weights are not shipped: set features.weigh"):
        trnet.make(**TINY, similarity="vgg")
    with pytest.raises(ValueError, match="or similarity='ssim'"):
        trnet.make(**TINY, features={"weights": "x", "layer": "relu1_1"})
