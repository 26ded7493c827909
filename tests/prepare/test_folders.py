import functools
import io
import json
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxforensics.data import records
from jaxforensics.data.items import Item
from jaxforensics.prepare import folders, writing
from jaxforensics.prepare.dataset import prepare
from jaxforensics.prepare.tfds import convert_example


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def test_class_folders_are_the_sources(tmp_path):
    touch(tmp_path, "real/a.png", "Fake/b.png", "Fake/deep/er/c.txt")
    listing = folders.class_folders(tmp_path)
    assert [(i.name, i.label, i.source, i.split) for i in listing.items] == [
        ("Fake/b.png", 1, "fake", ""),
        ("Fake/deep/er/c.txt", 1, "fake", ""),
        ("real/a.png", 0, "real", ""),
    ]
    assert listing.items[0].path == str(tmp_path / "Fake/b.png")
    assert listing.left_out == []


def test_split_folders_come_first(tmp_path):
    touch(tmp_path, "train/real/a", "val/original_ffhq/b", "test/pggan/c", "train/x/d")
    items = folders.class_folders(tmp_path).items
    assert {(i.split, i.source, i.label) for i in items} == {
        ("train", "real", 0),
        ("train", "x", 1),
        ("validation", "original_ffhq", 0),
        ("test", "pggan", 1),
    }


def test_kinds_of_reals_side_by_side_are_told_apart(tmp_path):
    """HFF's eight folders are eight classes, three of them real."""
    reals = "CelebA", "CelebA-HQ", "YouTube-Frame"
    fakes = "PGGAN", "StyleGAN", "StarGAN", "Face2Face", "NeuralTextures"
    touch(tmp_path, *(f"{folder}/{i}" for folder in (*reals, *fakes) for i in (1, 2)))
    items = folders.class_folders(tmp_path, real=reals).items
    assert Counter((item.source, item.label) for item in items) == {
        **{(f"real/{name.lower()}", 0): 2 for name in reals},
        **{(name.lower(), 1): 2 for name in fakes},
    }
    (one,) = {
        i.source
        for i in folders.class_folders(tmp_path, real=["YouTube*"]).items
        if not i.label
    }
    assert one == "youtube-frame"  # one kind alone is what others call "real"


def test_hidden_and_stray_files_are_listed(tmp_path):
    touch(tmp_path, "real/a", "real/.DS_Store", "fake/b", "README", ".git/config")
    left_out = folders.class_folders(tmp_path).left_out
    assert {(f.name, f.reason) for f in left_out} == {
        ("real/.DS_Store", "hidden"),
        ("README", "no-class"),
        (".git", "hidden"),
    }


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    touch(tmp_path / "elsewhere", "a", "b")
    touch(tmp_path / "set", "fake/c")
    (tmp_path / "set/real").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "elsewhere")
    items = folders.class_folders(tmp_path / "set").items
    assert Counter(item.source for item in items) == {"real": 2, "fake": 1}


def test_names_can_be_printed_whatever_bytes_they_hold(tmp_path):
    touch(tmp_path, "real/a", "fake/b")
    path = os.path.join(os.fsencode(tmp_path), b"real", b"\xff.png")
    with open(path, "wb"):
        pass
    items = folders.class_folders(tmp_path).items
    assert [item.name for item in items] == ["fake/b", "real/a", "real/\\udcff.png"]
    assert os.fsencode(items[2].path) == path


def test_a_link_to_a_folder_above_brings_no_other_class(tmp_path):
    touch(tmp_path, "set/real/a", "set/fake/b")
    (tmp_path / "set/real/up").symlink_to("..")
    items = folders.class_folders(tmp_path / "set").items
    assert [item.name for item in items] == ["fake/b", "real/a"]


def test_real_sources_may_be_named(tmp_path):
    touch(tmp_path, "celeba/a", "began/b", "ffhq-1/c")
    with pytest.raises(ValueError, match="none of began, celeba, ffhq-1 .* real="):
        folders.class_folders(tmp_path)
    items = folders.class_folders(tmp_path, real=("CelebA", "ffhq*")).items
    assert {i.source: i.label for i in items} == {
        "real/celeba": 0,
        "real/ffhq-1": 0,
        "began": 1,
    }
    assert {i.label for i in folders.class_folders(tmp_path, real=()).items} == {1}


def test_groups_are_cut_from_names(tmp_path):
    touch(tmp_path, "real/7_01.png", "real/7_02.png", "fake/7_8_01.png")
    items = folders.class_folders(tmp_path, group=r"/(\d+)_").items
    assert {item.group for item in items} == {"7"}
    with pytest.raises(ValueError, match="captures nothing in 'fake/7_8_01.png'"):
        folders.class_folders(tmp_path, group="(real)")
    with pytest.raises(ValueError, match=r"group pattern '\(': missing \)"):
        folders.class_folders(tmp_path, group="(")


@pytest.mark.parametrize(
    "names, message",
    [
        (["a.png"], "no class folders"),
        (["train/real/a", "real/b"], "mixes splits with real"),
        (["train/real/a", "valdation/real/b"], "did you mean 'validation'"),
        (["real/a", "fake/.hidden"], "fake is empty"),
    ],
)
def test_odd_layouts_are_explained(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        folders.class_folders(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        folders.class_folders(tmp_path / "nowhere")


def test_a_data_set_is_not_taken_for_folders(existing):
    with pytest.raises(ValueError, match="is a TFDS data set.*folders.tfds_dataset"):
        folders.class_folders(existing[0])


def test_edits_need_their_folder_and_another_name(tmp_path):
    touch(tmp_path, "orig/1.png")
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        folders.paired_folders(tmp_path / "orig", {"gan": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="call their source not 'real'"):
        folders.paired_folders(tmp_path / "orig", {"real": tmp_path / "orig"})


def test_pairs_are_found_by_stem(tmp_path):
    touch(tmp_path, "orig/1.png", "orig/2.png", "orig/x/3.png", "orig/1.jpg")
    touch(tmp_path, "glasses/1.jpg", "glasses/x/3.png", "glasses/9.png", "bald/1.png")
    listing = folders.paired_folders(
        tmp_path / "orig",
        {"glasses": tmp_path / "glasses", "bald": tmp_path / "bald"},
    )
    assert {(i.name, i.label, i.group, i.pair) for i in listing.items} == {
        ("glasses/1.jpg", 1, "1", str(tmp_path / "orig/1.jpg")),
        ("glasses/x/3.png", 1, "x/3", str(tmp_path / "orig/x/3.png")),
        ("bald/1.png", 1, "1", str(tmp_path / "orig/1.jpg")),
        ("real/1.jpg", 0, "1", ""),
        ("real/x/3.png", 0, "x/3", ""),
    }
    assert {(f.name, f.reason) for f in listing.left_out} == {
        ("real/1.png", "stem-twice"),
        ("real/2.png", "unpaired"),
        ("glasses/9.png", "unpaired"),
    }


def test_masks_are_found_by_stem(tmp_path):
    touch(tmp_path, "orig/1.png", "orig/2.png", "edit/1.png", "edit/2.png", "m/1.gif")
    listing = folders.paired_folders(
        tmp_path / "orig", {"edit": tmp_path / "edit"}, masks={"edit": tmp_path / "m"}
    )
    masks = {i.name: i.mask for i in listing.items if i.label}
    assert masks == {"edit/1.png": str(tmp_path / "m/1.gif")}
    assert ("edit/2.png", "no-mask", "2") in listing.left_out
    with pytest.raises(ValueError, match="masks of 'edits' .did you mean 'edit'"):
        folders.paired_folders(
            tmp_path / "orig", {"edit": tmp_path / "edit"}, masks={"edits": tmp_path}
        )


def test_nothing_paired_is_an_error(tmp_path):
    touch(tmp_path, "orig/1.png", "edit/2.png")
    with pytest.raises(ValueError, match="no stem of"):
        folders.paired_folders(tmp_path / "orig", {"edit": tmp_path / "edit"})


CSV = """\ufeffpath,label,source,group,split,mask,attributes.smile
a.png,real,,clip1,train,,yes
"b,c.png",1,BEGAN,clip2,val,m.png,
/abs/d.png,fake,,,,,no
"""


def test_a_csv_manifest(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(CSV, encoding="utf-8")
    first, second, third = folders.manifest(path).items
    assert first == Item(
        str(tmp_path / "a.png"),
        0,
        "real",
        "clip1",
        "train",
        attributes={"smile": "yes"},
        name="a.png",
    )
    assert second.path == str(tmp_path / "b,c.png")
    assert second[1:5] == (1, "began", "clip2", "validation")
    assert second.mask == str(tmp_path / "m.png")
    assert (third.path, third.source, third.split) == ("/abs/d.png", "fake", "")


def test_a_json_lines_manifest_says_the_same(tmp_path):
    rows = [
        {"path": "a.png", "label": 0, "attributes": {"age": 3}},
        {"path": "b.png", "label": "fake", "source": "x", "name": "B", "pair": "a.png"},
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)))
    first, second = folders.manifest(path).items
    assert first == Item(
        str(tmp_path / "a.png"), 0, "real", attributes={"age": 3}, name="a.png"
    )
    assert second == Item(
        str(tmp_path / "b.png"), 1, "x", pair=str(tmp_path / "a.png"), name="B"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,lable\na,1", "line 1: .*'lable'.*did you mean 'label'"),
        ("path,source\na,x", "line 2: no label"),
        ("path,label\n\n,1", "line 3: no path"),
        ("path,label\na,2", "line 2: label '2'; it is 0 or real"),
        ("path,label\na,reel", "did you mean 'real'"),
        ("path,label\na,1,z", "line 2: the header has 2 columns"),
        ("path,label\na", "line 2: the header has 2 columns"),
        ("path,label,split\na,1,trian", "line 2: split 'trian'.*mean 'train'"),
        ("path,label\na,1\na,0", "line 3: a is already on line 2"),
        ("path,label\na,1\nb/../a,0", "line 3: .*/a is already on line 2"),
        ("path,label,name\na,1,x\nb,0,x", "line 3: x is already on line 2"),
        ("path,label,path\na,1,b", "line 1: 2 columns are called 'path'"),
        ("path,label,source\na,1,Real", "line 2: a fake from the source 'real'"),
        ('path,label\n"a,1', "line 2: "),
        ("path,label\n", "lists no picture"),
        ("", "lists no picture"),
    ],
)
def test_a_wrong_csv_names_line_and_remedy(tmp_path, text, message):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        folders.manifest(path)


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"path": "a", "label": 1}\n{"path": ', "line 2: Expecting value"),
        ('[\n{"path": "a"}]', "line 1: Expecting .*expected a JSON object on every"),
        ("[1]", "line 1: expected an object"),
        ('{"path": "a", "label": 1, "grup": "x"}', "line 1: .*mean 'group'"),
        ('{"path": "a", "label": true}', "line 1: label True"),
        ('{"path": "a", "label": 1, "attributes": 3}', "line 1: attributes"),
    ],
)
def test_wrong_json_names_line_and_remedy(tmp_path, text, message):
    path = tmp_path / "list.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        folders.manifest(path)


def test_other_manifests_are_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"path,label\nstra\xdfe.png,1\n")
    with pytest.raises(ValueError, match="latin.csv is not UTF-8"):
        folders.manifest(tmp_path / "latin.csv")
    with pytest.raises(ValueError, match="a manifest is .csv or .jsonl"):
        folders.manifest(touch(tmp_path, "list.txt") / "list.txt")
    with pytest.raises(ValueError, match="a manifest is .csv or .jsonl"):
        folders.manifest(tmp_path)


@pytest.fixture(scope="module")
def existing(tmp_path_factory):
    """A TFDS data set of nine 8x8 pictures, and those by their group."""
    root, rng = tmp_path_factory.mktemp("tfds"), np.random.default_rng(0)
    items, pictures = [], {}
    for i in range(9):
        path = root / f"{i}.png"
        pictures[f"g{i}"] = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pictures[f"g{i}"]).save(path)
        split = "test" if i > 5 else "train"
        items.append(
            Item(str(path), i % 2, ("real", "gan")[i % 2], f"g{i}", split, name=str(i))
        )
    report = prepare(items, root, name="nine", workers=1, progress=False)
    return report.root, pictures


def read_back(listing, out):
    report = prepare(
        listing.items,
        out,
        name="copy",
        workers=1,
        convert=functools.partial(convert_example, image="image"),
        progress=False,
    )
    found = [*records.open(report.root, "train"), *records.open(report.root, "test")]
    return {r.group: (np.asarray(Image.open(io.BytesIO(r.image))), r) for r in found}


@pytest.mark.parametrize("by", ["directory", "name"])
def test_a_tfds_data_set_is_a_source(existing, tmp_path, by):
    root, pictures = existing
    name, folder = (root, None) if by == "directory" else ("nine", f"{root}/../..")
    listing = folders.tfds_dataset(name, data_dir=folder, label="source", group="group")
    found = read_back(listing, tmp_path)
    assert found.keys() == pictures.keys()
    for group, (pixels, record) in found.items():
        np.testing.assert_array_equal(pixels, pictures[group])
        assert record.label == int(group[1]) % 2
    assert len(records.open(tmp_path, "test")) == 3


def test_labels_of_tfds_data_sets(existing):
    root, _ = existing
    for label in ("label", "source"):
        items = folders.tfds_dataset(root, label=label).items
        assert sum(item.label for item in items) == 4
    for label in (0, 1):
        items = folders.tfds_dataset(root, label=label).items
        assert {item.label for item in items} == {label}
        assert {item.source for item in items} == {("real", "nine")[label]}
    with pytest.raises(ValueError, match="no feature 'lable'.*did you mean 'label'"):
        folders.tfds_dataset(root, label="lable")


def test_tfrecord_files_are_read_without_tensorflow(existing, tmp_path):
    """Framing: length, its CRC, data, the data's CRC (here zero: not checked)."""
    root, pictures = existing
    folder = tmp_path / "nine" / "1.0.0"
    folder.mkdir(parents=True)
    for source in Path(root).iterdir():
        if "array_record" not in source.name:
            text = source.read_bytes().replace(b"array_record", b"tfrecord")
            (folder / source.name).write_bytes(text)
            continue
        split = "test" if "-test" in source.name else "train"
        data = [writing.serialize(record) for record in records.open(root, split)]
        framed = [struct.pack("<QI", len(d), 0) + d + b"\0" * 4 for d in data]
        target = folder / source.name.replace("array_record", "tfrecord")
        target.write_bytes(b"".join(framed))
    assert tfds.builder_from_directory(folder).info.file_format.value == "tfrecord"
    listing = folders.tfds_dataset(folder, label="source", group="group")
    found = read_back(listing, tmp_path / "out")
    assert found.keys() == pictures.keys()
    for group, (pixels, _) in found.items():
        np.testing.assert_array_equal(pixels, pictures[group])
