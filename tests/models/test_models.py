"""Every architecture: names, output shapes, numbers of trained parameters."""

import jax
import jax.numpy as jnp
import pytest

from jaxforensics import models

# name, settings, picture size, numbers of trained parameters
TABLE = [
    ("amtennet", {"num_classes": 2}, 128, 2_023_047),
    ("amtennet", {"num_classes": 8}, 128, 2_024_853),
    ("amtennet", {}, 64, 2_023_047 - 301 - 300 * 128 * (7 * 7 - 3 * 3)),
    ("model_base", {"num_classes": 2}, 128, 2_020_194),
    ("model_base", {}, 64, 2_020_194 - 301 - 300 * 128 * (7 * 7 - 3 * 3)),
    ("meso4", {}, 256, 27_977),
    ("meso4", {}, 128, 15_689),
    ("meso4", {"num_classes": 8}, 128, 15_689 + 7 * 17),
    ("mesoinception4", {}, 256, 28_615),
    ("mesoinception4", {}, 128, 16_327),
    ("mesoinception4", {"num_classes": 4}, 128, 16_327 + 3 * 17),
    ("spectrum_linear", {}, 128, 91 + 1),  # rings 0 … 90 and a bias
    ("spectrum_linear", {"num_classes": 4}, 64, 4 * (46 + 1)),
]


def trace(name, settings, size, batch=2):
    """Shapes of the variables and of the logits, without compiling anything."""
    module = models.build(name, **settings)
    image = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    return variables, jax.eval_shape(module.apply, variables, image)


@pytest.mark.parametrize(("name", "settings", "size", "count"), TABLE)
def test_shapes_and_counts(name, settings, size, count):
    variables, logits = trace(name, settings, size)
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count
    assert logits.shape == (2, settings.get("num_classes", 1))


def test_every_model_is_in_the_table():
    assert {name for name, *_ in TABLE} == set(models.NAMES)


@pytest.mark.parametrize("name", models.NAMES)
def test_parameters_and_logits_stay_float32(name):
    variables, logits = trace(name, {"dtype": "bfloat16"}, 64)
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert logits.dtype == jnp.float32


def test_a_wrong_name_proposes_the_right_one():
    with pytest.raises(ValueError, match="'messo4'; nearest: 'meso4'"):
        models.build("messo4")
    with pytest.raises(ValueError, match="'mesoinception'; nearest: 'mesoinception4'"):
        models.build("mesoinception")


@pytest.mark.parametrize("name", models.NAMES)
def test_a_wrong_setting_proposes_the_right_one(name):
    with pytest.raises(TypeError, match="'num_class'; nearest: 'num_classes'"):
        models.build(name, num_class=2)
    with pytest.raises(TypeError, match="no setting 'parent'"):
        models.build(name, parent=None)
