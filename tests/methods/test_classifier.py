"""The classifier method: its losses, scores, augmentation and refusals; it learns."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.ndimage import map_coordinates
from scipy.special import expit, softmax

from jaxforensics import models
from jaxforensics.evaluation.metrics import auc
from jaxforensics.methods import classifier
from jaxforensics.training.fit import fit
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.nets import forward
from jaxforensics.training.watch import Watch

LINEAR = {"model": "spectrum_linear", "steps": 4}
SEVERAL = {"num_classes": 3, "target": "source", "loss": "cross_entropy"}


class Textures:
    """White noise, and the same smoothed, with little contrast: sources 0, 1, 2."""

    batch_size = 16

    def __init__(self, seed):
        self.seed = seed

    def batches(self, start=0):
        while True:
            yield self.batch(start)
            start += 1

    def validation(self):
        for step in range(10_000, 10_008):
            yield self.batch(step) | {"group": np.arange(16).astype(str)}

    def batch(self, step):
        draw = np.random.default_rng([self.seed, step])
        source = np.arange(16) % 3
        image = draw.normal(0, 0.2, (16, 16, 16, 3))
        for k in (1, 2):
            smooth = image + (0.15 * k) * np.roll(image, 1, axis=1)
            image = np.where((source == k)[:, None, None, None], smooth, image)
        return {
            "image": np.uint8(255 * np.clip(0.5 + image, 0, 1)),
            "label": np.int32(source > 0),
            "source": np.int32(source),
            "valid": np.ones(16, np.float32),
            "index": np.arange(16) + 16 * step,
        }


def test_losses_equal_their_formulas():
    logits = np.float32(np.random.default_rng(0).normal(0, 3, (6, 3)))
    target = np.array([0, 1, 2, 2, 1, 0])
    expected = -np.log(softmax(logits, axis=1)[np.arange(6), target])
    assert np.allclose(classifier.cross_entropy(logits, target), expected, atol=1e-5)
    one, binary = logits[:, :1], target % 2
    fake = expit(one[:, 0])
    crossed = -np.log(np.where(binary, fake, 1 - fake))
    assert np.allclose(classifier.binary_cross_entropy(one, binary), crossed, atol=1e-5)
    squares = np.square(fake - binary)
    assert np.allclose(classifier.squared_error(one, binary), squares, atol=1e-6)


def test_patches_make_a_map():
    """P(fake) of every patch, bilinearly between the patches' centres."""
    image = np.random.default_rng(2).uniform(0, 1, (2, 32, 24, 3)).astype(np.float32)
    patchy = classifier.make(
        model="patch_cnn", model_settings={"block": 1, "gain": 1.0}, steps=1
    )
    net = models.build("patch_cnn", block=1, gain=1.0)
    batch = {"image": jnp.array(image)}
    state = jax.jit(patchy.init)(jax.random.key(0), batch)
    outputs = jax.jit(patchy.predict)(state, batch)
    trained = state.nets["classifier"]
    variables = {"params": trained.params, "batch_stats": trained.stats}
    patches = jax.jit(partial(net.apply, method="patches"))(variables, image)
    small = expit(np.float64(patches[..., 0]))
    _, rows, columns = small.shape
    at = np.meshgrid(
        (np.arange(32) + 0.5) * rows / 32 - 0.5,
        (np.arange(24) + 0.5) * columns / 24 - 0.5,
        indexing="ij",
    )
    expected = [map_coordinates(each, at, order=1, mode="nearest") for each in small]
    np.testing.assert_allclose(outputs["mask"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["score"], small.mean((1, 2)), atol=1e-5)


def test_scores_are_the_probability_of_fake():
    logits = np.float32(np.random.default_rng(1).normal(0, 20, (50, 4)))
    probabilities = softmax(np.float64(logits), axis=1)
    assert np.allclose(classifier.score(logits), 1 - probabilities[:, 0], atol=1e-6)
    fakes = probabilities[:, 1] + probabilities[:, 3]
    assert np.allclose(classifier.score(logits, reals=(0, 2)), fakes, atol=1e-6)
    single = classifier.score(logits[:, :1])
    assert np.allclose(single, expit(np.float64(logits[:, 0])), atol=1e-6)
    assert np.array_equal(classifier.decide(logits), logits.argmax(1))
    assert np.array_equal(classifier.decide(logits[:, :1]), logits[:, 0] > 0)


@pytest.fixture(scope="module")
def batch():
    batch = next(Textures(0).batches())
    return batch | {"image": np.float32(batch["image"]) / 255}


def test_augmentation_changes_training_pictures_only(batch, key):
    plain = classifier.make(**LINEAR)
    dark = classifier.make(**LINEAR, augment=({"name": "gamma", "low": 2, "high": 2},))
    state = plain.init(key, batch)
    stats = [
        m.stages[0].step(key, state, batch)[0].nets["classifier"].stats
        for m in (plain, dark)
    ]
    gap = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), *stats)
    assert max(jax.tree.leaves(gap)) > 1e-3
    scores = [np.asarray(m.predict(state, batch)["score"]) for m in (plain, dark)]
    assert np.array_equal(*scores)


def test_padding_does_not_count(batch, key):
    method = classifier.make(**LINEAR)
    state = method.init(key, batch)
    valid = np.float32(np.arange(16) < 12)
    wrong = np.where(valid > 0, batch["label"], 1 - batch["label"])
    losses = [
        float(method.stages[0].step(key, state, batch | changed)[1]["loss"])
        for changed in (
            {"valid": valid},
            {"valid": valid, "label": np.int32(wrong)},
            {"label": np.int32(wrong)},
        )
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"loss": "cross_entropy"}, "does not fit num_classes=1"),
        ({"num_classes": 3}, "does not fit num_classes=3"),
        (SEVERAL | {"num_classes": 1, "loss": "squared_error"}, "number of sources"),
        ({"target": "lable"}, "'label' or 'source'"),
        ({"loss": "crossentropy", "num_classes": 2}, "binary_cross_entropy"),
        ({"optimiser": {"rat": 1}}, "no setting 'rat' .did you mean 'rate'"),
        ({"augment": ({"name": "jpg"},)}, "did you mean 'jpeg'"),
        ({"model": "meso5"}, "'meso4'"),
        (SEVERAL | {"reals": (0, 1, 2)}, "of 3 classes .0, 1, 2. cannot be the reals"),
    ],
)
def test_contradictions_and_typos_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        classifier.make(**LINEAR | settings)


def test_every_argument_is_among_the_settings():
    method = classifier.make(**LINEAR)
    assert method.settings == {
        "model": "spectrum_linear",
        "model_settings": None,
        "num_classes": 1,
        "target": "label",
        "reals": (0,),
        "loss": "binary_cross_entropy",
        "optimiser": None,
        "augment": (),
        "steps": 4,
    }


@pytest.mark.slow
def test_it_learns_sources_over_several_seeds(tmp_path):
    """Chance is 0.5; 0.85 to 0.90 were measured."""
    gains = []
    for seed in range(3):
        method = classifier.make(
            **LINEAR | SEVERAL | {"steps": 300, "optimiser": {"rate": 0.02}}
        )
        areas = []

        def measure(outputs, areas=areas):
            areas.append(auc(outputs["label"], outputs["score"]))
            return {"auc": areas[-1]}

        data = {"train": Textures(seed)}
        mesh = data_mesh(devices=jax.devices()[:1])
        watch = Watch(summary=measure)
        fit(tmp_path / str(seed), method, data, seed=seed, watch=watch, mesh=mesh)
        gains.append(areas[-1])
    assert min(gains) > 0.75, gains


def test_several_places_share_a_target():
    """The mean over places of what one place would cost, in numpy."""
    draw = np.random.default_rng(3)
    logits, target = np.float32(draw.normal(0, 2, (4, 3, 5, 3))), np.array([0, 2, 1, 2])
    told = np.log(softmax(logits, axis=-1))[np.arange(4), ..., target]
    found = classifier.places(classifier.cross_entropy, logits, target)
    assert np.allclose(found, -told.mean((1, 2)), atol=1e-5)
    shares = (logits.argmax(-1) == target[:, None, None]).mean((1, 2))
    assert np.allclose(classifier.places(classifier.right, logits, target), shares)
    flat = logits[:, 0, 0]
    alone = classifier.cross_entropy(flat, target)
    assert np.array_equal(
        classifier.places(classifier.cross_entropy, flat, target), alone
    )


def test_patch_cnn_learns_from_its_patches():
    """One step's loss is the mean cross-entropy of patches, by optax on the module."""
    batch = Textures(0).batch(0) | {
        "image": np.float32(Textures(0).batch(0)["image"]) / 255
    }
    method = classifier.make(model="patch_cnn", model_settings={"block": 1}, steps=2)
    state = jax.jit(method.init)(jax.random.key(0), batch)
    held = state.nets["classifier"]
    net = models.build("patch_cnn", num_classes=1, block=1)
    patches, _ = jax.jit(partial(forward, net, train=True))(
        held.params, held.stats, batch["image"]
    )
    assert patches.shape[0] == 16 and patches.ndim == 4 and patches.shape[1] > 1
    label = np.broadcast_to(batch["label"][:, None, None], patches.shape[:-1])
    expected = optax.sigmoid_binary_cross_entropy(patches[..., 0], label).mean()
    _, metrics = jax.jit(method.stages[0].step)(jax.random.key(1), state, batch)
    assert np.allclose(metrics["loss"], expected, rtol=1e-4)
    assert method.predict(state, batch)["logits"].shape == (16, 1)
