"""TR-Net (Liu et al., 2022): how far attacks get against six detectors and defences.

  python launch/main.py --config=configs/trnet.py                      # embedded data
  python launch/main.py --config=configs/trnet.py:paper --config.data.root=DIR
  python launch/main.py --config=configs/trnet.py:folder --config.data.root=DIR

Presets:

  default   four victims, three seeds, every set of critics, in less than an hour
  demo      less of it, in minutes, with TR-Net as `shipped` trained it
  shipped   that game alone, whose weights are in the repository
  quick     for tests, in seconds
  full      every victim, attack and limit on embedded data, in hours
  folder    what the default does, on your own prepared pictures
  paper     the paper's sizes and losses, on prepared pictures
  released  the same with the losses, rates and views of its released script

Short trainings take a smaller TR-Net, see `_small_game`; docs/trnet.md compares all
readings of the paper.

Attacks are evaluated on labelled test pictures, to measure and to harden detectors.
"""

import itertools
from pathlib import Path

import jaxforensics
from configs import common
from configs.rows import trnet as rows

# Steps of short trainings: of victims where it is not 600, of those that learn from
# degraded pictures, and of TR-Net.
STEPS = {"Xception": 300, "DCTA": 2000, "F3-Net": 200, "LF": 900}
DEGRADED_STEPS = STEPS | {
    "Xception": 600,
    "Patch-CNN": 1800,
    "DCTA": 9000,
    "F3-Net": 400,
}
GAME_STEPS = 1600

# Weights of the game that `demo` goes on from, see `_shipped`.
SHIPPED = Path(jaxforensics.__file__).parent / "experiments/trnet/weights"


def get_config(preset="default"):
    """The config of a preset."""
    make = common.preset(
        preset,
        default=_default,
        demo=_demo,
        shipped=_shipped,
        quick=_quick,
        full=_full,
        paper=_paper,
        released=_released,
        folder=_folder,
    )
    return make()


def _default():
    """Xception joins the undefended victims; all sets of critics are compared."""
    data = _embedded(faces=2400, batch_size=16)
    return _light(data, undefended=("Xception", *rows.LIGHT), compare_critics=True)


def _folder():
    return _light(common.folder(size=128, batch_size=16))


def _light(data, *, undefended=rows.LIGHT, compare_critics=False):
    """Few victims, three seeds.  Gradients are those of Patch-CNN, which is quick."""
    attacks = _following("Patch-CNN")
    game = _small_game(GAME_STEPS)
    networks = {"ganprintr": _ganprintr(400), "trnet": game}
    more_attacks = {}
    critics = None
    if compare_critics:
        networks |= _networks_of_critics(game)
        more_attacks = _attacks_of_critics() | _noise_of_critics()
        critics = _selection(*undefended, attacks=("TR-Net", *_attacks_of_critics()))
    return _config(
        data=data,
        victims=_victims(
            undefended, _steps(STEPS), degraded_steps=_steps(DEGRADED_STEPS)
        ),
        attacks=attacks | more_attacks,
        networks=networks,
        defences={
            "none": _selection(*undefended, attacks=attacks, seeds=3),
            "weak": _selection(*rows.LIGHT, attacks=attacks),
            "strong": _selection("DCTA", "NF", attacks=("TR-Net", "Equal noise")),
        },
        critics=critics,
        traces=_traces("Patch-CNN", seeds=3),
        seeds=(0, 1, 2),
    )


def _demo():
    """The default on fewer faces; TR-Net goes on from the game of `shipped`.

    One seed decides nothing, but what it shows is what the default finds.
    """
    # Its weights and a small rate: a short while on the demo's own people.
    game = _small_game(60)
    game |= {
        "start": {role: str(SHIPPED / f"{role}.safetensors") for role in rows.PLAYERS}
    }
    for optimiser in ("optimiser", "critic_optimiser"):
        game[optimiser] |= {"rate": 5e-5}
    return _config(
        data=_embedded(faces=1800, batch_size=16),
        victims=_victims(rows.LIGHT, _steps(STEPS)),
        attacks=_following("Patch-CNN"),
        networks={
            "ganprintr": _ganprintr(250),
            "trnet": game,
        },
        defences={
            "none": _selection(*rows.LIGHT, attacks=_following("Patch-CNN")),
            "weak": _selection(attacks=()),
            "strong": _selection("NF", attacks=("TR-Net", "Equal noise")),
        },
        traces=_traces("Patch-CNN"),
        seeds=(0,),
    )


def _shipped():
    """The game that `demo` goes on from, on people that no other preset shows.

    Its weights lie in the run's folder weights/networks/trnet/seed0; the repository
    has them in jaxforensics/experiments/trnet/weights.
    """
    nothing = _selection(attacks=())
    return _config(
        data=_embedded(faces=2400, batch_size=16, seed=2),
        victims={},
        networks={"trnet": _small_game(GAME_STEPS)},
        defences={"none": nothing, "weak": nothing, "strong": nothing},
        traces=_traces(),
        seeds=(0,),
    )


def _quick():
    """Everything once, with nets that learn nothing in so few steps."""
    victims = "Patch-CNN", "NF"
    alone = "spatial"  # the critic that also plays by itself
    attacks = _following("Patch-CNN")
    attacks[f"TR-Net, {alone}"] = _attacks_of_critics()[f"TR-Net, {alone}"]
    for title in ("PGD", "PGD, itself"):
        attacks[title]["steps"] = 2
    game = _small_game(2)
    game["generator"] |= {"widths": (4, 8), "norm": "affine"}
    game["critic"]["width"] = 4
    return _config(
        data=_embedded(faces=80, batch_size=8, fakes=("nearest", "swap_graphic")),
        victims=_victims(victims, {"Patch-CNN": 4}),
        attacks=attacks,
        networks={
            "ganprintr": _ganprintr(2),
            "trnet": game,
            f"trnet, {alone}": _networks_of_critics(game)[f"trnet, {alone}"],
        },
        defences={
            "none": _selection(*victims, attacks=rows.ATTACKS),
            "weak": _selection(*victims, attacks=("Noise",)),
            "strong": _selection(*victims, attacks=("GANprintR",)),
        },
        limited=_limited(*victims, fractions=(0.5, 1), leave_out=("nearest",)),
        critics=_selection("NF", attacks=("TR-Net", f"TR-Net, {alone}")),
        traces=_traces("Patch-CNN", pictures=16),
        seeds=(0,),
        evaluate_every=2,
    )


def _full():
    """In hours: every victim, each set of critics, limited knowledge.

    Strong defences are one training per victim and attack: of all victims against
    TR-Net, of the two quickest against all attacks.  Attacks on the victim itself are
    about defended victims.
    """
    game = _small_game(GAME_STEPS)
    balanced = dict([_variant("balanced"), _noise_of("balanced")])
    of_paper = [
        title for title, row in rows.ATTACKS.items() if row.get("follows") != "itself"
    ]
    return _config(
        data=_embedded(faces=2400, batch_size=16),
        victims=_victims(
            rows.VICTIMS, _steps(STEPS), degraded_steps=_steps(DEGRADED_STEPS)
        ),
        attacks=rows.ATTACKS | balanced | _attacks_of_critics() | _noise_of_critics(),
        networks={
            "ganprintr": _ganprintr(400),
            "trnet": game,
            "trnet, balanced": _balanced(game),
            **_networks_of_critics(game),
        },
        defences={
            "none": _selection(*rows.VICTIMS, attacks=(*of_paper, *balanced), seeds=3),
            "weak": _selection(*rows.VICTIMS, attacks=rows.ATTACKS),
            "strong": (
                _selection(*rows.VICTIMS, attacks=("TR-Net",)),
                _selection("DCTA", "NF", attacks=rows.ATTACKS),
            ),
        },
        limited=_limited("Xception", "DCTA", fractions=(0.1, 1), leave_out=rows.FAKES),
        critics=_selection(*rows.VICTIMS, attacks=("TR-Net", *_attacks_of_critics())),
        traces=_traces("Xception", seeds=3),
        seeds=(0, 1, 2),
    )


def _paper():
    return _of_paper(rows.GAME, weak=rows.weak())


def _released():
    """What its authors released, which hardly ever halves its rates."""
    game = _released_losses(generator={"norm": "affine"}) | {
        "penalty": 1.0,
        # The paper's two rates, the other way round.
        "optimiser": {"name": "rmsprop", "rate": 1.6e-4},
        "critic_optimiser": {"name": "rmsprop", "rate": 1.6e-3},
        "epoch": 0,
    }
    return _of_paper(game, weak=rows.weak(gandct_compat=True))


def _of_paper(game, *, weak):
    """All victims, attacks, defences and limits at the sizes of Sections 5.2 to 5.6."""
    return _config(
        # 128 x 128, Section 5.2; neither mirrored nor cut, as the script reads them.
        data=common.folder(size=128, batch_size=150) | {"flip": False},
        # Steps are ours: Section 5.4 says only that it followed the victims' authors.
        victims=_victims(
            rows.VICTIMS, dict.fromkeys(rows.VICTIMS, 20_000), short=False
        ),
        attacks=rows.ATTACKS | _attacks_of_critics() | _noise_of_critics(),
        networks={
            # 200 epochs of 60,000 reals at 224 x 224, as in its authors' code.
            "ganprintr": _ganprintr(80_000) | {"size": 224},
            "trnet": game,
            **_networks_of_critics(game),
        },
        defences={
            "none": _selection(*rows.VICTIMS, attacks=rows.ATTACKS, seeds=3),  # Table 1
            "weak": _selection(*rows.VICTIMS, attacks=rows.ATTACKS, seeds=3),  # Table 2
            "strong": _selection(
                *rows.VICTIMS, attacks=rows.ATTACKS, seeds=3
            ),  # Table 3
        },
        limited=_limited(
            "Xception",
            "F3-Net",
            fractions=(0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1),  # Section 5.6.1
            leave_out=None,  # each kind in turn, Section 5.6.2
        ),
        critics=_selection(*rows.VICTIMS, attacks=("TR-Net", *_attacks_of_critics())),
        traces=_traces("Xception", layer="block_12", pictures=2000),
        weak=weak,
        seeds=(0, 1, 2),
        evaluate_every=400,
    )


def _config(
    *,
    data,
    victims,
    attacks=None,
    networks,
    defences,
    limited=None,
    critics=None,
    traces,
    weak=None,
    seeds,
    evaluate_every=100,
):
    """A config, with the paper's attacks and weak defence unless given."""
    return common.config(
        data=data,
        experiment={
            "name": "trnet",
            "victims": victims,
            "attacks": attacks or rows.ATTACKS,
            "networks": networks,
            "classifier": {
                "num_classes": 1,
                "loss": "binary_cross_entropy",
            },
            "weak": weak or rows.weak(),
            "seeds": seeds,
            "defences": defences,
            "limited": limited or _limited(fractions=(), leave_out=()),
            "critics": critics or _selection(attacks=()),
            "traces": traces,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _victims(titles, steps, *, degraded_steps=None, short=True):
    """Rows of VICTIMS with their steps; `short` trainings end with a rate of zero.

    `degraded_steps` {title: steps} are those of the weak defence, where they differ.
    """
    victims = {}
    for title in titles:
        row = dict(rows.VICTIMS[title])
        if short:
            row |= rows.SHORT_SETTINGS.get(title, {})
        if "optimiser" in row:
            row["steps"] = steps[title]
            row["degraded_steps"] = (degraded_steps or steps)[title]
            row["optimiser"] = dict(row["optimiser"])
            if short:
                rate = rows.SHORT_RATES.get(title, row["optimiser"]["rate"])
                row["optimiser"] |= {"rate": rate} | _falling(steps[title])
        victims[title] = row
    return victims


def _steps(others):
    """Steps of every victim: 600, but for those of the others."""
    return dict.fromkeys(rows.VICTIMS, 600) | others


def _following(victim):
    """All attacks; those by gradients of one victim by the gradients of this one."""
    attacks = {}
    for title, row in rows.ATTACKS.items():
        attacks[title] = dict(row)
        if row.get("follows", "itself") != "itself":
            attacks[title]["follows"] = victim
    return attacks


def _falling(steps):
    """A rate that rises for a while and then falls to nothing."""
    return {
        "schedule": "cosine",
        "schedule_settings": {"warmup": min(50, steps // 2)},
    }


def _ganprintr(steps):
    """GANprintR's autoencoder, with its authors' rate."""
    return {
        "method": "reconstruction",
        "learns_from": "reals",
        "steps": steps,
        "optimiser": {"name": "adam", "rate": 1e-3},
    }


def _small_game(steps):
    """For embedded pictures of 64 x 64: a quarter of G's widths, a 16th of critics'.

    G changes the picture instead of drawing it anew and is normalised by batch, critics
    by layer without a penalty, the adversarial weight is three times the released one,
    rates are ours and fall to nothing, and it is the G of the end that attacks: for
    hundreds of steps instead of thousands.
    """
    optimiser = {"name": "rmsprop", "rate": 5e-4} | _falling(steps)
    game = _released_losses(
        generator={"widths": (8, 16, 32, 64), "residual": True},
        critic={"width": 8},
    )
    return game | {
        "weights": {"adversarial": 0.3, "similarity": 0.1, "spectrum": 1.0},
        "optimiser": optimiser,
        "critic_optimiser": dict(optimiser),
        "epoch": 0,
        "last": 0,
        "steps": steps,
    }


def _balanced(game):
    """The same with critics that pull equally.

    The first critic is soon fooled, and what it then says is scaled up all the same:
    pictures stay alike only with more weight on similarity.
    """
    weights = game["weights"] | {"similarity": 3.0}
    return game | {"balanced": True, "weights": weights}


def _released_losses(*, generator, critic=None):
    """The losses, views and weights of the released script, without its penalty."""
    return rows.GAME | {
        "views": rows.GAME["views"] | {"spectral": "power"},
        "generator": rows.GAME["generator"] | generator,
        "critic": rows.GAME["critic"] | {"norm": "layer"} | (critic or {}),
        "adversarial": "lsgan",
        "regulariser": "log",
        "weights": {"adversarial": 0.1, "similarity": 0.1, "spectrum": 0.8},
    }


def _embedded(*, faces, batch_size, fakes=rows.FAKES, seed=0):
    """People, cameras and forgeries are those of the `seed`."""
    data = common.embedded(
        "pairs", faces=faces, size=64, batch_size=batch_size, fakes=fakes
    )
    data["view"] |= {"seed": seed}
    return data


def _selection(*victims, attacks, seeds=1):
    """A table: of these victims and attacks, over the first `seeds` seeds."""
    return {
        "victims": victims,
        "attacks": tuple(attacks),
        "seeds": seeds,
    }


def _limited(*victims, fractions, leave_out, seeds=1):
    """Fig. 14: shares of the pairs, and kinds of fakes to leave out (None: each)."""
    return {
        "attack": "TR-Net",
        "victims": victims,
        "fractions": fractions,
        "leave_out": leave_out,
        "seeds": seeds,
    }


def _sets_of_critics():
    """{title behind a name: critics}: each of them alone, and each two of them."""
    return {
        " and ".join(critics): critics
        for number in (1, 2)
        for critics in itertools.combinations(rows.CRITICS, number)
    }


def _attacks_of_critics():
    """A row for each set of critics but all three, which are those of TR-Net itself."""
    return dict(_variant(title) for title in _sets_of_critics())


def _noise_of_critics():
    """The control of each of those attacks: white noise of its PSNR."""
    return dict(_noise_of(title) for title in _sets_of_critics())


def _variant(title):
    """(title, row) of TR-Net's attack by another of its networks."""
    return f"TR-Net, {title}", {"attack": "trnet", "network": f"trnet, {title}"}


def _noise_of(title):
    """(title, row) of that attack's control."""
    row = {"attack": "noise_of_psnr", "equals": f"TR-Net, {title}"}
    return f"Equal noise, {title}", row


def _networks_of_critics(game):
    """A network for each of those attacks: the same game with fewer players."""
    return {
        f"trnet, {title}": game | {"critics": critics}
        for title, critics in _sets_of_critics().items()
    }


def _traces(*victims, layer="block_2", pictures=300, seeds=1):
    """Figs. 3 to 6 and 15 to 17: Grad-CAM of a layer, t-SNE of some pictures."""
    return {
        "victims": victims,
        "attacks": ("TR-Net",),
        "layer": layer,
        "pictures": pictures,
        "seeds": seeds,
    }
