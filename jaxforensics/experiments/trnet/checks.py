"""What would stop a run of TR-Net's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics.evaluation.attention import grad_cam
from jaxforensics.experiments.common import checks
from jaxforensics.experiments.common.arena import ITSELF, UNDEFENDED
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.settings import choose

LIKENESS = 30.0  # in dB, of attacks that are built to see whether they can be


def check(settings, data):
    """An error says what cannot be done with these settings, and what helps."""
    _check_tables(settings)
    selections = _selections(settings)
    for selection in (*selections, settings.critics):
        if selection["victims"] and not selection["attacks"]:
            raise ValueError(f"victims {selection['victims']} without attacks")
    selections += [settings.limited, settings.critics]
    _check_seeds(settings, selections)

    attacks = list(
        dict.fromkeys([*used_attacks(settings), *rows.critic_attacks(settings)])
    )
    victims = {v for selection in selections for v in selection["victims"]}
    for victim in victims:
        choose(settings.victims, victim, "victim")
    for title in attacks:
        row = rows.attack(choose(settings.attacks, title, "attack"), title)
        _check_attack(settings, title, row)
        if row.follows and row.follows != ITSELF:
            victims.add(row.follows)
    _check_owners(settings)

    for title in settings.critics["attacks"]:
        rows.critics_of(settings, title)

    _check_data(data, rows.left_out(settings, data))
    # From here on rows are those that can be built.
    arena = rows.arena(settings, data)
    _check_sizes(arena, victims, attacks)
    for victim in settings.traces["victims"]:
        _check_layer(arena, victim, settings.traces["layer"])


def used_attacks(settings):
    """Titles of the attacks that tables and traces show, and those that they equal.

    Each once; those of one critic or several have a table of their own.
    """
    titles = [a for selection in _selections(settings) for a in selection["attacks"]]
    if rows.limits_knowledge(settings):
        titles.append(settings.limited["attack"])
    rows_of = [settings.attacks.get(title, {}) for title in titles]
    titles += [row["equals"] for row in rows_of if row.get("equals")]
    return list(dict.fromkeys(titles))


def _selections(settings):
    """The selections with any number of attacks, of tables and traces."""
    of_tables = [
        selection
        for defence in settings.defences
        for selection in rows.selections(settings, defence)
    ]
    return [*of_tables, settings.traces]


def _check_seeds(settings, selections):
    for selection in selections:
        if selection["victims"] and selection["seeds"] > len(settings.seeds):
            raise ValueError(
                f"a table asks for {selection['seeds']} seeds, there are "
                f'{settings.seeds}: --config.experiment.seeds="(0, 1, 2)" has more'
            )


def _check_tables(settings):
    """Whether several selections make one table, and the others one each."""
    if len(rows.selections(settings, UNDEFENDED)) != 1:
        raise ValueError(
            f"defences.{UNDEFENDED} is one selection: with its victims and attacks all "
            "other tables are compared"
        )
    for defence in settings.defences:
        parts = rows.selections(settings, defence)
        seeds = sorted({part["seeds"] for part in parts if part["victims"]})
        if len(seeds) > 1:
            raise ValueError(
                f"the selections of defences.{defence} take {seeds} seeds: one table "
                "takes the same number everywhere"
            )


def _check_attack(settings, title, row):
    """Whether the victim, network and attack that an attack's row names are there."""
    if row.follows and row.follows != ITSELF:
        choose(settings.victims, row.follows, "victim")
    if row.equals:
        _check_equal(settings, title, row.equals)
    if row.network:
        choose(settings.networks, row.network, "network")
        return
    # Building an attack looks at its settings, whatever the detector says.
    try:
        predict = _says_nothing if row.follows else None
        of_pictures = {"psnr": LIKENESS} if row.equals else {}
        row.build(predict, **row.settings, **of_pictures)
    except ValueError as error:
        raise ValueError(f"attacks.{title}: {error}") from None


def _check_equal(settings, title, equals):
    """Whether an attack can take over the PSNR of another."""
    where = f"attacks.{title}.equals={equals!r}"
    if equals == title:
        raise ValueError(f"{where}: it cannot equal itself, name another attack")
    other = rows.attack(choose(settings.attacks, equals, f"attack for {title}"), equals)
    if other.equals:
        raise ValueError(f"{where} equals {other.equals!r} in turn: name that one")
    if other.follows == ITSELF:
        raise ValueError(
            f"{where} makes other pictures for each victim: name one that does not"
        )
    if "psnr" in settings.attacks[title]:
        raise ValueError(f"{where}: take its 'psnr' out, or 'equals'")


def _check_owners(settings):
    """Whether attacks that follow the victim itself stand in tables of victims alone.

    What traces are drawn from, and Fig. 14, are pictures that belong to no victim.
    """
    places = {
        f"traces.attacks={title!r}": title for title in settings.traces["attacks"]
    }
    if rows.limits_knowledge(settings):
        title = settings.limited["attack"]
        places[f"limited.attack={title!r}"] = title
    for where, title in places.items():
        if rows.follows_itself(settings, title):
            raise ValueError(
                f"{where} follows each victim itself: name an attack whose pictures "
                "are the same for all"
            )


def _says_nothing(image):
    """A detector of one logit, (b, h, w, 3) -> (b, 1)."""
    return image.mean((1, 2, 3))[:, None]


def _check_data(data, leave_out):
    """Whether the splits have the reals, fakes and originals that all parts need."""
    splits = data.train.counts | data.test.counts
    checks.have_both_labels(splits)
    in_training = dict.fromkeys(checks.fakes(data.train.counts["train"]))
    # A network without anything to learn from is no limit of knowledge.
    for name in leave_out:
        choose(in_training, name, "kind of fake to leave out")
    if leave_out and len(in_training) < 2:
        raise ValueError(f"without {leave_out[0]!r} there is no fake to learn from")
    # LF and the third critic have a class per training source.
    if unseen := {*checks.fakes(splits["test"])} - in_training.keys():
        raise ValueError(
            f"the test split has fakes that training lacks: {sorted(unseen)}; keep the "
            "others with --config.data.sources"
        )
    for side in (data.train.labelled(1), data.test.labelled(1)):
        if "pair" not in side.parts:
            raise ValueError(
                "some fakes come without their original, which TR-Net and the traces "
                "compare them with: `python launch/prepare.py pairs DIR` finds the "
                "nearest real of each"
            )


def _check_sizes(arena, victims, attacks):
    """Whether pictures are as large as all networks need, before any is trained."""
    methods = [_undefended(arena, victim) for victim in victims]
    networks = {arena.attacks[attack].network for attack in attacks} - {""}
    methods += [arena.networks[network].method(1) for network in networks]
    batch = _pictures(arena)
    # Shapes alone are computed: nothing is compiled.
    for method in methods:
        jax.eval_shape(method.init, jax.random.key(0), batch)


def _check_layer(arena, victim, layer):
    """Whether a victim has the layer whose maps are to be drawn."""
    method = _undefended(arena, victim)
    batch = _pictures(arena)
    state = jax.eval_shape(method.init, jax.random.key(0), batch)

    # `grad_cam` itself says what a layer lacks.
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


def _undefended(arena, victim):
    """The method that trains a victim without defence."""
    return arena.victims[victim].method(arena.operations.get(UNDEFENDED, ()))


def _pictures(arena):
    """The shape of a batch, (b, h, w, 3)."""
    train = arena.data.train
    shape = train.batch_size, train.size, train.size, 3
    return {"image": jax.ShapeDtypeStruct(shape, jnp.float32)}
