"""How published video data sets lie on the disk, as listings of clips for `prepare`.

Every clip keeps its data set, manipulation, compression (where there are several) and
video as attributes: they make the key of video-level scores, see `data.records.video`.
"""

import itertools
import json
from pathlib import Path

from jaxforensics import settings
from jaxforensics.data import splits
from jaxforensics.data.items import Failure, Item, Listing
from jaxforensics.prepare import folders

# Of clips, in lower case.
SUFFIXES = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".wmv", ".flv"}
METHODS = "Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures"
# Celeb-DF's test list says nothing of validation: a twentieth of what it leaves.
CELEBDF_FRACTIONS = (0.95, 0.05, 0.0)
COMPRESSIONS = ("raw", "c23", "c40")  # of FaceForensics++ and DeepFakeDetection


def faceforensics(root, *, compression="c23"):
    """FaceForensics++ with its official splits (`splits/{train,val,test}.json`).

    original_sequences/youtube/<compression>/videos/A.mp4 and
    manipulated_sequences/<method>/<compression>/videos/A_B.mp4: A's clip with B's face.
    The splits list pairs {A, B}; a group is such a pair: both originals and everything
    made of the two.  (Five uploads occur in two official splits under two numbers, for
    instance 605 and 606; that is left as published.)  Fakes are paired with A's clip,
    and with their mask clip where there is one.  Of several compressions, "raw,c23",
    each has clips of its own; the group is the same in all.
    """
    root = Path(root)
    pairs = _official_pairs(root / "splits")
    items = []
    left_out = []
    for quality, method in _several(compression, ("", *METHODS)):
        originals, fakes = _sequences("youtube", method, quality)
        for path in _clips(root / (fakes or originals)):
            name = path.relative_to(root).as_posix()
            # Whose clip, and whose face: both must be of one official pair.
            numbers = path.stem.split("_")
            official = {pairs.get(number) for number in numbers}
            is_named_right = len(numbers) == (2 if method else 1)
            if not is_named_right or None in official or len(official) != 1:
                left_out.append(Failure(name, "in-no-official-split"))
                continue
            group, split = official.pop()
            item = Item(
                path=str(path),
                label=int(bool(method)),
                source=method.lower() or "real",
                group=group,
                split=split,
                attributes=_attributes("faceforensics", method, path.stem)
                | {"compression": quality},
                name=name,
            )
            if method:
                original = root / originals / f"{numbers[0]}.mp4"
                item = _beside(item, root, method, original)
            items.append(item)
    return Listing(_not_empty(items, root / "original_sequences/youtube"), left_out)


def dfd(root, *, compression="c23"):
    """DeepFakeDetection, as FaceForensics++ distributes it; all of it is a test.

    original_sequences/actors/<compression>/videos/A__SCENE.mp4 and
    manipulated_sequences/DeepFakeDetection/<compression>/videos/A_B__SCENE__LETTERS.mp4
    is A's clip of the scene with B's face.  A group is A's clip and all that was made
    of it.  Fakes are paired with it, and with their mask clip where there is one.
    """
    root = Path(root)
    items = []
    left_out = []
    for quality, method in _several(compression, ("", "DeepFakeDetection")):
        originals, fakes = _sequences("actors", method, quality)
        for path in _clips(root / (fakes or originals)):
            name = path.relative_to(root).as_posix()
            people, *scene = path.stem.split("__")
            if len(scene) != (2 if method else 1):
                left_out.append(Failure(name, "not-named-as-published"))
                continue
            original = f"{people.split('_')[0]}__{scene[0]}"
            item = Item(
                path=str(path),
                label=int(bool(method)),
                source=method.lower() or "real",
                group=f"dfd/{original}",
                split="test",
                attributes=_attributes("dfd", method, path.stem)
                | {"compression": quality},
                name=name,
            )
            if method:
                item = _beside(item, root, method, root / originals / f"{original}.mp4")
            items.append(item)
    return Listing(_not_empty(items, root / "original_sequences/actors"), left_out)


def celebdf(root):
    """Celeb-DF: the official test list, the rest for training and validation.

    Celeb-synthesis/A_B_N.mp4 is A's clip N with B's face, so its group is A_N, with the
    original Celeb-real/A_N.mp4.  The official list holds clips of which others of the
    same group are not in it: these are left out.  What remains shares people between
    training and test, as published; only its clips are apart.
    """
    root = Path(root)
    # Lines such as "1 YouTube-real/00170.mp4".
    lines = (root / "List_of_testing_videos.txt").read_text().splitlines()
    test = {line.split()[1]: int(line.split()[0]) for line in lines if line.strip()}
    items = []
    for folder in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        for path in _clips(root / folder):
            name = f"{folder}/{path.name}"
            is_fake = folder == "Celeb-synthesis"
            # The published list has 1 for real clips.
            if test.get(name, 1 - is_fake) != 1 - is_fake:
                raise ValueError(f"the test list and its folder disagree on {name}")
            item = Item(
                path=str(path),
                label=int(is_fake),
                source=("real", "celebdf")[is_fake],
                group=_celebdf_group(name, path.stem),
                split="test" * (name in test),
                attributes=_attributes("celebdf", "synthesis" * is_fake, path.stem),
                name=name,
            )
            items.append(item)
    tested = {item.group for item in items if item.split}
    kept = [item for item in items if item.split or item.group not in tested]
    left_out = [
        Failure(item.name, "clip-shared-with-test", item.group)
        for item in items
        if not item.split and item.group in tested
    ]
    kept = splits.assign(_not_empty(kept, root), fractions=CELEBDF_FRACTIONS)
    return Listing(kept, left_out)


def clips(root):
    """Plain folders: DIR/{real,fake}/… or DIR/<split>/<source>/…; a clip is a group."""
    listing = folders.class_folders(root)
    dataset = Path(root).resolve().name
    items = [
        item._replace(
            attributes=_attributes(dataset, item.source * item.label, item.name)
        )
        for item in listing.items
    ]
    return Listing(items, listing.left_out)


LAYOUTS = {
    "faceforensics": faceforensics,
    "celebdf": celebdf,
    "dfd": dfd,
    "clips": clips,
}


def find(root, *, layout=None, compression="c23"):
    """The listing of a directory by the name of its layout, or as recognised."""
    listing = settings.choose(LAYOUTS, layout or recognise(root), "layout")
    if listing in (faceforensics, dfd):
        return listing(root, compression=compression)
    return listing(root)


def compressions(names):
    """The compressions that a text such as "c23" or "raw,c23,c40" names, in order."""
    chosen = names.split(",")
    for name in chosen:
        settings.choose(dict.fromkeys(COMPRESSIONS), name, "compression")
    return [name for name in COMPRESSIONS if name in chosen]


def recognise(root):
    """The name of the layout that a directory has."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    sequences = ("original_sequences", "manipulated_sequences")
    if any((root / name).is_dir() for name in sequences):
        # Both may lie in one directory; then the larger one is meant.
        if (root / "original_sequences/actors").is_dir():
            if not (root / "original_sequences/youtube").is_dir():
                return "dfd"
        return "faceforensics"
    if (root / "List_of_testing_videos.txt").exists():
        return "celebdf"
    return "clips"


def _official_pairs(folder):
    """{number: (group, split)} from the published lists of pairs."""
    pairs = {}
    for name in ("train", "val", "test"):
        path = folder / f"{name}.json"
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing: copy dataset/splits of the FaceForensics "
                f"repository to {folder}"
            )
        for pair in json.loads(path.read_text()):
            # The same name in every compression: its clips are one group.
            group = "faceforensics/" + "-".join(sorted(pair))
            pairs |= {number: (group, splits.ALIASES[name]) for number in pair}
    return pairs


def _several(compression, methods):
    """(compression, method) of every folder of clips."""
    return itertools.product(compressions(compression), methods)


def _sequences(original, method, compression):
    """Folders of the originals, and of a method's fakes; the latter '' without one."""
    originals = f"original_sequences/{original}/{compression}/videos"
    if not method:
        return originals, ""
    return originals, f"manipulated_sequences/{method}/{compression}/videos"


def _beside(item, root, method, original):
    """The item of a fake with the clip that it was made from, and its mask clip."""
    masks = root / "manipulated_sequences" / method / "masks/videos"
    name = Path(item.path).name
    return item._replace(pair=_if_there(original), mask=_if_there(masks / name))


def _celebdf_group(name, stem):
    """A_N of A_B_N and A_N; clips of unnamed people are groups by themselves."""
    person, *others = stem.split("_")
    if not others:
        return name
    return f"{person}_{others[-1]}"


def _if_there(path):
    """The path as text; '' where there is no such file."""
    if path.exists():
        return str(path)
    return ""


def _clips(folder):
    paths = folder.rglob("*")
    return sorted(p for p in paths if p.suffix.lower() in SUFFIXES and p.is_file())


# With these names frames are of one video: see `data.records.video`.
def _attributes(dataset, manipulation, video):
    return {"dataset": dataset, "manipulation": manipulation, "video": video}


def _not_empty(items, where):
    if not items:
        raise FileNotFoundError(f"no clips in {where}")
    return items
