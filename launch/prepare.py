"""Turn pictures and videos into records, and look for what they give away.

A command that was stopped goes on where it was, when it is run again.  Examples:
  python launch/prepare.py folder DIR --size 128   # DIR/{real,fake}/…, DIR/test/real/…
  python launch/prepare.py folder ORIGINALS --edits attgan=DIR --masks attgan=DIR2
  python launch/prepare.py videos DIR --frames 20  # FaceForensics++, Celeb-DF, clips
  python launch/prepare.py audit DIR               # pictures, or what was prepared
  python launch/prepare.py synthfaces --view=pairs --size=64   # the embedded set
"""

import sys
from argparse import ArgumentParser, RawTextHelpFormatter
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not installed? also fine

KINDS = {
    "folder": "class folders, or originals and edits",
    "manifest": "a CSV or JSON-lines file with columns path, label, …",
    "videos": "faces from evenly spaced frames of clips",
    "audit": "counts, duplicates, overlaps, labels that leak",
    "synthfaces": "faces drawn, photographed and forged by this code; synthetic",
}
HOMES = {kind: "prepare" for kind in ("folder", "manifest", "videos")}
HOMES |= {"audit": "audit", "pairs": "pairs", "synthfaces": "data_sets"}


def parser():
    """The flags; what they mean is told by `--help` of each command."""
    common = ArgumentParser(add_help=False)
    common.add_argument("--out", metavar="DIR", help="prepared/ or audits/<name>")
    common.add_argument("--size", type=int, help="side of the pictures, in pixels")
    common.add_argument("--limit", type=int, help="so many pictures, clips or pairs")
    common.add_argument("--seed", type=int, help="of all that is drawn (0)")
    common.add_argument("--workers", type=int, help="processes (2)")
    flags = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    kinds = flags.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parts = {k: kinds.add_parser(k, help=KINDS[k], parents=[common]) for k in KINDS}
    add = {name: part.add_argument for name, part in parts.items()}
    add["synthfaces"]("--view", help="pairs, hybrid, generators, edits or videos")
    for name in KINDS.keys() - {"synthfaces"}:
        add[name]("path", help="a directory, or the manifest")
        add[name]("--strict", action="store_true", help="bad files: an error")
        add[name]("--name", help="of the data set; else that of the path")
        add[name]("--fractions", nargs=3, type=float, help="(0.75 0.05 0.2)")
    for name in ("folder", "audit"):
        add[name]("--real", nargs="+", metavar="NAME", help="folders of real pictures")
        add[name]("--group", metavar="REGEX", help="its (…) in a name is the group")
    add["folder"]("--edits", nargs="+", metavar="SOURCE=DIR", help="edits of path's")
    add["folder"]("--masks", nargs="+", metavar="SOURCE=DIR", help="masks of edits")
    add["folder"]("--rename", nargs="+", metavar="SPLIT=NEW", help="or SPLIT= to draw")
    add["videos"]("--frames", type=int, help="of each clip (32)")
    add["videos"]("--detector", help="lbp (default), none, or module:function")
    add["videos"]("--margin", type=float, help="times the face (1.3)")
    add["videos"]("--layout", help="faceforensics, celebdf or clips; else recognised")
    add["videos"]("--compression", help="FaceForensics++: raw, c23 (default), c40")
    pairs = kinds.add_parser("pairs", help="the nearest real for fakes without a pair")
    pairs.add_argument("path", help="a prepared data set; what is found lies beside it")
    pairs.add_argument("--side", type=int, help="of the pictures when compared (16)")
    pairs.add_argument("--weights", help="of torchvision's vgg16: compare its features")
    pairs.add_argument("--layer", help="whose features (relu4_3), averaged over places")
    return flags


def main():
    """Parse, call, print; what the user can put right is told in one line."""
    flags = {k: v for k, v in vars(parser().parse_args()).items() if v is not None}
    kind = flags.pop("command")
    try:  # imports are slow: Ctrl-C may meet them
        print(import_module(f"jaxforensics.commands.{HOMES[kind]}").run(kind, flags))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here (an audit starts anew)")
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
