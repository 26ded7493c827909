"""35 random pictures in pairs, and the least that TR-Net's study can do with them."""

from tiny_set import opened, pictures, prepare_in

from jaxforensics.experiments.trnet import Settings

NOBODY = {"victims": (), "attacks": (), "seeds": 1}
NOISE = {"attack": "noise", "low": 5.0, "high": 20.0}
# An attack with a network of its own, and that network.
REDRAW = {"attack": "ganprintr", "network": "autoencoder"}
AUTOENCODER = {
    "method": "reconstruction",
    "learns_from": "fakes",
    "steps": 1,
    "optimiser": {"name": "adam", "rate": 1e-3},
}


def pairs(folder):
    """A corpus of three sources, whose fakes have their originals."""
    root = prepare_in(folder, pictures(folder, parts=True, side=16))
    return opened(root, size=16, flip=True, balance="label")


def settings(**changed):
    """NF against noise, without defence."""
    both = {"victims": ("NF",), "attacks": ("Noise",), "seeds": 1}
    given = {
        "victims": {"NF": {"method": "fingerprint"}},
        "attacks": {"Noise": NOISE},
        "networks": {},
        "classifier": {},
        "weak": (),
        "seeds": (0,),
        "defences": {"none": both, "weak": NOBODY, "strong": NOBODY},
        "limited": {
            "attack": "Noise",
            "victims": (),
            "fractions": (),
            "leave_out": (),
            "seeds": 1,
        },
        "critics": NOBODY,
        "traces": NOBODY | {"layer": "", "pictures": 8},
    }
    return Settings(**(given | changed))
