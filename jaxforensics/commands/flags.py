"""The command line of `launch/prepare.py`: its commands and their flags."""

from argparse import ArgumentParser, RawTextHelpFormatter

COMMANDS = {
    "folder": "class folders, or originals and edits",
    "manifest": "a CSV or JSON-lines file with columns path, label, …",
    "videos": "faces from evenly spaced frames of clips",
    "audit": "counts, duplicates, overlaps, labels that leak",
    "pairs": "the nearest real for fakes without a pair",
    "check": "is every byte of a prepared data set as it was?",
    "synthfaces": "faces drawn, photographed and forged by this code; synthetic",
}
# The module of `jaxforensics.commands` that carries out a command, by `run`.
MODULES = {
    "folder": "prepare",
    "manifest": "prepare",
    "videos": "prepare",
    "audit": "audit",
    "pairs": "pairs",
    "check": "check",
    "synthfaces": "data_sets",
}


def parser(description):
    """The parser of all commands; what flags mean is told by `--help` of each."""
    flags = ArgumentParser(
        description=description, formatter_class=RawTextHelpFormatter
    )
    commands = flags.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common()
    add = {}  # {command: the function that gives it one more flag}
    for name, summary in COMMANDS.items():
        parents = [] if name in ("pairs", "check") else [common]
        command = commands.add_parser(name, help=summary, parents=parents)
        add[name] = command.add_argument

    # What reads files of users.
    for name in ("folder", "manifest", "videos", "audit"):
        add[name]("path", help="a directory, or the manifest")
        add[name]("--strict", action="store_true", help="bad files: an error")
        add[name]("--name", help="of the data set; else that of the path")
        add[name]("--fractions", nargs=3, type=float, help="(0.75 0.05 0.2)")
    # What finds classes in names of folders.
    for name in ("folder", "audit"):
        add[name]("--real", nargs="+", metavar="NAME", help="folders of real pictures")
        add[name]("--group", metavar="REGEX", help="its (…) in a name is the group")

    add["folder"]("--edits", nargs="+", metavar="SOURCE=DIR", help="edits of path's")
    add["folder"]("--masks", nargs="+", metavar="SOURCE=DIR", help="masks of edits")
    add["folder"]("--rename", nargs="+", metavar="SPLIT=NEW", help="or SPLIT= to draw")

    add["videos"]("--frames", type=int, help="of each clip (32)")
    add["videos"]("--detector", help="lbp (default), none, or module:function")
    add["videos"]("--margin", type=float, help="times the face (1.3)")
    add["videos"]("--layout", help="faceforensics, celebdf, dfd, clips; or recognised")
    # Of FaceForensics++ and DeepFakeDetection; SynthFaces' videos are like them.
    for name in ("videos", "synthfaces"):
        add[name]("--compression", help="of clips: c23 (default), or raw,c23,c40")

    add["synthfaces"]("--view", help="pairs, hybrid, …, or videos, unseen, unseen_dfd")
    add["synthfaces"](
        "--attribute",
        dest="attributes",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,…",
        help="edits: these properties, such as blond,bald,smile",
    )

    add["pairs"]("path", help="a prepared data set; what is found lies beside it")
    add["pairs"]("--side", type=int, help="of the pictures when compared (16)")
    add["pairs"]("--weights", help="of torchvision's vgg16: compare its features")
    add["pairs"]("--layer", help="whose features (relu4_3), averaged over places")

    add["check"]("path", help="a prepared data set")
    add["check"]("--workers", type=int, help="threads that decode (4)")
    return flags


def _common():
    """The flags of most commands."""
    common = ArgumentParser(add_help=False)
    common.add_argument("--out", metavar="DIR", help="prepared/ or audits/<name>")
    common.add_argument("--size", type=int, help="side of the pictures, in pixels")
    common.add_argument("--limit", type=int, help="so many pictures, clips or pairs")
    common.add_argument("--seed", type=int, help="of all that is drawn (0)")
    common.add_argument("--workers", type=int, help="processes (2)")
    return common
