"""The arena: who is right, what is stored, which jobs a cell needs, any new row."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
import tiny_arena
from skimage.metrics import peak_signal_noise_ratio

from jaxforensics import attacks, provenance
from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.experiments.common.arena import (
    HARDENED,
    ITSELF,
    THRESHOLD,
    Arena,
    Attack,
    Cell,
    Network,
    Results,
    Victim,
    attacker,
    graph,
    likeness,
    results,
)
from jaxforensics.experiments.common.jobs import in_order, in_turn
from jaxforensics.methods import fingerprint
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import noise_residual
from jaxforensics.training.mesh import data_mesh
from jaxforensics.workspace import Workspace

CELL = Cell("Residual", "Noise", 0)


def residual(operations):
    """Averages the noise residuals of three sources over all 21 training pictures."""
    return fingerprint.make(sources=3, steps=3, augment=operations)


def small(operations):
    """Two nets of one logit, trained for a step each."""
    assert operations == ()
    return tiny.method(first=1, second=1)


def halving(share):
    """A network that halves all values, whatever it has learnt, of how much."""
    assert 0 < share <= 1

    def predict(state, batch):
        return {"image": 0.5 * batch["image"]}

    return tiny.method(first=1, second=1)._replace(predict=predict)


def brighten(predict, *, amount):
    """A toy attack that follows a victim: up where it says fake, down elsewhere."""

    def attack(key, image, label):
        return image + amount * jnp.sign(predict(image))[..., None, None]

    return attack


def redraw(predict, *, network):
    """A toy attack that uses a network and no victim."""
    assert predict is None
    return lambda key, image, label: network(image)


VICTIMS = {
    "Residual": Victim(residual, decides=THRESHOLD, plain=True),
    "Small": Victim(small),
}
ATTACKS = {
    "Noise": Attack("noise", attacks.NAMES["noise"], {"low": 5.0, "high": 20.0}),
    "Brighten": Attack("brighten", brighten, {"amount": 0.1}, follows="Small"),
    "Redraw": Attack("redraw", redraw, {}, network="halving"),
    "Equal": Attack("equal", attacks.NAMES["noise_of_psnr"], {}, equals="Redraw"),
    "Inside": Attack("brighten", brighten, {"amount": 0.1}, follows=ITSELF),
}


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    data = tiny_arena.pairs(tmp_path_factory.mktemp("pairs"))
    return Arena(
        data=data,
        victims=VICTIMS,
        attacks=ATTACKS,
        networks={"halving": Network(halving, label=0)},
        operations={"weak": ({"name": "noise", "low": 9.0, "high": 9.0},)},
        knowledge={"": data.train, "half": data.train.share(0.5)},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, arena):
    """`Results` of one cell: NF and noise."""
    workspace = Workspace(tmp_path_factory.mktemp("run"))
    yield Results(in_turn(arena.jobs([CELL]), workspace), arena)
    workspace.close()


def test_who_is_right():
    logits = np.array([[2.0, 1, 0], [0, 1, 2], [0, 3, 0], [5, 0, 0]])
    answers = {"logits": logits, "label": np.array([0, 0, 1, 1])}
    answers["score"] = np.array([0.1, 0.4, 0.6, 0.45])

    def shares(threshold, reals=(0,)):
        decisions = results.decide(answers, reals=reals, threshold=threshold)
        return [results.recognised(decisions, answers, label=label) for label in (0, 1)]

    assert shares(None) == [0.5, 0.5]
    assert shares(None, reals=(0, 1)) == [0.5, 0]  # two kinds of reals
    assert shares(0.4) == [0.5, 1]
    assert shares(0.5) == [1, 0.5]
    decisions = np.array([True, False, False, True])
    chosen = np.array([False] * 3 + [True])
    assert results.recognised(decisions, answers, label=1, chosen=chosen) == 1
    assert np.isnan(results.recognised(decisions, answers, label=0, chosen=chosen))
    one = {"logits": np.array([[0.1], [-0.1], [0.0]])}
    assert results.decide(one, reals=(0,)).tolist() == [True, False, False]


def test_attacks_are_stored_as_a_file_would_be():
    """8 bits, padding left out, likeness by scikit-image."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, (6, 16, 16, 3), np.uint8)

    def batches():
        for start in (0, 4):
            rows = np.arange(start, start + 4)
            yield {
                "image": given[np.minimum(rows, 5)],
                "label": np.ones(4, np.int32),
                "source": np.ones(4, np.int32),
                "index": np.where(rows < 6, 10 * rows, -1),
                "valid": np.float32(rows < 6),
            }

    def attack(key, image, label):
        return image * 0.9 + 0.013 * label[:, None, None, None]

    attacking = attacker.Attacker(
        attack, jax.random.key(0), data_mesh(), digest="", notice=""
    )
    stored = attacking.over(batches(), outputs=("image", "psnr", "ssim"))
    expected = np.round(given * 0.9 + 0.013 * 255)
    np.testing.assert_allclose(stored["image"], expected, atol=1)
    assert stored["image"].dtype == np.uint8
    np.testing.assert_array_equal(stored["index"], 10 * np.arange(6))
    for picture, kept, psnr in zip(given, stored["image"], stored["psnr"], strict=True):
        oracle = peak_signal_noise_ratio(picture, kept, data_range=255)
        assert psnr == pytest.approx(oracle, abs=1e-2)


def test_likeness_is_of_what_changed():
    values = np.array([30.0, np.inf, 34.0])
    assert likeness(values) == (32.0, 2.0)
    assert likeness(values[1:2]) == (np.inf, 0.0)
    assert np.isnan(likeness(values[:0])[0])


def test_fingerprints_are_means_of_the_pictures_as_they_are(finished):
    """Not mirrored, each once: by hand, over the training split."""
    arena = finished.arena
    victim = finished.made[arena.victim_name(CELL)]
    stats = victim.state.nets["fingerprints"].stats
    rows = [
        (batch["source"][i], batch["image"][i])
        for batch in arena.data.train.plain().once()
        for i in np.flatnonzero(batch["valid"])
    ]
    assert len(rows) == arena.data.train.num_train == 21
    for source in range(3):
        images = np.stack([image for s, image in rows if s == source])
        residuals = noise_residual(to_gray(np.float32(images) / 255))
        mean = np.asarray(residuals).mean(0)
        # The last batch begins the next round: three pictures come twice.
        assert np.corrcoef(stats["mean"][source].ravel(), mean.ravel())[0, 1] > 0.9
        flipped = stats["mean"][source][:, ::-1].ravel()
        assert np.corrcoef(flipped, mean.ravel())[0, 1] < 0.5
    assert stats["count"].sum() == 24


def test_accuracies_are_those_of_each_class(finished):
    """From stored predictions, with the threshold of the validation split."""
    clean = finished.clean(CELL)
    attacked_accuracy = finished.attacked_accuracy(CELL)
    measurements = finished.made.workspace.directory / "measurements"
    folder = measurements / "victims/Residual/none/seed0"
    stored = {
        name: np.load(folder / f"{name}.npz")
        for name in ("validation", "test", "after/Noise")
    }
    limit = choose_threshold(
        stored["validation"]["label"], stored["validation"]["score"]
    ).value
    attacked = measurements / "attacks/Noise/seed0/test.npz"
    assert str(np.load(attacked)["notice"]).startswith("attacked (Noise, ")

    test, after = stored["test"], stored["after/Noise"]
    assert clean.real == np.mean(test["score"][test["label"] == 0] < limit)
    assert clean.fake == np.mean(test["score"][test["label"] == 1] >= limit)
    assert attacked_accuracy == np.mean(after["score"] >= limit)
    assert (after["label"] == 1).all() and len(after["label"]) == 3

    intervals = finished.intervals(CELL)
    for name, value in (
        ("real", clean.real),
        ("fake", clean.fake),
        ("attacked", attacked_accuracy),
    ):
        point, low, high = intervals[name]
        assert point == pytest.approx(value) and low <= point <= high
    assert intervals["fall"][0] == pytest.approx(clean.fake - attacked_accuracy)


def test_jobs_of_cells_are_made_in_the_order_of_what_they_need(arena):
    """Networks → victims → attacks → hardened victims → answers."""
    cells = [
        Cell("Small", "Brighten", 0, defence=HARDENED),
        Cell("Small", "Redraw", 1, defence="weak", knowledge="half"),
        CELL,
    ]
    jobs = arena.jobs([*cells, *cells])
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    hardened = "victims/Small/strong against Brighten/seed0"
    weak = "victims/Small/weak/seed1"
    residual_name = "victims/Residual/none/seed0"
    assert {job.name: set(job.needs) for job in jobs} == {
        "victims/Small/none/seed0": set(),
        "attacks/Brighten/seed0/train": {"victims/Small/none/seed0"},
        hardened: {"attacks/Brighten/seed0/train"},
        f"{hardened}/test": {hardened},
        "attacks/Brighten/seed0/test": {"victims/Small/none/seed0"},
        f"{hardened}/after/Brighten": {hardened, "attacks/Brighten/seed0/test"},
        weak: set(),
        f"{weak}/test": {weak},
        "networks/halving/half/seed1": set(),
        "attacks/Redraw/half/seed1/test": {"networks/halving/half/seed1"},
        f"{weak}/after/Redraw/half": {weak, "attacks/Redraw/half/seed1/test"},
        residual_name: set(),
        # Where a threshold decides it is chosen on validation.
        f"{residual_name}/validation": {residual_name},
        f"{residual_name}/test": {residual_name},
        "attacks/Noise/seed0/test": set(),
        f"{residual_name}/after/Noise": {residual_name, "attacks/Noise/seed0/test"},
    }
    order = [job.name for job in in_order(jobs)]
    for job in jobs:
        assert all(order.index(need) < order.index(job.name) for need in job.needs)


def test_a_new_attack_is_a_row(arena, tmp_path):
    """One that follows a victim and one that has a network, told by their pictures."""
    workspace = Workspace(tmp_path)
    cells = [Cell("Residual", "Brighten", 0), Cell("Residual", "Redraw", 0)]
    made = in_turn(arena.jobs(cells), workspace)
    batch = next(arena.fakes.batches())
    fakes = batch["image"][batch["valid"] > 0]

    logits = made["victims/Small/none/seed0"].function("logits")(fakes / 255)
    signs = np.sign(np.asarray(logits))[..., None, None]
    expected = np.clip(fakes / 255 + 0.1 * signs, 0, 1)
    brightened = made["attacks/Brighten/seed0/test"].columns["image"]
    np.testing.assert_allclose(brightened / 255, expected, atol=0.6 / 255)

    halved = made["attacks/Redraw/seed0/test"].columns["image"]
    np.testing.assert_allclose(halved, fakes / 2, atol=0.6)
    for cell in cells:
        assert 0 <= Results(made, arena).attacked_accuracy(cell) <= 1
    workspace.close()


def test_noise_has_the_psnr_of_what_it_equals_picture_by_picture(arena, tmp_path):
    """Of stored pictures, by scikit-image; in training and in less knowledge too."""
    workspace = Workspace(tmp_path)
    jobs = list(arena.attack_jobs("Equal", 0))
    for where in ({"split": "train"}, {"knowledge": "half"}):
        jobs += arena.attack_jobs("Equal", 0, **where)
    made = in_turn(jobs, workspace)
    batch = next(arena.fakes.batches())
    fakes = batch["image"][batch["valid"] > 0]
    index = batch["index"][batch["valid"] > 0]
    equal, redrawn = (
        made[f"attacks/{attack}/seed0/test"] for attack in ("Equal", "Redraw")
    )
    for columns in (equal.columns, redrawn.columns):
        np.testing.assert_array_equal(columns["index"], index)
    for fake, noisy, halved in zip(
        fakes, equal.columns["image"], redrawn.columns["image"], strict=True
    ):
        reached, wanted = (
            peak_signal_noise_ratio(fake, changed, data_range=255)
            for changed in (noisy, halved)
        )
        assert reached == pytest.approx(wanted, abs=0.05)
        assert np.corrcoef(noisy.ravel() - 1.0 * fake.ravel(), fake.ravel())[0, 1] < 0.5

    for path in ("seed0/train", "half/seed0/test"):
        equal, redrawn = (
            made[f"attacks/{attack}/{path}"] for attack in ("Equal", "Redraw")
        )
        np.testing.assert_allclose(
            equal.columns["psnr"], redrawn.columns["psnr"], atol=0.05
        )
    assert len(made["attacks/Equal/seed0/train"].columns["psnr"]) == 9
    workspace.close()


def test_what_equals_another_attack_needs_its_pictures(arena):
    cell = Cell("Residual", "Equal", 1, defence=HARDENED)
    needs = {job.name: job.needs for job in arena.jobs([cell])}
    for split in ("train", "test"):
        redrawn = f"attacks/Redraw/seed1/{split}"
        assert needs[f"attacks/Equal/seed1/{split}"] == (redrawn,)
        assert needs[redrawn] == ("networks/halving/seed1",)


def test_what_follows_the_victim_itself_belongs_to_it(arena):
    """One set per victim and defence; hardening has the undefended one's gradients."""
    cells = [
        Cell(victim, "Inside", 0, defence=defence)
        for victim in ("Small", "Residual")
        for defence in ("none", "weak", HARDENED)
    ]
    jobs = arena.jobs(cells)
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    needs = {job.name: job.needs for job in jobs}
    assert needs["attacks/Inside/Small/none/seed0/test"] == (
        "victims/Small/none/seed0",
    )
    assert needs["attacks/Inside/Small/weak/seed0/test"] == (
        "victims/Small/weak/seed0",
    )
    training = "attacks/Inside/Small/none/seed0/train"
    hardened = "victims/Small/strong against Inside/seed0"
    assert needs[training] == ("victims/Small/none/seed0",)
    assert needs[hardened] == (training,)
    attacked = "attacks/Inside/Small/strong/seed0/test"
    assert needs[attacked] == (hardened,)
    assert needs[f"{hardened}/after/Inside"] == (hardened, attacked)
    with pytest.raises(ValueError, match="Inside follows a victim itself: say which"):
        list(arena.attack_jobs("Inside", 0))


def test_victims_are_followed_whatever_their_logits_are(arena, tmp_path):
    """Under a defence, up where the defended victim says fake: by its own logits."""
    workspace = Workspace(tmp_path)
    cells = [
        Cell("Residual", "Inside", 0, defence=defence)
        for defence in ("none", "weak", HARDENED)
    ]
    made = in_turn(arena.jobs(cells), workspace)
    results_of = Results(made, arena)
    batch = next(arena.fakes.batches())
    fakes = np.float32(batch["image"][batch["valid"] > 0] / 255)
    digests = set()
    for cell in cells:
        logits = made[arena.victim_name(cell)].function("logits")(fakes)
        signs = np.sign(fakeness(np.asarray(logits), reals=(0,)))
        expected = np.clip(fakes + 0.1 * signs[:, None, None, None], 0, 1)
        brightened = results_of.shown(cell)["image"]
        np.testing.assert_allclose(brightened / 255, expected, atol=0.6 / 255)
        assert 0 <= results_of.attacked_accuracy(cell) <= 1
        digests.add(made[arena.attacked_name_of(cell)].digest)
    assert len(digests) == len(cells)
    workspace.close()


class Recorder:
    """A workspace that makes nothing: what it is asked to train or predict."""

    mesh = None

    def train(self, name, method, data, **settings):
        self.data = data

    def predict(self, name, predictor, batches, *inputs, outputs):
        self.predictor = predictor
        return {}


def test_hardened_victims_see_half_of_their_fakes_attacked(arena):
    cell = Cell("Small", "Noise", 0, defence=HARDENED)
    job = {job.name: job for job in arena.jobs([cell])}[arena.victim_name(cell)]
    (need,) = job.needs
    index = np.concatenate(
        [b["index"][b["valid"] > 0] for b in arena.data.train.labelled(1).once()]
    )
    white = np.full((len(index), 16, 16, 3), 255, np.uint8)
    attacked = graph.Attacked({"image": white, "index": index}, "digest")
    workspace = Recorder()
    job.make(workspace, {need: attacked})

    is_white = {0: [], 1: []}
    for _, batch in zip(range(25), workspace.data.batches(), strict=False):
        for label, image in zip(batch["label"], batch["image"], strict=True):
            is_white[int(label)].append((image == 255).all())
    assert not any(is_white[0])
    assert len(is_white[1]) == 100  # labels are balanced
    assert 0.35 < np.mean(is_white[1]) < 0.65
    assert workspace.data.digest != arena.data.train.digest


def test_networks_are_told_their_share_of_the_examples(arena):
    """Of those that they learn from, reals here; groups may differ in size."""
    shares = []

    def method(share):
        shares.append(share)
        return halving(share)

    networks = {"halving": Network(method, label=0)}
    observed = arena._replace(networks=networks)
    for knowledge in ("", "half"):
        job, _ = observed.attack_jobs("Redraw", 0, knowledge=knowledge)
        job.make(Recorder(), {})
    some = arena.data.train.share(0.5).counts["train"]["real"]
    assert shares == [1, some / arena.data.train.counts["train"]["real"]]
    assert 0 < shares[1] < 1


def trained(arena, seed, directory):
    """The nets of the network 'halving', trained in a run of its own."""
    workspace = Workspace(directory)
    name = arena.network_name("halving", seed)
    jobs = arena.jobs([Cell("Residual", "Redraw", seed)])
    made = in_turn([job for job in jobs if job.name == name], workspace)
    workspace.close()
    return made[name].state.nets, directory / "weights" / name


def test_a_network_is_exported_and_another_goes_on_from_it(arena, tmp_path):
    nets, folder = trained(arena, 0, tmp_path / "first")
    assert {path.stem for path in folder.iterdir()} == set(nets)

    start = {"a": str(folder / "a.safetensors")}
    row = arena.networks["halving"]._replace(start=start)
    other = arena._replace(networks={"halving": row})
    other_nets, _ = trained(other, 1, tmp_path / "second")
    for role, goes_on in (("a", True), ("b", False)):
        pairs = zip(
            jax.tree.leaves(nets[role].params),
            jax.tree.leaves(other_nets[role].params),
            strict=True,
        )
        # A step moves no weight further than twice the rate.
        is_near = max(np.abs(x - y).max() for x, y in pairs) < 0.02
        assert is_near == goes_on, role


def test_attacked_sets_belong_to_the_attack_its_settings_and_what_it_asked(arena):
    """Whatever the title, another attack, number or victim is another set."""

    def digest_of(seed=0, victim="a", title="Brighten", **changed):
        row = arena.attacks[title]._replace(**changed)
        other = arena._replace(attacks=arena.attacks | {title: row})
        *_, job = other.attack_jobs(title, seed)
        needed = SimpleNamespace(
            function=lambda output: None,
            columns={"index": np.arange(2), "psnr": np.full(2, 30.0)},
            digest=victim,
        )
        workspace = Recorder()
        attacked = job.make(workspace, dict.fromkeys(job.needs, needed))
        return workspace.predictor.digest, attacked.digest

    sets = [
        digest_of(),
        digest_of(seed=1),
        digest_of(victim="b"),
        digest_of(name="darken"),
        digest_of(settings={"amount": 0.2}),
        digest_of(title="Equal"),
        digest_of(title="Equal", victim="b"),  # what it equals is another set
    ]
    assert len({predictor for predictor, _ in sets}) == len(sets)
    assert len({attacked for _, attacked in sets}) == len(sets)
    assert digest_of() == sets[0]


def test_attacked_sets_are_stored_under_the_code_of_their_attack(arena):
    """Whether it is built once, or anew for each batch."""
    title = "Noise"
    for row in (
        arena.attacks[title],
        arena.attacks["Equal"]._replace(build=partial(attacks.build, "noise_of_psnr")),
    ):
        other = arena._replace(attacks=arena.attacks | {title: row})
        *_, job = other.attack_jobs(title, 0)
        needed = SimpleNamespace(
            columns={"index": np.arange(2), "psnr": np.full(2, 30.0)}, digest=""
        )
        workspace = Recorder()
        job.make(workspace, dict.fromkeys(job.needs, needed))
        modules = provenance.closure(provenance.modules_of(workspace.predictor))
        assert "jaxforensics.attacks.noise" in modules
        assert "jaxforensics.attacks.gradient" not in modules


def test_what_is_not_there_is_named(arena):
    for cell, message in (
        (CELL._replace(victim="Residua"), "did you mean 'Residual'"),
        (CELL._replace(attack="Nois"), "did you mean 'Noise'"),
    ):
        with pytest.raises(ValueError, match=message):
            arena.jobs([cell])
