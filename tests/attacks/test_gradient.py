"""FGSM and PGD against Foolbox, against closed forms, and what every one satisfies."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jax.tree_util import Partial

from jaxforensics import attacks

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # Foolbox asks for git
import foolbox  # noqa: E402

SHAPE = (6, 5, 3)
EPSILON = 8 / 255


def smooth(weights, image):
    """A hidden layer of tanh."""
    first, second = weights
    return jnp.tanh(image.reshape(len(image), -1) @ first) @ second


def linear(weights, image):
    return image.reshape(len(image), -1) @ weights


def net(classes, hidden=16):
    random = np.random.default_rng(classes)
    size = int(np.prod(SHAPE))
    first, second = (
        random.normal(size=(size, hidden)),
        random.normal(size=(hidden, classes)),
    )
    return Partial(smooth, (jnp.float32(first / 3), jnp.float32(second)))


def line(classes, scale=1):
    """Weights of a linear detector."""
    random = np.random.default_rng(classes)
    return np.float32(scale * random.normal(size=(int(np.prod(SHAPE)), classes)))


def batch(count, classes):
    random = np.random.default_rng(count)
    image = random.uniform(size=(count, *SHAPE)).astype(np.float32)
    return jnp.asarray(image), jnp.asarray(random.integers(0, classes, count))


def loss(predict, image, label):
    """Mean softmax cross-entropy in float64 numpy."""
    logits = np.float64(predict(image))
    true = np.take_along_axis(logits, np.asarray(label)[:, None], 1)[:, 0]
    return np.mean(np.log(np.exp(logits).sum(1)) - true)


@pytest.mark.parametrize("classes", (2, 8))
@pytest.mark.parametrize("epsilon", (EPSILON, 0.1))
def test_fgsm_equals_foolbox(key, classes, epsilon):
    predict, (image, label) = net(classes), batch(6, classes)
    peer = foolbox.attacks.LinfFastGradientAttack()
    model = foolbox.JAXModel(predict, bounds=(0, 1))
    want, _, _ = peer(model, image, label, epsilons=epsilon)
    got = attacks.build("fgsm", predict, epsilon=epsilon)(key, image, label)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "classes, steps, step", [(2, 10, 0.25), (8, 10, 0.25), (8, 3, 0.6)]
)
def test_pgd_equals_foolbox(key, classes, steps, step):
    predict, (image, label) = net(classes), batch(6, classes)
    peer = foolbox.attacks.LinfProjectedGradientDescentAttack(
        rel_stepsize=step, steps=steps, random_start=False
    )
    model = foolbox.JAXModel(predict, bounds=(0, 1))
    want, _, _ = peer(model, image, label, epsilons=EPSILON)
    attack = attacks.build("pgd", predict, step=step * EPSILON, steps=steps)
    np.testing.assert_allclose(attack(key, image, label), want, rtol=0, atol=1e-5)


def test_pgd_defaults_are_ten_steps_of_a_quarter(key):
    predict, (image, label) = net(2), batch(3, 2)
    plain = attacks.build("pgd", predict)(key, image, label)
    spelt = attacks.build("pgd", predict, epsilon=EPSILON, step=EPSILON / 4, steps=10)
    np.testing.assert_array_equal(plain, spelt(key, image, label))


def far(image, label, weights, reach):
    """Where ascent on a linear detector of one logit ends, in float64."""
    direction = np.sign(weights).reshape(SHAPE) * (1 - 2 * label)[:, None, None, None]
    return np.clip(np.float64(image) + reach * direction, 0, 1)


@pytest.mark.parametrize("scale", (1, 1e6))
@pytest.mark.parametrize("steps, reach", [(1, 0.02), (3, 0.06), (10, 0.1)])
def test_linear_detector_of_one_logit(key, scale, steps, reach):
    """Also where the detector is so certain that its cross-entropy has no slope."""
    image, label = batch(6, 2)
    weights = line(1, scale)
    predict = Partial(linear, weights)
    attack = attacks.build("pgd", predict, epsilon=0.1, step=0.02, steps=steps)
    want = far(image, np.asarray(label), weights, reach)
    np.testing.assert_allclose(attack(key, image, label), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", (1, 1e6))
def test_linear_detector_of_two_classes(key, scale):
    image, label = batch(6, 2)
    weights = line(2, scale)
    predict = Partial(linear, weights)
    got = attacks.build("fgsm", predict, epsilon=0.1)(key, image, label)
    want = far(image, np.asarray(label), weights[:, 1] - weights[:, 0], 0.1)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_a_random_start_reaches_all_of_epsilon_and_is_forgotten(key):
    image = jnp.full((8, *SHAPE), 0.5)
    label = jnp.ones(8, int)
    weights = line(1)
    predict = Partial(linear, weights)

    def attacked(steps, step):
        attack = attacks.build(
            "pgd", predict, epsilon=0.1, step=step, steps=steps, random_start=True
        )
        return attack(key, image, label)

    start = np.asarray(attacked(1, 0.0)) - 0.5
    assert -0.1 <= start.min() < -0.098 and 0.098 < start.max() <= 0.1
    assert abs(start.std() - 0.1 / np.sqrt(3)) < 0.005
    want = far(image, np.ones(8), weights, 0.1)
    np.testing.assert_allclose(attacked(10, 0.02), want, rtol=0, atol=1e-6)


def test_pgd_raises_the_loss_more_than_fgsm_and_both_raise_it(key):
    predict, (image, label) = net(4), batch(64, 4)
    fgsm, pgd = (
        loss(predict, attacks.build(n, predict)(key, image, label), label)
        for n in ("fgsm", "pgd")
    )
    assert pgd > fgsm > loss(predict, image, label) + 0.1


PREDICT = net(3)
IMAGES = arrays(
    np.float32,
    (2, *SHAPE),
    elements=st.floats(0, 1, width=32) | st.sampled_from([0, 1]),
)


@settings(max_examples=40, deadline=None)
@given(
    IMAGES,
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
    st.floats(0, 1),
    st.floats(0, 2),
    st.integers(1, 4),
    st.booleans(),
)
def test_stays_within_epsilon_and_the_range(
    image, label, epsilon, step, steps, random_start
):
    attack = attacks.build(
        "pgd",
        PREDICT,
        epsilon=epsilon,
        step=step,
        steps=steps,
        random_start=random_start,
    )
    attacked = np.asarray(attack(jax.random.key(steps), image, jnp.array(label)))
    assert attacked.min() >= 0 and attacked.max() <= 1
    assert np.abs(np.float64(attacked) - image).max() <= epsilon + 1e-7


def test_eight_bits_keep_within_epsilon(key):
    """8/255 is a whole number of grays: rounding for a file breaks no bound."""
    predict, (image, label) = net(2), batch(4, 2)
    pixels = np.round(255 * image)
    attacked = attacks.build("pgd", predict)(key, jnp.asarray(pixels / 255), label)
    assert np.abs(np.round(255 * attacked) - pixels).max() == 8


def test_whoever_trains_on_it_sees_a_constant(key):
    predict, (image, label) = net(2), batch(4, 2)

    def objective(weights, attacked):
        logits = smooth(weights, attacked(weights))
        return -jax.nn.log_softmax(logits)[jnp.arange(4), label].sum()

    def attack(weights):
        return attacks.build("pgd", Partial(smooth, weights), steps=2)(
            key, image, label
        )

    (weights,) = predict.args
    fixed = attack(weights)
    got, want = (
        jax.grad(objective)(weights, attacked) for attacked in (attack, lambda _: fixed)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, want)
    passed = jax.grad(
        lambda image: attacks.build("fgsm", predict)(key, image, label).sum()
    )
    np.testing.assert_array_equal(passed(image), 0)


@pytest.mark.parametrize("wrong", ({"epsilon": 8}, {"epsilon": -0.1}, {"steps": 0}))
def test_numbers_on_another_scale_are_refused(wrong):
    with pytest.raises(ValueError, match="scale of images|no attack in 0 steps"):
        attacks.build("pgd", PREDICT, **wrong)
