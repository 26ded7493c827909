"""What would stop a run of TR-Net's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics.evaluation.attention import grad_cam
from jaxforensics.experiments import checks
from jaxforensics.experiments.trnet_bench import GRADIENT, NONE
from jaxforensics.settings import choose


def check(bench, defences, limited, traces):
    """The attacks that are used; an error says what cannot be done, and what helps."""
    groups = [*defences.values(), traces]
    _check_seeds(bench, (*groups, limited))
    for group in groups:
        if group["victims"] and not group["attacks"]:
            raise ValueError(f"victims {group['victims']} without attacks")
    used = dict.fromkeys(attack for group in groups for attack in group["attacks"])
    if limited["victims"]:
        used |= {limited["attack"]: None}
    victims = {v for group in (*groups, limited) for v in group["victims"]}
    for attack in used:
        settings = choose(bench.attacks, attack, "attack")
        if settings["attack"] in GRADIENT:
            victims.add(_followed(bench, attack, settings))
    _check_data(bench.data, limited["leave_out"])
    _check_sizes(bench, victims, used)
    for victim in traces["victims"]:
        _check_layer(bench, victim, traces["layer"])
    return list(used)


def fakes(data):
    """Names of the kinds of fakes in training."""
    return checks.fakes(data.train.counts["train"])


def _followed(bench, attack, settings):
    """The victim whose gradients an attack follows: one that answers real or fake."""
    if "on" not in settings:
        raise ValueError(f"{attack} needs 'on': the victim whose gradients it follows")
    victim = settings["on"]
    if choose(bench.victims, victim, "victim").get("target") != "label":
        raise ValueError(
            f"{attack} follows gradients of real and fake, but {victim!r} tells "
            "sources apart: set its 'on' to a victim with target 'label'"
        )
    return victim


def _check_seeds(bench, groups):
    for group in groups:
        if group["victims"] and group["seeds"] > len(bench.seeds):
            raise ValueError(
                f"a group asks for {group['seeds']} seeds, there are {bench.seeds}: "
                '--config.experiment.seeds="(0, 1, 2)" has more'
            )


def _check_data(data, leave_out):
    splits = data.train.counts | data.test.counts
    checks.have_both_labels(splits)
    known = dict.fromkeys(fakes(data))
    for name in leave_out:
        choose(known, name, "kind of fake to leave out")
    if leave_out and len(known) < 2:
        raise ValueError(f"without {leave_out[0]!r} there is no fake to learn from")
    if new := {*checks.fakes(splits["test"])} - known.keys():
        raise ValueError(
            f"the test split has fakes that training lacks: {sorted(new)}; keep the "
            "others with --config.data.sources"
        )
    for side in (data.train.labelled(1), data.test.labelled(1)):
        if "pair" not in side.parts:
            raise ValueError(
                "some fakes come without their original, which TR-Net and the traces "
                "compare them with: `python launch/prepare.py pairs DIR` finds the "
                "nearest real of each"
            )


def _check_sizes(bench, victims, attacks):
    """Whether pictures are as large as all networks need, before any is trained."""
    methods = [bench.detector(victim, NONE) for victim in victims]
    batch = _pictures(bench)
    kinds = {bench.attacks[attack]["attack"] for attack in attacks}
    methods += [bench.redrawer(kind)[0] for kind in bench.networks if kind in kinds]
    for method in methods:
        jax.eval_shape(method.init, jax.random.key(0), batch)


def _check_layer(bench, victim, layer):
    """Whether a victim has the layer whose maps are to be shown."""
    method, batch = bench.detector(victim, NONE), _pictures(bench)
    state = jax.eval_shape(method.init, jax.random.key(0), batch)

    def look(state, image):
        return grad_cam(
            lambda image: method.predict(state, {"image": image})["logits"].sum(-1),
            image,
            layer=layer,
        )

    try:
        jax.eval_shape(look, state, batch["image"])
    except ValueError as error:
        raise ValueError(f"traces.layer, of {victim}: {error}") from None


def _pictures(bench):
    shape = bench.batch_size, bench.data.train.size, bench.data.train.size, 3
    return {"image": jax.ShapeDtypeStruct(shape, jnp.float32)}
