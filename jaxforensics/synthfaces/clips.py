"""Clips of faces in motion and forgeries of them, as real H.264 files.

Head, expression and light sway smoothly, as sums of sinusoids; the camera stays, its
noise is new in every frame.  Clips come in pairs of people of one split: either gets
the other's face or expression, frame by frame.  `write` lays the files down as
FaceForensics++ does, `write_unseen` as Celeb-DF, `write_acted` as DeepFakeDetection, so
that `prepare.layouts` reads them as the real sets.  Needs PyAV.
"""

import functools
import hashlib
import itertools
import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.files import replacing
from jaxforensics.progress import bar
from jaxforensics.synthfaces import cameras, codec, photos
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, neural, whole_faces
from jaxforensics.workers import each

# Part of a folder's identity, with the weights: see `revision`.
REVISION = 2  # of the pictures: folders of another revision are refused
MANIPULATIONS = {  # as FaceForensics++ calls them, and what does it here
    "Deepfakes": "swap_neural",
    "Face2Face": "reenact_graphic",
    "FaceSwap": "swap_graphic",
    "NeuralTextures": "reenact_neural",
}
UNSEEN = "swap_feathered"  # of the set in Celeb-DF's place
ACTED = "swap_coarse"  # of the set in DeepFakeDetection's
ENCODERS = {  # by the folder of the clip
    "raw": codec.LOSSLESS,
    "c23": codec.lossy(23),
    "c40": codec.lossy(40),
    "masks": codec.LOSSLESS,
}
COMPRESSIONS = ("raw", "c23", "c40")
SPLITS = {"train": "train", "validation": "val", "test": "test"}  # and their files
# The split of pair i is that of i % 10: three pairs are enough for all splits.
TENTH = "train validation test train train test train train train train".split()
# Added to a set's seed: people of no picture, others in every set.
FILMED, STRANGERS, ACTORS = 60_000, 80_000, 100_000

# How far a scene sways about what was drawn, and how often a second at most.
_POSE = scenes.Pose(
    yaw=0.12, pitch=0.06, roll=0.04, row=0.012, column=0.012, scale=0.008
)
_EXPRESSION = scenes.Expression(
    smile=0.35, mouth_open=0.5, brow_raise=0.5, gaze_x=0.4, gaze_y=0.15, lids=0.1
)
_LIGHT = 0.12  # of the direction, a unit vector
_LAMP = 0.06  # of the lamp's brightness, relative
_POSE_RATE, _EXPRESSION_RATE, _LIGHT_RATE = 0.4, 1.0, 0.3
_SIGNED = ("brow_raise", "gaze_x", "gaze_y")  # from -1; other expressions from 0


class Pair(NamedTuple):
    """Two people of one split, each forged with the help of the other."""

    first: int
    second: int
    split: str


class Film(NamedTuple):
    """The frames of a pair on the host: those of the first, then of the second."""

    pictures: np.ndarray
    scenes: scenes.Scene
    landmarks: np.ndarray


class Job(NamedTuple):
    """What the files of one pair are made from, in any process."""

    folder: Path
    layout: str  # one of PLACES
    pair: Pair
    forgers: dict  # {manipulation: forger}
    qualities: tuple  # of clips; masks have one of their own
    masked: bool  # whether forgeries have mask clips
    domain: str
    seed: int  # of the people
    frames: int
    size: int


def write(
    folder,
    *,
    clips,
    frames,
    size,
    seed,
    compressions=COMPRESSIONS,
    workers=1,
    progress=True,
):
    """Write `clips` originals and four forgeries of each, in FaceForensics++'s layout.

    The folder gets split lists, clips in every compression, and mask clips.  What is
    there already stays: a killed run goes on where it was, with the same bytes, in
    however many `workers`.
    """
    folder = Path(folder)
    pairs = _pairs(clips, size=size)
    claim = {"layout": "faceforensics", "frames": frames, "size": size, "seed": seed}
    _claim(folder, claim)
    for split, name in SPLITS.items():
        members = [[f"{a:03d}", f"{b:03d}"] for a, b, s in pairs if s == split]
        _save(folder / "splits" / f"{name}.json", json.dumps(members).encode())
    job = Job(
        folder,
        "faceforensics",
        pairs[0],
        MANIPULATIONS,
        tuple(compressions),
        masked=True,
        domain="studio",
        seed=FILMED + seed,
        frames=frames,
        size=size,
    )
    _write_all(job, pairs, workers, progress)


def write_unseen(folder, *, clips, frames, size, seed, workers=1, progress=True):
    """Write a test set of other people, cameras and places, in Celeb-DF's layout.

    All are filmed in the street, and forged by `UNSEEN` alone; c23.
    """
    folder = Path(folder)
    pairs = _pairs(clips, size=size, splits=("test",))
    claim = {"layout": "celebdf", "frames": frames, "size": size, "seed": seed}
    _claim(folder, claim)
    job = Job(
        folder,
        "celebdf",
        pairs[0],
        {"synthesis": UNSEEN},
        ("c23",),
        masked=False,
        domain="street",
        seed=STRANGERS + seed,
        frames=frames,
        size=size,
    )
    lines = [
        f"{int(not manipulation)} {path.relative_to(folder).as_posix()}\n"
        for manipulation in ("", *job.forgers)
        for pair in pairs
        for path in _paths(job._replace(pair=pair), manipulation)
    ]
    _save(folder / "List_of_testing_videos.txt", "".join(lines).encode())
    _write_all(job, pairs, workers, progress)


def write_acted(folder, *, clips, frames, size, seed, workers=1, progress=True):
    """Write a test set of other people in the studio, in DeepFakeDetection's layout.

    They stand before the cameras of `write`, and `ACTED` alone forges them: what is new
    to a detector is the manipulation.  In every compression, with mask clips.
    """
    folder = Path(folder)
    pairs = _pairs(clips, size=size, splits=("test",))
    claim = {"layout": "dfd", "frames": frames, "size": size, "seed": seed}
    _claim(folder, claim)
    job = Job(
        folder,
        "dfd",
        pairs[0],
        {"DeepFakeDetection": ACTED},
        COMPRESSIONS,
        masked=True,
        domain="studio",
        seed=ACTORS + seed,
        frames=frames,
        size=size,
    )
    _write_all(job, pairs, workers, progress)


def revision():
    """A text that changes with the pictures, and with the weights that forge them."""
    weights = whole_faces.digest(*MANIPULATIONS.values())
    return f"{REVISION}{weights[:6]}"


def sway(key, scene, time):
    """The scene after `time` seconds: head, face and light have moved."""
    keys = jax.random.split(key, 3)
    pose = _swayed(keys[0], scene.pose, _POSE, time, _POSE_RATE)
    face = _swayed(keys[1], scene.expression, _EXPRESSION, time, _EXPRESSION_RATE)
    signed = jnp.float32([name in _SIGNED for name in face._fields])
    face = [jnp.clip(x, -least, 1.0) for x, least in zip(face, signed, strict=True)]
    waves = _waves(keys[2], 4, time, _LIGHT_RATE)
    direction = scene.light.direction + _LIGHT * waves[:3]
    light = scene.light._replace(
        direction=direction / jnp.linalg.norm(direction),
        lamp=scene.light.lamp * (1 + _LAMP * waves[3]),
    )
    return scene._replace(pose=pose, expression=scenes.Expression(*face), light=light)


def _swayed(key, about, reach, time, rate):
    """Numbers of a NamedTuple, each moved along a wave of its own by up to `reach`."""
    waves = _waves(key, len(about), time, rate)
    moved = [x + r * w for x, r, w in zip(about, reach, waves, strict=True)]
    return type(about)(*moved)


def _waves(key, count, time, rate):
    """`count` sums of three sinusoids within [-1, 1], at most `rate` a second.

    Shares, phases and frequencies are random; the slowest has 0.3 of the rate.
    """
    share, phase, pace = jax.random.uniform(key, (3, 3, count))
    angle = 2 * jnp.pi * (phase + rate * (0.3 + 0.7 * pace) * time)
    return (share * jnp.sin(angle)).sum(0) / share.sum(0)


def _pairs(clips, *, size, splits=TENTH):
    """The pairs of people of so many clips, with the splits in turn."""
    if clips < 2 or clips % 2:
        raise ValueError(f"clips come in pairs: their number is even, not {clips}")
    if size % 2:
        raise ValueError(f"the sides of compressed clips are even, not {size}")
    cycle = zip(range(0, clips, 2), itertools.cycle(splits), strict=False)
    return [Pair(person, person + 1, split) for person, split in cycle]


def _ways(pair):
    """(whose clip, whose face) of both clips."""
    return (pair.first, pair.second), (pair.second, pair.first)


def _faceforensics(manipulation, target, donor, quality):
    """A clip's path in FaceForensics++'s layout; originals have no manipulation."""
    if manipulation:
        sequences = f"manipulated_sequences/{manipulation}"
        name = f"{target:03d}_{donor:03d}"
    else:
        sequences = "original_sequences/youtube"
        name = f"{target:03d}"
    return f"{sequences}/{quality}/videos/{name}.mp4"


def _celebdf(manipulation, target, donor, quality):
    """The path of a clip in Celeb-DF's layout, which has one quality."""
    if not manipulation:
        return f"Celeb-real/id{target}_0000.mp4"
    return f"Celeb-synthesis/id{target}_id{donor}_0000.mp4"


def _dfd(manipulation, target, donor, quality):
    """A clip's path in DeepFakeDetection's layout; fakes have eight letters each."""
    scene = "podium_speech"
    sequences = "original_sequences/actors"
    name = f"{target:02d}__{scene}"
    if manipulation:
        sequences = f"manipulated_sequences/{manipulation}"
        stem = f"{target:02d}_{donor:02d}__{scene}"
        letters = hashlib.sha256(stem.encode()).hexdigest()[:8].upper()
        name = f"{stem}__{letters}"
    return f"{sequences}/{quality}/videos/{name}.mp4"


PLACES = {"faceforensics": _faceforensics, "celebdf": _celebdf, "dfd": _dfd}


def _claim(folder, settings):
    """Refuse a folder that holds clips made with other settings."""
    codec.pyav()  # if it is missing, say so before anything is written
    path = folder / "clips.json"
    settings = settings | {"revision": revision()}
    if not path.exists():
        _save(path, json.dumps(settings).encode())
    elif json.loads(path.read_text()) != settings:
        raise FileExistsError(
            f"{folder} holds other clips, or the same with other settings: delete it, "
            "or choose another folder"
        )


def _save(path, data):
    """Write a file that is never seen half done, unless it is there with this data."""
    if path.exists() and path.read_bytes() == data:
        return
    with replacing(path) as partial:
        partial.write_bytes(data)


def _write_all(job, pairs, workers, progress):
    """Do the job for every pair of which files are missing, by so many processes."""
    jobs = [job._replace(pair=pair) for pair in pairs]
    waiting = [job for job in jobs if any(_missing(job, m) for m in ("", *job.forgers))]
    cache = jax.config.jax_compilation_cache_dir
    begin = functools.partial(_begin_worker, cache)
    done = each(_write_pair, waiting, workers=workers, begin=begin)
    started = len(jobs) - len(waiting)
    settings = {"desc": "clips", "unit": "pair", "shown": progress}
    for _ in bar(done, total=len(jobs), initial=started, **settings):
        pass


def _begin_worker(cache):
    """A worker compiles as its parent does, and leaves accelerators to it."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", cache)


@photos.on_cpu()
def _write_pair(job):
    """Write the files of both clips, originals and forged, that are not there yet."""
    film = None
    for manipulation in ("", *job.forgers):
        missing = _missing(job, manipulation)
        if not missing:
            continue
        if film is None:
            film = _film(
                job.pair,
                seed=job.seed,
                domain=job.domain,
                frames=job.frames,
                size=job.size,
            )
        pictures = film.pictures
        masks = None
        if manipulation:
            pictures, masks = _forged(job.pair, film, job.forgers[manipulation])
        for row, quality, path in missing:
            shown = masks if quality == "masks" else pictures
            _save(path, codec.encode(np.split(shown, 2)[row], ENCODERS[quality]))


def _missing(job, manipulation):
    """(which of the pair, quality, path) of the files that are not there."""
    qualities = job.qualities
    if manipulation and job.masked:
        qualities = (*qualities, "masks")
    return [
        (row, quality, path)
        for quality in qualities
        for row, path in enumerate(_paths(job, manipulation, quality))
        if not path.exists()
    ]


def _paths(job, manipulation, quality="c23"):
    """The paths of both clips of a pair."""
    place = PLACES[job.layout]
    ways = _ways(job.pair)
    return [job.folder / place(manipulation, *way, quality) for way in ways]


def _forged(pair, film, forger):
    """uint8 frames and masks (n, h, w, 3): each clip with the face of the other."""
    # The frames of the second come after those of the first: half a turn swaps them.
    half = len(film.pictures) // 2
    other = jax.tree.map(lambda rows: np.roll(rows, half, axis=0), film)
    wanted = other.landmarks
    if forger.startswith("reenact"):
        driven = functools.partial(_driven_landmarks)
        wanted = photos.in_chunks(driven, film.scenes, other.scenes)
    replacer = graphic
    if forger in neural.REPLACERS:
        replacer = neural
    pictures, masks = replacer.replace(
        forger,
        pair.first,
        np.arange(2 * half),
        film.pictures,
        other.pictures,
        film.landmarks,
        wanted,
        size=film.pictures.shape[1],
    )
    return pictures, np.repeat(masks[..., None], 3, axis=-1)


def _driven_landmarks(scene, driver):
    """The landmarks of a scene's face with the expression of another."""
    return render.landmarks(scenes.with_expression(scene, driver))


def _film(pair, *, seed, domain, frames, size):
    """The `Film` of a pair: so many frames of either."""
    people = np.repeat([pair.first, pair.second], frames)
    times = np.tile(np.arange(frames), 2)
    leaders = np.full_like(people, pair.first)
    seeds = np.full_like(people, seed)
    function = functools.partial(_frame, domain=domain, size=size)
    return Film(*photos.in_chunks(function, seeds, people, leaders, times))


def _frame(seed, person, leader, number, *, domain, size):
    """(picture, scene, landmarks) of a frame; one wears glasses if the leader does.

    Both of a pair or none: glasses reach beyond the face that a swap replaces.
    """
    scene_key, camera_key, shot_key, sway_key, noise_key = _keys(seed, person)
    scene = scenes.sample(scene_key, domain=domain)
    glasses = scenes.sample(_keys(seed, leader)[0], domain=domain).attributes.glasses
    scene = scene._replace(attributes=scene.attributes._replace(glasses=glasses))
    scene = sway(sway_key, scene, number / codec.RATE)
    light, _ = render.render(scene, size=size)
    index = cameras.choose(camera_key, domain=domain)
    camera = cameras.select(index, domain=domain)
    shot = cameras.draw(shot_key, domain=domain)
    pattern = jnp.asarray(cameras.patterns(domain))[index, :size, :size]
    # The shot, exposure and all, is the clip's; only the noise is the frame's own.
    noise_key = jax.random.fold_in(noise_key, number)
    raw = cameras.expose(noise_key, light, camera, shot, pattern)
    picture = cameras.develop(raw, camera, shot)
    return photos.to_bytes(picture), scene, render.landmarks(scene)


def _keys(seed, person):
    """Keys of the scene, the camera, the shot, the motion and the noise."""
    return jax.random.split(scenes.key_of(seed, person), 5)
