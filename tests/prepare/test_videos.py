import functools
import importlib
import io
import json
import pickle
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from jaxforensics.data import splits
from jaxforensics.data.records import open as open_records
from jaxforensics.prepare import faces, layouts, videos
from jaxforensics.prepare.dataset import Item, prepare

HEIGHT, WIDTH, BITS = 48, 96, 6
CLIP = "original_sequences/youtube/c23/videos/519.mp4"
FAKE = "manipulated_sequences/Deepfakes/c23/videos/519_515.mp4"


def numbered(number):
    """A frame that shows its number as black and white columns."""
    frame = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            frame[:, bit * 16 : (bit + 1) * 16] = 220
    return frame


def number_of(frame):
    columns = frame[frame.shape[0] // 2, 8::16].mean(axis=-1) > 125
    return int(sum(int(on) << bit for bit, on in enumerate(columns)))


def encode(path, frames, *, codec="libx264", times=None, rotation=0, **options):
    """A clip of the frames, with B-frames and a key frame every 12, its index first."""
    front = {"movflags": "faststart"} if str(path).endswith("mp4") else {}
    with av.open(str(path), "w", options=front) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.max_b_frames = 3
        if rotation:
            stream.set_display_rotation(rotation)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = times[i] if times else i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def item(path, **about):
    return Item(str(path), **{"label": 1, "source": "gan", "name": "clip"} | about)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


convert_whole = functools.partial(videos.convert_clip, detector="none")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "60.mp4"
    return encode(path, [numbered(i) for i in range(60)])


@pytest.mark.parametrize("total", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("count", [1, 3, 7, 32])
def test_spread_covers_the_clip_evenly(total, count):
    found = videos.spread(total, count)
    assert len(set(found)) == len(found) == min(total, count)
    assert all(0 <= i < total for i in found)
    if total > count > 1:
        gaps = np.diff(found)
        assert gaps.max() - gaps.min() <= 1
        assert abs(found[0] - (total - 1 - found[-1])) <= 1


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("b-frames.mp4", {}),
        ("no-frame-count.mkv", {}),
        ("no-times.h264", {}),
        ("b-frames-in.avi", {}),
        ("broadcast.ts", {}),
        ("programme.mpg", {"codec": "mpeg2video"}),
        ("variable-rate.mp4", {"times": [i * i // 7 + i for i in range(60)]}),
        ("open-groups.mp4", {"x264-params": "open-gop=1:keyint=20:bframes=5"}),
        ("hidden-frames.webm", {"codec": "libvpx", "auto-alt-ref": "1"}),
    ],
)
@pytest.mark.parametrize("count", [1, 4, 60])
def test_exactly_the_frames_asked_for(tmp_path, name, settings, count):
    path = encode(tmp_path / name, [numbered(i) for i in range(60)], **settings)
    wanted = videos.spread(len(videos.timeline(path)[0]), count).tolist()
    found = [number_of(frame) for _, frame in videos.read(path, wanted)]
    assert found == wanted and len(found) == count


def test_seconds_are_those_of_the_container(tmp_path):
    path = encode(tmp_path / "a.mp4", [numbered(i) for i in range(3)], times=[0, 5, 50])
    assert [seconds for seconds, _ in videos.read(path, [0, 1, 2])] == [0, 0.2, 2]


def test_frames_beyond_the_end_are_none(clip):
    last, beyond = videos.read(clip, [59, 60])
    assert number_of(last[1]) == 59 and beyond is None


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_frames_are_upright(tmp_path, rotation):
    path = encode(tmp_path / "a.mp4", [numbered(5)] * 3, rotation=rotation)
    _, frame = next(videos.read(path, [1]))
    expected = np.rot90(numbered(5), rotation // 90)  # counter-clockwise, as FFmpeg's
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 12


def test_seeking_gives_the_pixels_of_decoding_from_the_start(real_images):
    """The clip is 4:4:4 of an old x264: read without its first packet it is garbage."""
    path = str(real_images / "faceforensics" / CLIP)
    wanted = [10, 300, 301, 520]
    with av.open(path) as container:
        frames = dict(zip(range(521), container.decode(video=0), strict=False))
        expected = [frames[i].to_ndarray(format="rgb24") for i in wanted]
    for (_, frame), other in zip(videos.read(path, wanted), expected, strict=True):
        np.testing.assert_array_equal(frame, other)


def test_faces_in_all_frames_of_the_real_clip(real_images):
    root = real_images / "faceforensics"
    original = item(root / CLIP, label=0, source="real")
    found, failures = videos.convert_clip(original, size=64, frames=13)
    assert len(found) == 13 and not failures
    boxes = np.array([json.loads(record.attributes)["box"] for record in found])
    assert np.ptp(boxes, axis=0).max() < 60  # one speaker, hardly moving
    assert all(pixels(record.image).shape == (64, 64, 3) for record in found)


def broken(tmp_path, clip, kind):
    data = Path(clip).read_bytes()
    path = tmp_path / f"{kind}.mp4"
    if kind == "sound":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    elif kind != "missing":
        contents = {
            "empty": b"",
            "junk": np.random.default_rng(0).bytes(5000),
            "header": data[:300],
            "truncated": data[: len(data) * 2 // 3],
            "text": b"not a clip\n" * 100,
        }
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "unreadable"),
        ("empty", "unreadable"),
        ("junk", "unreadable"),
        ("text", "unreadable"),
        ("header", "no-video"),
        ("sound", "no-video"),
        ("truncated", "truncated"),
    ],
)
def test_a_broken_clip_is_one_failure(tmp_path, clip, kind, reason):
    path = broken(tmp_path, clip, kind)
    found, failures = convert_whole(item(path), size=16)
    assert not found
    assert [(f.name, f.reason) for f in failures] == [("clip", reason)]


def test_a_clip_without_frames_is_one_failure(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(videos, "timeline", lambda path: ([], []))
    assert convert_whole(item(clip), size=16)[1][0].reason == "no-frames"


def test_damage_costs_frames_that_are_counted(tmp_path, clip):
    data = bytearray(Path(clip).read_bytes())
    start = data.index(b"mdat")
    middle = (start + len(data)) // 2
    for place in np.random.default_rng(1).integers(middle, len(data), 12):
        data[place] ^= 255
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    found, failures = convert_whole(item(path), size=None, frames=60)
    assert len(found) + len(failures) == 60
    assert {failure.reason for failure in failures} == {"damaged-frame"}
    early = [r for r in found if json.loads(r.attributes)["frame"] < 12]
    assert len(early) == 12  # before the damage nothing is lost


def test_a_record_tells_where_it_comes_from(clip):
    about = item(clip, group="g", attributes={"video": "60"})
    found, failures = convert_whole(about, size=16, frames=3)
    assert not failures
    assert [record.name for record in found] == [
        "clip#000010",
        "clip#000030",
        "clip#000050",
    ]
    assert all((record.label, record.group) == (1, "g") for record in found)
    assert json.loads(found[1].attributes) == {
        "box": [24, 0, 48],
        "frame": 30,
        "seconds": 1.2,
        "video": "60",
    }


def find_in_even_frames(image):
    """Two 'faces', the larger one second, in frames with an even number."""
    return [[0, 10, 10, 10], [60, 8, 20, 20]] if number_of(image) % 2 == 0 else []


def test_frames_without_a_face_are_counted(clip):
    found, failures = videos.convert_clip(
        item(clip), size=None, frames=60, detector=find_in_even_frames
    )
    assert len(found) == len(failures) == 30
    assert failures[0] == ("clip#000001", "no-face", "")
    assert {pixels(record.image).shape for record in found} == {(26, 26, 3)}


def test_pair_and_mask_are_cut_at_the_same_place(tmp_path, clip):
    original = encode(tmp_path / "real.mp4", [255 - numbered(i) for i in range(60)])
    ramp = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ramp[:, 60:] = 255
    mask = encode(tmp_path / "mask.mp4", [ramp] * 60)
    about = item(clip, pair=original, mask=mask)
    found, failures = videos.convert_clip(
        about, size=None, frames=7, detector=find_in_even_frames
    )
    assert len(found) == 4 and len(failures) == 3
    for record in found:
        image, pair = pixels(record.image).astype(int), pixels(record.pair)
        assert np.abs(image + pair - 255).mean() < 15
        gray = pixels(record.mask)
        assert gray.shape == image.shape[:2]
        assert gray[:, :2].max() < 60 and gray[:, 5:].min() > 200


def test_frames_without_their_pair_are_counted(tmp_path, clip):
    short = encode(tmp_path / "short.mp4", [numbered(i) for i in range(30)])
    found, failures = convert_whole(item(clip, pair=short), size=16, frames=4)
    assert len(found) == 2
    assert [failure.reason for failure in failures] == ["no-companion"] * 2


def test_settings_reach_workers():
    settings = pickle.loads(pickle.dumps(functools.partial(convert_whole, frames=2)))
    assert settings.keywords == {"detector": "none", "frames": 2}


def test_without_pyav_the_message_says_what_to_install(monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "jaxforensics.prepare.videos")
    module = importlib.import_module("jaxforensics.prepare.videos")
    for use in (module.pyav, lambda: module.timeline(clip)):
        with pytest.raises(ImportError, match=r"jaxforensics\[video\]"):
            use()
    with pytest.raises(ImportError, match=r"jaxforensics\[video\]"):
        module.convert_clip(item(clip), size=16, frames=1, detector="none")


def test_clips_become_a_data_set(tmp_path, clip):
    for source in ("real", "gan"):
        folder = tmp_path / "clips" / "train" / source
        folder.mkdir(parents=True)
        for name in ("a.mp4", "b.mp4"):
            (folder / name).write_bytes(Path(clip).read_bytes())
        (folder / "bad.mp4").write_bytes(b"")
    listing = layouts.find(tmp_path / "clips")
    settings = {"name": "tiny", "workers": 1, "progress": False}
    convert = functools.partial(convert_whole, frames=4)
    report = prepare(
        listing.items, tmp_path / "out", size=16, convert=convert, **settings
    )
    assert report.records == 16 and report.reasons == {"unreadable": 2}
    found = open_records(report.root, "train")
    keys = {
        tuple(json.loads(r.attributes)[k] for k in ("dataset", "manipulation", "video"))
        for r in found
    }
    assert len(keys) == len({record.group for record in found}) == 4
    assert ("clips", "gan", "train/gan/a.mp4") in keys


def faceforensics(root, numbers, fakes, lists):
    """The published layout with empty files."""
    videos_of = "{}/c23/videos/{}.mp4"
    names = [videos_of.format("original_sequences/youtube", n) for n in numbers]
    names += [videos_of.format(f"manipulated_sequences/{m}", n) for m, n in fakes]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "splits").mkdir(exist_ok=True)
    for split, pairs in lists.items():
        (root / "splits" / f"{split}.json").write_text(json.dumps(pairs))
    return root


def test_faceforensics_pairs_are_groups(tmp_path):
    lists = {"train": [["001", "870"]], "val": [["002", "006"]], "test": []}
    fakes = [("Deepfakes", "001_870"), ("FaceSwap", "870_001"), ("FaceSwap", "001_002")]
    root = faceforensics(tmp_path, ["001", "870", "002", "777"], fakes, lists)
    listing = layouts.find(root)
    known = {i.name.split("/", 1)[1]: i for i in listing.items}
    assert len(known) == 5
    assert {f.name.rsplit("/")[-1]: f.reason for f in listing.left_out} == {
        "777.mp4": "in-no-official-split",
        "001_002.mp4": "in-no-official-split",  # parts are of different splits
    }
    fake = known["Deepfakes/c23/videos/001_870.mp4"]
    real = known["youtube/c23/videos/870.mp4"]
    assert (fake.label, fake.source, fake.split) == (1, "deepfakes", "train")
    assert (real.label, real.source, real.split) == (0, "real", "train")
    assert fake.group == real.group != known["youtube/c23/videos/002.mp4"].group
    assert fake.pair == str(root / "original_sequences/youtube/c23/videos/001.mp4")
    assert fake.attributes == {
        "compression": "c23",
        "dataset": "faceforensics",
        "manipulation": "Deepfakes",
        "video": "001_870",
    }
    assert known["youtube/c23/videos/002.mp4"].split == "validation"


def test_faceforensics_official_splits_are_disjoint(tmp_path, real_images):
    lists = {
        name: json.loads(
            (real_images / f"faceforensics/splits/{name}.json").read_text()
        )
        for name in ("train", "val", "test")
    }
    pairs = [pair for split in lists.values() for pair in split]
    fakes = [
        ("NeuralTextures", "_".join(p)) for a, b in pairs for p in ((a, b), (b, a))
    ]
    numbers = [number for pair in pairs for number in pair]
    listing = layouts.faceforensics(faceforensics(tmp_path, numbers, fakes, lists))
    splits.check(listing.items)
    assert not listing.left_out and len(listing.items) == 2000
    counts = [
        sum(i.split == name and i.label == 0 for i in listing.items)
        for name in splits.NAMES
    ]
    assert counts == [720, 140, 140]


def test_faceforensics_without_its_splits_says_what_to_do(tmp_path):
    root = faceforensics(tmp_path, ["001"], [], {})
    with pytest.raises(FileNotFoundError, match="copy dataset/splits"):
        layouts.find(root)


def test_celebdf_test_list_is_kept_and_training_is_apart(tmp_path, real_images):
    listed = (real_images / "celebdf/List_of_testing_videos.txt").read_text()
    names = [line.split()[1] for line in listed.splitlines()]
    shared = "Celeb-real/id0_0000.mp4"  # the test list has fakes made of it
    assert shared not in names and any("/id0_id" in n and "0000" in n for n in names)
    others = ["Celeb-real/id61_0009.mp4", "Celeb-synthesis/id61_id60_0009.mp4"]
    for name in [*names, shared, *others]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "List_of_testing_videos.txt").write_text(listed)
    listing = layouts.find(tmp_path)
    splits.check(listing.items)
    test = [i for i in listing.items if i.split == "test"]
    assert {i.name for i in test} == set(names) and len(test) == 518
    assert sum(i.label == 0 for i in test) == 178
    assert [f.name for f in listing.left_out] == [shared]
    (real, fake) = (next(i for i in listing.items if i.name == n) for n in others)
    assert real.group == fake.group and real.split == fake.split != "test"
    assert (fake.label, fake.source, real.source) == (1, "celebdf", "real")


def test_celebdf_with_a_label_that_contradicts_its_folder(tmp_path):
    (tmp_path / "Celeb-real").mkdir()
    (tmp_path / "Celeb-real" / "id0_0000.mp4").touch()
    (tmp_path / "List_of_testing_videos.txt").write_text("0 Celeb-real/id0_0000.mp4\n")
    with pytest.raises(ValueError, match="id0_0000"):
        layouts.find(tmp_path)


def test_an_unknown_layout_is_named(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'celebdf'"):
        layouts.find(tmp_path, layout="celeb-df")


def test_the_default_detector_is_the_cascade(clip, monkeypatch):
    monkeypatch.setitem(faces.DETECTORS, "lbp", lambda image: [[0, 0, 8, 8]])
    found, _ = videos.convert_clip(item(clip), size=None, frames=1)
    assert pixels(found[0].image).shape == (10, 10, 3)
