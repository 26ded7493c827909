"""The forgers of SynthFaces, trained anew.

  python launch/main.py --config=configs/forgers.py

trains all of them on rendered scenes, in hours on two cores.  The run's folder
weights/seed0 holds the result; copied to jaxforensics/synthfaces/weights it replaces
what is shipped.  Presets: `default`; `quick`, seconds, for tests; a forger's name, that
one alone, with what it starts from as shipped.
"""

from configs import common


def get_config(preset="default"):
    """The config of a preset."""
    forgers = _forgers()
    chosen = {name: (_data(), 50, {name: row}) for name, row in forgers.items()}
    data, log_every, forgers = common.preset(
        preset,
        default=(_data(), 50, forgers),
        quick=(_data(scenes=8, held_out=8), 1, _quick()),
        **chosen,
    )
    return common.config(
        data=data,
        experiment={"name": "forgers", "forgers": forgers, "seeds": (0,)},
        run=common.run(evaluate_every=4, log_every=log_every),
    )


def _quick():
    row = _synthesis(steps=4)
    return {"deconv": row, "deconv_128": _enlargement("deconv", row, steps=2)}


def _forgers():
    """The encoder of a domain's first serves all; the disguised start from one whole.

    A forger's row is followed by that of what paints its pictures of 128 pixels.
    """
    whole = {
        "deconv": _synthesis(upsampling="deconv", steps=1000),
        "nearest": _synthesis(upsampling="nearest", encoder="deconv"),
        "bilinear": _synthesis(upsampling="bilinear", encoder="deconv"),
        "shuffle": _synthesis(upsampling="shuffle", encoder="deconv"),
        **_disguised("deconv"),
        **_disguised("nearest"),
        **_disguised("bilinear"),
        **_of_domain("street"),
        **_of_domain("scenes"),
    }
    forgers = {}
    for name, row in whole.items():
        start = {}
        if row["regulariser"]:
            start = {"enlarger": f"{row['decoder']}_128", "steps": 250, "rate": 1e-3}
        forgers |= {name: row, f"{name}_128": _enlargement(name, row, **start)}
    return forgers | {
        "edit_deconv": _editing(up="deconv", large=2, steps=1600),
        "edit_skip": _editing(up="nearest", full_skip=True, large=3, steps=2500),
        "swap_neural": _translation("swaps", up="shuffle", emphasis=1.0),
        "reenact_neural": _translation("reenactments", up="nearest"),
    }


def _disguised(name):
    """A forger of studio faces again, with less of the traces of its upsampling."""
    start = {
        "upsampling": name,
        "encoder": "deconv",
        "decoder": name,
        "steps": 250,
        "rate": 1e-3,
    }
    return {
        f"{name}_r": _synthesis(regulariser="spectrum", **start),
        f"{name}_a": _synthesis(regulariser="spectral_discriminator", **start),
    }


def _of_domain(stream):
    """Two forgers of other pictures than studio faces, with an encoder of their own."""
    first = f"{stream}_nearest"
    return {
        first: _synthesis(stream=stream, upsampling="nearest", steps=1000),
        f"{stream}_bilinear": _synthesis(
            stream=stream, upsampling="bilinear", encoder=first
        ),
    }


def _synthesis(
    *,
    stream="portraits",
    upsampling="deconv",
    regulariser=None,
    encoder=None,
    decoder=None,
    steps=600,
    rate=3e-3,
):
    return {
        "method": "synthesis",
        "stream": stream,
        "upsampling": upsampling,
        "regulariser": regulariser,
        "encoder": encoder,
        "decoder": decoder,
        "steps": steps,
        "calibration_steps": min(30, steps),
        **_optimisers(steps, rate),
    }


def _enlargement(name, row, *, enlarger=None, steps=1000, rate=3e-3):
    """What paints the larger pictures of the forger `name` of this row."""
    return {
        "method": "enlargement",
        "stream": row["stream"],
        "upsampling": row["upsampling"],
        "regulariser": row["regulariser"],
        "encoder": row["encoder"] or name,
        "decoder": name,
        "enlarger": enlarger,
        "pictures": 4,
        "steps": steps,
        "calibration_steps": min(30, steps),
        **_optimisers(steps, rate),
    }


def _optimisers(steps, rate):
    warmup = {"steps": steps, "warmup": min(20, steps // 2), "final": rate / 10}
    return {
        "optimiser": {
            "name": "adam",
            "rate": rate,
            "schedule": "cosine",
            "schedule_settings": warmup,
            "settings": {"b1": 0.8, "b2": 0.99},
        },
        "critic_optimiser": {
            "name": "adam",
            "rate": 5e-4,
            "settings": {"b1": 0.5, "b2": 0.99},
        },
    }


def _editing(*, up, full_skip=False, large, steps):
    """An editor learns more than other translators: faint edits have to show."""
    row = _translation("edits", up=up, full_skip=full_skip, emphasis=8.0, steps=steps)
    row |= {"placed": (16, 32, 64), "normalised": True}
    row |= {"large": large, "crowd": 0.1, "gate": 0.5}
    row["optimiser"] |= {"rate": 4e-3, "settings": {"b1": 0.8, "b2": 0.99}}
    return row


def _translation(stream, *, up, full_skip=False, emphasis=20.0, steps=800):
    warmup = {"steps": steps, "warmup": 40, "final": 0.0}
    return {
        "method": "translation",
        "stream": stream,
        "up": up,
        "full_skip": full_skip,
        "placed": (),
        "normalised": False,
        "large": 2,
        "emphasis": emphasis,
        "crowd": None,
        "texture": 0.1,
        "adversarial": 0.015,
        "gate": 0.0,
        "steps": steps,
        "optimiser": {
            "name": "adam",
            "rate": 1.2e-3,
            "clip": 1.0,
            "schedule": "cosine",
            "schedule_settings": warmup,
            "settings": {"b1": 0.5, "b2": 0.99},
        },
        "critic_optimiser": {
            "name": "adam",
            "rate": 5e-4,
            "settings": {"b1": 0.5, "b2": 0.99},
        },
    }


def _data(*, scenes=2048, held_out=256):
    return {
        "root": "embedded:forging",
        "batch_size": 8,
        "scenes": scenes,
        "held_out": held_out,
        "seed": 0,
    }
