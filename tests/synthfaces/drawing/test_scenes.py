"""Scenes: random access, natural variety, and parts that can be exchanged exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.synthfaces.drawing import scenes

COUNT = 512


@jax.jit
def draw(seed, start):
    keys = jax.vmap(lambda i: scenes.key_of(seed, i))(start + jnp.arange(COUNT))
    return jax.vmap(scenes.sample)(keys)


@pytest.fixture(scope="module")
def many():
    return draw(0, 0)


@pytest.fixture(scope="module")
def described(many):
    table = np.asarray(jax.vmap(scenes.describe)(many))
    return dict(zip(scenes.ATTRIBUTES, table.T, strict=True))


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def same(tree, other):
    pairs = zip(leaves(tree), leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def test_a_scene_follows_from_seed_and_index(many):
    assert same(draw(0, 0), many)
    later = draw(0, 100)
    for one, other in zip(leaves(later), leaves(many), strict=True):
        np.testing.assert_allclose(one[: COUNT - 100], other[100:], atol=1e-6)
    assert not same(draw(1, 0).identity, many.identity)


def test_no_two_people_are_alike(many):
    shape = [np.asarray(many.identity._asdict()[n]) for n in scenes._IDENTITY]
    people = np.stack(shape, -1)
    people = (people - people.min(0)) / np.ptp(people, 0)
    distance = np.linalg.norm(people[:, None] - people[None], axis=-1)
    assert (distance + 10 * np.eye(COUNT)).min() > 0.5
    assert people.std(0).min() > 0.25  # each trait uses its whole range


def test_truncation_leaves_a_share_of_what_sets_faces_apart(many):
    many = jax.tree.map(np.asarray, many)
    halved = scenes.averaged(many, 0.5, domain="studio")
    for part in ("identity", "pose", "expression"):
        for name, before in getattr(many, part)._asdict().items():
            after = getattr(getattr(halved, part), name)
            if name in ("rim_colour", "skin", "iris", "texture"):
                np.testing.assert_array_equal(after, before)
                continue
            np.testing.assert_allclose(after.std(0), before.std(0) / 2, rtol=1e-3)
            # Those it is averaged over are others of the same kind.
            gap = np.abs(after.mean(0) - before.mean(0))
            assert (gap < 0.15 * before.std(0) + 1e-6).all(), name
    for part in ("attributes", "light", "setting"):
        assert same(getattr(halved, part), getattr(many, part))
    whole = scenes.averaged(many, 1.0, domain="studio")
    for one, other in zip(leaves(whole), leaves(many), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_attributes_are_natural(described):
    hair = sum(described[name] for name in scenes.HAIR_COLOURS)
    assert (hair == 1).all()
    men, women = described["male"] == 1, described["male"] == 0
    old, bald = described["old"] == 1, described["bald"] == 1
    assert not described["bald"][women].any()
    assert not described["moustache"][women].any()
    assert (
        described["long_hair"][women].mean() > described["long_hair"][men].mean() + 0.3
    )
    assert (
        described["gray_hair"][old].mean() > described["gray_hair"][~old].mean() + 0.2
    )
    assert not (described["bangs"] + described["long_hair"])[bald].any()
    shares = {name: values.mean() for name, values in described.items()}
    assert all(0.03 < share < 0.65 for share in shares.values()), shares


def test_the_domain_changes_the_picture_and_not_the_person(key):
    drawn = jax.jit(lambda k: [scenes.sample(k, domain=d) for d in scenes.DOMAINS])
    studio, street = drawn(key)
    assert same(studio.identity, street.identity)
    assert same(studio.attributes, street.attributes)
    for part in ("pose", "light", "setting"):
        assert not same(getattr(studio, part), getattr(street, part)), part
    with pytest.raises(ValueError, match="studio"):
        scenes.sample(key, domain="beach")


def test_an_edit_reaches_its_target_and_nothing_else(many, described):
    wanted = np.random.default_rng(0).integers(0, 2, (COUNT, len(scenes.ATTRIBUTES)))
    colours = len(scenes.HAIR_COLOURS)
    wanted[:, :colours] = np.eye(colours)[wanted[:, 0] + 2 * wanted[:, 1]]
    bald = wanted[:, scenes.ATTRIBUTES.index("bald")] == 1
    for name in ("bangs", "long_hair"):
        wanted[bald, scenes.ATTRIBUTES.index(name)] = 0
    edited = jax.vmap(scenes.edit)(many, jnp.float32(wanted))
    np.testing.assert_array_equal(jax.vmap(scenes.describe)(edited), wanted)
    for part in ("identity", "pose", "light", "setting"):
        assert same(getattr(edited, part), getattr(many, part)), part


def test_an_edit_to_what_is_there_changes_nothing(many):
    present = jax.vmap(scenes.describe)(many)
    assert same(jax.vmap(scenes.edit)(many, present), many)


def test_a_face_and_an_expression_change_places(many):
    one, other = take(many, 0), take(many, 1)
    swapped = scenes.with_identity(one, other)
    assert same((swapped.identity, swapped.attributes), other[:2])
    assert same(swapped[2:], one[2:])
    reenacted = scenes.with_expression(one, other)
    assert same(reenacted.expression, other.expression)
    assert same(reenacted._replace(expression=one.expression), one)
