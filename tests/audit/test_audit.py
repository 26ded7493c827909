import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from skimage.data import astronaut

from jaxforensics.audit import hashing, inventory, leaks, measure, page
from jaxforensics.audit.audit import audit
from jaxforensics.audit.findings import findings
from jaxforensics.ops.residuals import enlargement_residual
from jaxforensics.prepare import convert, folders
from jaxforensics.prepare.dataset import prepare

ABOUT = {"name": "a", "label": 0, "source": "real", "group": "a", "split": ""}


def smooth(seed, height=24, width=24):
    """A coloured picture that compresses like a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, kind="PNG", **how):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **how)
    return stream.getvalue()


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def examine(root, **how):
    return audit(root, **{"workers": 1, "progress": False} | how)


def told(report, severity=None):
    chosen = (f for f in report["findings"] if severity in (None, f["severity"]))
    return "\n".join(f["text"] for f in chosen)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_quality_is_the_encoders(mode):
    for quality in range(1, 101):
        data = encoded(np.asarray(Image.new(mode, (8, 8))), "JPEG", quality=quality)
        assert measure.measure(data, **ABOUT).quality == str(quality)


def test_other_tables_are_called_custom():
    tables = measure.standard_tables(80)
    tables[0, 5] += 1
    data = encoded(smooth(0), "JPEG", qtables=tables.tolist())
    assert measure.measure(data, **ABOUT).quality == "custom (~80)"


def test_measured_properties():
    pixels = smooth(1, 20, 30)
    data = encoded(pixels, "JPEG", quality=90, subsampling=1, progressive=True)
    found = measure.measure(data, **ABOUT)
    shown = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    features = dict(zip(measure.FEATURES, found.features, strict=True))
    assert (found.width, found.height, found.bytes) == (30, 20, len(data))
    assert (found.format, found.mode, found.sampling) == ("JPEG", "RGB", "4:2:2")
    assert features["progressive"] == 1 and features["aspect"] == 1.5
    np.testing.assert_allclose(features["mean green"], shown[..., 1].mean(), rtol=1e-5)
    np.testing.assert_allclose(
        features["deviation red"], shown[..., 0].std(), rtol=1e-5
    )
    np.testing.assert_allclose(features["mean right"], shown[:, -1].mean(), rtol=1e-5)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA"])
def test_modes_are_told_and_their_pixels_compared(mode):
    image = Image.fromarray(smooth(2)).convert(mode)
    data = encoded(np.asarray(image), "PNG") if mode == "L" else io.BytesIO()
    if mode != "L":
        image.save(data, "PNG")
        data = data.getvalue()
    found = measure.measure(data, **ABOUT)
    assert (found.mode, found.quality, found.sampling) == (mode, "", "")
    assert np.isfinite(found.features).all()


def test_equal_pixels_in_other_files_have_equal_hashes():
    pixels = smooth(3)
    kinds = [("PNG", {}), ("BMP", {}), ("PNG", {"compress_level": 0})]
    found = [measure.measure(encoded(pixels, k, **how), **ABOUT) for k, how in kinds]
    assert len({p.file_hash for p in found}) == 3
    assert len({p.pixel_hash for p in found}) == 1


def test_perceptual_hash_is_the_median_of_a_dct():
    image = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
    n = np.arange(32)
    basis = np.cos(np.pi * (2 * n[None] + 1) * n[:, None] / 64)
    for hashed, gray in zip(hashing.perceptual(image), image, strict=True):
        low = (basis @ gray.astype(float) @ basis.T)[:8, :8].ravel()
        bits = low > np.median(low)
        assert int(hashed) == sum(int(bit) << i for i, bit in enumerate(bits))


def test_perceptual_hash_survives_what_copies_suffer():
    pixels = astronaut()
    small = np.asarray(Image.fromarray(pixels).resize((128, 128)))
    worse = np.asarray(Image.open(io.BytesIO(encoded(small, "JPEG", quality=40))))
    other = np.asarray(Image.fromarray(pixels[::-1]))
    hashes = hashing.perceptual(
        np.stack([hashing.thumbnail(p) for p in (pixels, small, worse, other)])
    )
    distances = np.bitwise_count(hashes ^ hashes[0])
    assert distances[:3].max() <= 4 and distances[3] > 16


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 12), st.integers(0, 2**32), st.integers(2, 60))
def test_near_pairs_are_all_near_pairs(distance, seed, count):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, 6, np.uint64)
    flips = np.bitwise_or.reduce(
        np.uint64(1) << rng.integers(0, 64, (count, 6), np.uint64), axis=1
    )
    hashes = np.unique(rng.choice(base, count) ^ flips)
    found = hashing.near_pairs(hashes, distance=distance)
    expected = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]
    assert found.tolist() == [list(pair) for pair in expected]


def test_near_duplicates_need_likeness_besides_the_hash():
    one = hashing.thumbnail(smooth(4, 64, 64))
    noise = np.random.default_rng(0).integers(-70, 70, one.shape)
    rough = np.clip(one + noise, 0, 255).astype(np.uint8)
    flat = np.full_like(one, 60)
    stack = np.stack([one, rough, one, flat, flat + 1])
    assert [0, 2] in hashing.near_duplicates(stack).tolist()
    assert hashing.near_duplicates(stack, distance=64, likeness=0.999).tolist() == [
        [0, 2]
    ]
    assert hashing.near_duplicates(stack[3:]).shape == (0, 2)


def features_of(rng, count, **columns):
    features = rng.normal(size=(count, len(measure.FEATURES)))
    for name, values in columns.items():
        features[:, measure.FEATURES.index(name.replace("_", " "))] = values
    return features


def by_family(found, fakes="all fakes"):
    return {leak.family: leak for leak in found if leak.fakes == fakes}


def test_only_the_family_that_leaks_is_accused():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    features = features_of(rng, 300, bytes=labels + 0.1 * rng.normal(size=300))
    found = by_family(leaks.leaks(features, labels, labels, np.arange(300)))
    assert list(found) == [*measure.FAMILIES, "all together"]
    assert found["file size"].low > 0.98 and found["all together"].low > 0.98
    for family in set(measure.FAMILIES) - {"file size"}:
        assert 0.38 < found[family].auc < 0.62
        assert found[family].low < 0.55


def test_sources_are_judged_one_by_one():
    rng = np.random.default_rng(1)
    sources_of = np.repeat(["real", "good", "bad"], 100)
    labels = (sources_of != "real").astype(int)
    features = features_of(rng, 300, mean_red=5.0 * (sources_of == "bad"))
    found = leaks.leaks(features, labels, sources_of, np.arange(300))
    assert by_family(found, "bad")["mean colour"].auc > 0.99
    assert by_family(found, "good")["mean colour"].auc < 0.65


def test_groups_are_never_parted():
    """A feature that tells the group, hence the label, of seen groups only."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 10)
    labels = rng.permutation(np.arange(40) % 2)[groups]
    features = features_of(rng, 400, width=rng.normal(size=40)[groups])
    grouped = leaks.leaks(features, labels, labels, groups)
    single = leaks.leaks(features, labels, labels, np.arange(400))
    assert by_family(single)["dimensions"].auc > 0.9
    assert by_family(grouped)["dimensions"].low < 0.6


@pytest.mark.parametrize("size", [(40, 32), (33, 21), (3, 2)], ids=str)
def test_detail_is_what_an_enlargement_lacks(size):
    """As `enlargement_residual` has it, but for rounding to bytes in between."""
    pixels = np.random.default_rng(4).integers(0, 256, (*size, 3), np.uint8)
    soft = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)))
    found = []
    for picture in (pixels, soft):
        features = measure.measure(encoded(picture), **ABOUT).features
        found.append(features[measure.FEATURES.index("detail")])
        expected = np.abs(enlargement_residual(np.float32(picture))).mean()
        assert abs(found[-1] - expected) < 0.6
    assert found[1] < found[0]


@pytest.mark.parametrize("labels", [[0] * 8, [0] * 7 + [1], [1] * 8])
def test_too_few_groups_are_not_judged(labels):
    features = features_of(np.random.default_rng(3), 8)
    assert leaks.leaks(features, labels, labels, np.arange(8)) == []


@pytest.fixture(scope="module")
def suspicious(tmp_path_factory):
    """Reals at JPEG quality 95, fakes at 50; copies across classes and splits."""
    root = tmp_path_factory.mktemp("audit") / "faces"
    for i in range(48):
        fake, split = i % 2, "train" if i % 3 else "test"
        folder = root / split / ("gan" if fake else "real")
        data = encoded(smooth(i), "JPEG", quality=50 if fake else 95)
        save(folder / f"id{i // 6}_{i}.jpg", data)
    copied = (root / "test" / "real" / "id0_0.jpg").read_bytes()
    save(root / "train" / "gan" / "id9_copy.jpg", copied)
    shown = np.asarray(Image.open(io.BytesIO(copied)))
    save(root / "train" / "real" / "id9_same.png", encoded(shown))
    larger = Image.fromarray(smooth(8)).resize((32, 32))
    save(root / "test" / "real" / "id9_near.png", encoded(np.asarray(larger)))
    save(root / "train" / "real" / "id9_bad.jpg", copied[:200])
    save(root / "train" / "real" / "id9_empty.jpg", b"")
    return root


@pytest.fixture(scope="module")
def examined(suspicious):
    return examine(suspicious)


def by_family_of(report):
    return {leak["family"]: leak["auc"] for leak in report["leaks"]}


def test_counts_are_those_of_the_folder(examined):
    report = examined.report
    assert report["pictures"] == 51 == sum(r["pictures"] for r in report["counts"])
    assert report["reasons"] == {"truncated": 1, "empty": 1}
    qualities = {
        row["value"]: (row["real"], row["gan"])
        for row in report["properties"]
        if row["property"] == "JPEG quality"
    }
    assert qualities == {"95": (24, 1), "50": (0, 24), "–": (2, 0)}
    sizes = {r["value"]: r for r in report["properties"] if r["property"] == "size"}
    assert sizes["32×32"]["real"] == 1 and sizes["24×24"]["gan"] == 25


def test_duplicates_are_found_by_kind(examined):
    found = examined.report["duplicates"]
    (same,) = found["same file"]
    assert same["names"] == ["test/real/id0_0.jpg", "train/gan/id9_copy.jpg"]
    (pixels,) = found["same pixels"]
    assert pixels["names"] == [*same["names"], "train/real/id9_same.png"]
    assert pixels["splits"] == ["test", "train"] and pixels["labels"] == [0, 1]
    assert ["test/real/id9_near.png", "train/real/id1_8.jpg"] in [
        sorted(cluster["names"]) for cluster in found["near"]
    ]
    assert examined.report["copies"] == 2


def test_findings_say_what_is_wrong(examined):
    report = examined.report
    assert "2 files left out: 1 empty, 1 truncated." in told(report, "warning")
    assert re.search(
        r"Compression alone separates all fakes from real, AUC (0\.9\d|1\.00): a "
        "detector may learn compression, not forgery",
        told(report, "warning"),
    )
    assert "1 times the same file is labelled both real and fake" in told(
        report, "error"
    )
    assert "in different splits" in told(report, "error")
    assert "in different splits" in told(report, "warning")
    severities = [finding["severity"] for finding in report["findings"]]
    assert severities == sorted(severities, key=("error", "warning", "note").index)


def test_a_contradiction_is_shown_by_one_picture_of_each_label(tmp_path):
    for kind in ("real", "gan"):
        for i in range(3):
            save(tmp_path / kind / f"{i}.png", encoded(smooth(0)))
    text = told(examine(tmp_path).report, "error")
    assert "both real and fake, such as gan/0.png and real/0.png" in text


def test_groups_across_splits_are_named(suspicious):
    report = examine(suspicious, group=r"(id\d+)_").report
    assert {row["group"] for row in report["overlap"]} == {
        f"id{i}" for i in range(10)
    } - {"id8"}
    assert "9 groups (videos, identities) are in more than one split" in told(report)


def test_an_even_data_set_gets_no_warning(tmp_path):
    for i in range(60):
        kind = "fake" if i % 2 else "real"
        save(tmp_path / kind / f"{i}.png", encoded(smooth(100 + i)))
    report = examine(tmp_path).report
    assert not told(report, "warning") and not told(report, "error")


def test_one_class_is_an_error(tmp_path):
    for i in range(3):
        save(tmp_path / "real" / f"{i}.png", encoded(smooth(i)))
    report = examine(tmp_path).report
    assert "only real" in told(report, "error") and report["leaks"] == []


def test_workers_and_repetition_change_nothing(suspicious, examined):
    again = examine(suspicious, workers=2)
    assert json.dumps(again.report) == json.dumps(examined.report)


def test_limit_is_a_draw_by_seed(suspicious):
    some, same, other = (examine(suspicious, limit=12, seed=s) for s in (1, 1, 2))
    assert some.report == same.report != other.report
    assert some.report["pictures"] + len(some.report["failures"]) == 12


def test_with_a_size_the_leak_of_formats_is_gone(suspicious):
    report = examine(suspicious, size=16).report
    formats = [r["value"] for r in report["properties"] if r["property"] == "format"]
    assert formats == ["PNG"]
    assert by_family_of(report)["compression"] == 0.5


def test_strict_names_the_bad_file(suspicious):
    with pytest.raises(ValueError, match=r"1 empty, 1 truncated.*id9_"):
        examine(suspicious, strict=True)


def test_nothing_to_examine_is_one_clear_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        examine(tmp_path / "missing")
    save(tmp_path / "real" / "a.png", b"junk")
    with pytest.raises(ValueError, match="1 not-an-image"):
        examine(tmp_path)


@pytest.mark.parametrize("settings", [{"limit": 0}, {"limit": -1}, {"seed": -1}])
def test_settings_out_of_range_are_named(suspicious, settings):
    (name,) = settings
    with pytest.raises(
        ValueError, match=f"{name} is at least [01], not {settings[name]}"
    ):
        examine(suspicious, **settings)


def test_files_too_large_for_a_picture_are_not_read(tmp_path):
    save(tmp_path / "real" / "a.png", encoded(smooth(0)))
    with (tmp_path / "real" / "disk.png").open("wb") as file:
        file.truncate(convert.MAX_BYTES + 1)
    assert examine(tmp_path).report["reasons"] == {"too-large": 1}


def test_a_prepared_data_set_is_examined_too(suspicious, examined, tmp_path):
    listing = folders.class_folders(suspicious)
    prepare(listing.items, tmp_path, name="faces", workers=1, progress=False)
    report = examine(tmp_path / "faces").report
    assert report["pictures"] == examined.report["pictures"]
    assert report["counts"] == examined.report["counts"]
    assert report["properties"] == examined.report["properties"]
    assert "Compression alone separates" in told(report)


def test_text_and_page_carry_every_finding(examined, tmp_path):
    path = page.write(examined, tmp_path / "out")
    text, html = page.text(examined.report), path.read_text()
    for finding in examined.report["findings"]:
        words = finding["text"].split()
        assert words[:3] == text[text.index(" ".join(words[:3])) :].split()[:3]
        assert " ".join(words[:3]) in html
    assert json.loads((tmp_path / "out" / "audit.json").read_text()) == examined.report
    assert html.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=.?https?:", html)


def test_findings_follow_from_the_report_alone(examined):
    stored = json.loads(json.dumps(examined.report))
    assert [f._asdict() for f in findings(stored)] == examined.report["findings"]


def test_fold_groups_join_duplicates():
    pictures = [
        measure.measure(encoded(smooth(i)), **ABOUT | {"group": group})
        for i, group in enumerate("aabcd")
    ]
    numbers = inventory.fold_groups(pictures, np.array([[2, 3]]))
    assert numbers[0] == numbers[1] and numbers[2] == numbers[3]
    assert len(set(numbers.tolist())) == 3


def test_real_faces_of_began_are_told_by_their_files(real_images):
    report = examine(real_images / "uniform_faces", limit=500).report
    assert "File size alone separates began from real" in told(report, "warning")
    assert {row["value"] for row in report["properties"][:1]} == {"128×128"}
    assert "Compression alone" not in told(report)
