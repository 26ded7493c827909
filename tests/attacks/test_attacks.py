"""What holds for every attack: its signature, its range, its keys, one compilation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxforensics import attacks
from jaxforensics.attacks import blur, flow, gradient, noise, redraw

SHAPE = (3, 5, 4, 3)
WEIGHTS = jax.random.normal(jax.random.key(7), (5 * 4 * 3, 2))
PROGRAMS = (
    gradient._start,
    gradient._step,
    noise._apply,
    noise._apply_of_psnr,
    redraw._apply,
    redraw._apply_by_class,
    blur._apply,
    blur._step,
    blur._wandered,
    flow._step_once,
    flow._begin,
    flow._moved,
    flow._adam_step,
)


def darker(weight, image):
    return weight * image - 0.1


def darker_fakes(weight, image, label):
    """Fakes times a weight, reals a little darker."""
    is_fake = label[:, None, None, None] == 1
    return jnp.where(is_fake, weight * image, image - 0.1)


NETWORK = {"network": Partial(darker, jnp.float32(0.8))}
BY_CLASS = {"network": Partial(darker_fakes, jnp.float32(0.8))}
OF_PSNR = {"psnr": 25.0}
SMALL = {"size": 3}
SETTINGS = {
    "ganprintr": NETWORK,
    "trnet": NETWORK,
    "noise_of_psnr": OF_PSNR,
    "blur": SMALL,
    "constant_blur": SMALL,
    "random_blur": SMALL,
    "combined": {"blurring": SMALL},
    "generated_blur": BY_CLASS,
}
RANDOM = {
    "random_blur": SMALL,
    "flow": {},
    "noise": {},
    "noise_of_psnr": OF_PSNR,
    "pgd": {"random_start": True, "steps": 2},
}


def linear(weights, image):
    return image.reshape(len(image), -1) @ weights


@pytest.fixture
def images(key):
    """With values on both ends of the range."""
    drawn = jax.random.uniform(key, SHAPE, minval=-0.2, maxval=1.2)
    return jnp.clip(drawn, 0, 1)


@pytest.fixture
def labels():
    return jnp.array([1, 0, 1])


@pytest.fixture(params=attacks.NAMES)
def attack(request):
    settings = (SETTINGS | RANDOM).get(request.param, {})
    return attacks.build(request.param, Partial(linear, WEIGHTS), **settings)


def test_a_wrong_name_proposes_the_right_one():
    with pytest.raises(ValueError, match="no attack 'pdg' .did you mean 'pgd'"):
        attacks.build("pdg", linear)


@pytest.mark.parametrize(
    "name, setting, message",
    [
        ("pgd", "epsilom", "pgd has no setting 'epsilom' .did you mean 'epsilon'"),
        ("fgsm", "steps", "fgsm has no setting 'steps'.*Valid: epsilon"),
        ("noise", "hihg", "noise has no setting 'hihg' .did you mean 'high'"),
        ("noise_of_psnr", "snr", "no setting 'snr' .did you mean 'psnr'"),
        ("trnet", "netwrok", "trnet has no setting 'netwrok' .did you mean 'network'"),
    ],
)
def test_a_wrong_setting_proposes_the_right_one(name, setting, message):
    with pytest.raises(ValueError, match=message):
        attacks.build(name, linear, **{setting: 1})


def test_stays_in_range_and_changes_every_image(attack, key, images, labels):
    attacked = attack(key, images, labels)
    assert attacked.shape == images.shape and attacked.dtype == images.dtype
    assert attacked.min() >= 0 and attacked.max() <= 1
    assert (jnp.abs(attacked - images).max((1, 2, 3)) > 0.01).all()


def test_equals_its_jit(attack, key, images, labels):
    eager, compiled = attack(key, images, labels), jax.jit(attack)(key, images, labels)
    np.testing.assert_allclose(eager, compiled, rtol=0, atol=1e-6)


def test_equals_its_vmap(attack, key, images, labels):
    keys = jax.random.split(key, len(images))

    def one(key, image, label):
        return attack(key, image[None], label[None])[0]

    want = [one(*case) for case in zip(keys, images, labels, strict=True)]
    got = jax.vmap(one)(keys, images, labels)
    np.testing.assert_allclose(got, jnp.stack(want), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RANDOM)
def test_follows_the_key(name, key, images, labels):
    attack = attacks.build(name, Partial(linear, WEIGHTS), **RANDOM[name])
    first, again = attack(key, images, labels), attack(key, images, labels)
    other = attack(jax.random.key(1), images, labels)
    np.testing.assert_array_equal(first, again)
    assert (jnp.abs(first - other).max((1, 2, 3)) > 1e-3).all()


def test_bfloat16_in_bfloat16_out(attack, key, images, labels):
    half = images.astype("bfloat16")
    attacked = attack(key, half, labels)
    assert attacked.dtype == jnp.bfloat16
    want = attack(key, half.astype("float32"), labels)
    np.testing.assert_allclose(np.float32(attacked), want, rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize(
    "name, numbers",
    [
        ("noise", {"low": 1.0, "high": 2.0}),
        ("noise_of_psnr", {"psnr": 40.0}),
        ("fgsm", {"epsilon": 0.1}),
        ("pgd", {"epsilon": 0.1, "step": 0.02, "steps": 3, "random_start": True}),
        ("trnet", {"network": Partial(darker, jnp.float32(0.5))}),
        ("blur", SMALL | {"start": 0.5, "step": 0.1, "steps": 2}),
        ("constant_blur", SMALL | {"start": 0.5}),
        ("random_blur", SMALL | {"start": 0.5, "step": 0.1}),
        ("flow", {"norm": 0.1}),
        ("combined", {"blurring": SMALL | {"start": 0.5}, "epsilon": 0.1}),
        ("generated_blur", {"network": Partial(darker_fakes, jnp.float32(0.5))}),
    ],
)
def test_new_values_settings_and_weights_compile_nothing(
    name, numbers, key, images, labels
):
    def sizes():
        return [program._cache_size() for program in PROGRAMS]

    for program in PROGRAMS:
        program.clear_cache()
    first = attacks.build(name, Partial(linear, WEIGHTS), **SETTINGS.get(name, {}))
    first(key, images, labels)
    compiled = sizes()
    assert set(compiled) == {0, 1}
    attacks.build(name, Partial(linear, -WEIGHTS), **numbers)(key, -images, 1 - labels)
    assert sizes() == compiled


def test_redrawing_is_what_the_network_makes_clipped(key, images, labels):
    attack = attacks.build("trnet", None, network=darker_by_half)
    np.testing.assert_allclose(
        attack(key, images, labels), np.clip(0.5 * images - 0.1, 0, 1), atol=1e-6
    )
    with pytest.raises(ValueError, match="ganprintr needs network"):
        attacks.build("ganprintr", linear)


def test_redrawing_by_class_and_then_fgsm_is_combined(key, images, labels):
    """In float64, of a linear detector whose gradient is its weights."""
    predict = Partial(linear, WEIGHTS)
    drawn = np.asarray(darker_fakes(jnp.float32(0.8), images, labels)).clip(0, 1)
    redrawn = attacks.build("generated_blur", None, **BY_CLASS)
    np.testing.assert_allclose(redrawn(key, images, labels), drawn, atol=1e-6)
    # Up the logits of the other class.
    weights = np.float64(WEIGHTS).reshape(*SHAPE[1:], 2)
    toward = (1 - 2 * np.asarray(labels))[:, None, None, None]
    sign = np.sign(toward * (weights[..., 1] - weights[..., 0]))
    expected = np.clip(drawn + 0.03 * sign, 0, 1)
    both = attacks.build("combined", predict, epsilon=0.03, **BY_CLASS)
    np.testing.assert_allclose(both(key, images, labels), expected, atol=1e-6)


def test_combined_begins_with_the_blur_that_follows_the_detector(key, images, labels):
    predict = Partial(linear, WEIGHTS)
    settings = SMALL | {"update": "signed", "steps": 2}
    blurred = attacks.build("blur", predict, **settings)(key, images, labels)
    expected = attacks.build("fgsm", predict, epsilon=0.02)(key, blurred, labels)
    both = attacks.build("combined", predict, blurring=settings, epsilon=0.02)
    np.testing.assert_array_equal(both(key, images, labels), expected)
    with pytest.raises(ValueError, match="blurring of combined has no setting 'sise'"):
        attacks.build("combined", predict, blurring={"sise": 3})
    with pytest.raises(ValueError, match="the network blurs by itself"):
        attacks.build("combined", predict, blurring=settings, **BY_CLASS)


def darker_by_half(image):
    return darker(0.5, image)
