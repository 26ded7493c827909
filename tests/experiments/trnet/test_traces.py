"""Traces of fakes, by hand, and what an attack leaves of them."""

import numpy as np
import pytest
import tiny_arena

from jaxforensics.experiments.common.arena import Results
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.trnet import settings, traces
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import correlation, noise_residual
from jaxforensics.ops.spectrum import log_spectrum
from jaxforensics.workspace import Workspace


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trnet")
    workspace = Workspace(folder / "run")
    arena = settings.arena(tiny_arena.settings(), tiny_arena.pairs(folder))
    jobs = list(arena.attack_jobs("Noise", 0))
    yield Results(in_turn(jobs, workspace), arena)
    workspace.close()


@pytest.fixture(scope="module")
def measured(results):
    selection = {"victims": (), "attacks": ("Noise",), "seeds": 1, "pictures": 8}
    return traces.measure(results, tiny_arena.settings(traces=selection))


def by_hand(train, source):
    """The mean residual of a source's training fakes."""
    number = train.sources.index(source)
    images = np.concatenate(
        [
            batch["image"][(batch["valid"] > 0) & (batch["source"] == number)]
            for batch in train.labelled(1).once()
        ]
    )
    return np.mean(noise_residual(to_gray(np.float32(images) / 255)), axis=0)


def test_originals_belong_to_their_fakes(results):
    real, fake = traces.originals(results.arena)
    assert len(real.image) == len(fake.image) == 3
    np.testing.assert_array_equal(real.source, fake.source)
    assert (real.image != fake.image).any((1, 2, 3)).all()
    sources = traces.by_source(results.arena, fake)
    assert {name: len(images) for name, images in sources.items()} == {
        "began": 2,
        "pggan": 1,
    }


def test_profiles_are_means_over_a_source(results, measured):
    _, fake = traces.originals(results.arena)
    for source, images in traces.by_source(results.arena, fake).items():
        pictures = np.float32(images) / 255
        spectrum = np.mean(log_spectrum(pictures), axis=0)
        np.testing.assert_allclose(measured.fakes.spectra[source], spectrum, atol=1e-4)
        residual = np.mean(noise_residual(to_gray(pictures)), axis=0)
        np.testing.assert_allclose(
            measured.fakes.residuals[source], residual, atol=1e-5
        )
        assert len(measured.fakes.power[source]) == len(images)
    assert measured.attention == {} and measured.features == {"Noise": {}}


def test_correlations_are_with_the_fingerprint_of_the_training_fakes(results, measured):
    real, fake = traces.originals(results.arena)
    assert [*measured.correlations] == ["began", "pggan"]
    for source, values in measured.correlations.items():
        fingerprint = by_hand(results.arena.data.train, source)
        for title, pictures in (("originals", real), ("fakes", fake)):
            images = traces.by_source(results.arena, pictures)[source]
            residuals = noise_residual(to_gray(np.float32(images) / 255))
            expected = correlation(fingerprint, residuals)
            np.testing.assert_allclose(values[title], expected, atol=1e-4)


def test_distances_are_means_over_sources_and_pictures(measured):
    (distances,) = measured.distances["Noise"]
    gaps = {
        title: [
            np.abs(profile.spectra[source] - measured.originals.spectra[source]).mean()
            for source in profile.spectra
        ]
        for title, profile in (
            ("fake", measured.fakes),
            ("attacked", measured.attacked["Noise"]),
        )
    }
    for title in ("fake", "attacked"):
        spectrum = distances[title]["spectrum"]
        assert spectrum == pytest.approx(np.mean(gaps[title]), rel=1e-5)
    similarities = [values["fakes"] for values in measured.correlations.values()]
    mean = np.concatenate(similarities).mean()
    assert distances["fake"]["correlation"] == pytest.approx(mean, abs=1e-5)


def test_nothing_is_measured_unasked(results):
    assert traces.measure(results, tiny_arena.settings()) is None
