"""Examples of several frames: the videos of a split, instead of its single records."""

import numpy as np


class Videos:
    """The videos of a split as examples of `frames` records each.

    Like `Records`, it has an `index` with a row for every example, and their sources.
    A picture that belongs to no video is a video of one frame.
    """

    def __init__(self, records, frames):
        self.records = records
        self.frames = frames
        self.labels = records.labels
        self.sources = records.sources
        self.kept = records.kept
        self._members = _members(records.videos())
        first_frames = np.array([members[0] for members in self._members], np.int64)
        self.index = records.index[first_frames]
        self._check_frames()

    def counts(self):
        """{source: number of videos}."""
        numbers = np.bincount(self.index["source"], minlength=len(self.sources))
        return dict(zip(self.sources, numbers.tolist(), strict=True))

    def at(self, numbers, moments):
        """Which records show videos at some moments, in the order of time.

        Args:
          numbers: of videos, (b,); -1 for padding.
          moments: (b, frames) in [0, 1): where in its part of the video each frame
            lies, when the video is cut into `frames` equal parts.

        Returns:
          Numbers of records, (b, frames); of a video with fewer frames some come more
          than once, padding is -1.
        """
        chosen = np.full(moments.shape, -1, np.int64)
        for row in np.flatnonzero(numbers >= 0):
            members = self._members[numbers[row]]
            # Multiplied first, so that whole numbers of frames are exact; the last
            # part's end would otherwise be reached where a moment rounds to 1.
            places = (np.arange(self.frames) + moments[row]) * len(members)
            places = (places / self.frames).astype(np.int64)
            chosen[row] = members[np.minimum(places, len(members) - 1)]
        return chosen

    def __len__(self):
        return len(self._members)

    def _check_frames(self):
        """Refuse videos of which not all frames have the same source and group."""
        for members, about in zip(self._members, self.index, strict=True):
            frames = self.records.index[members]
            for field in ("source", "group"):
                strange = members[frames[field] != about[field]]
                if len(strange):
                    names = (self.records[i].name for i in (members[0], strange[0]))
                    raise ValueError(
                        f"frames of one video differ in {field}: {' and '.join(names)}"
                    )


def middles(count, frames):
    """The moments (count, frames) of evenly spaced frames, see `Videos.at`."""
    return np.full((count, frames), 0.5)


def _members(hashes):
    """The numbers of the records of every video, videos as they first come.

    Records of a video lie in the order of time.
    """
    _, first_frames, videos = np.unique(hashes, return_index=True, return_inverse=True)
    by_video = np.split(
        np.argsort(videos, kind="stable"), np.cumsum(np.bincount(videos))[:-1]
    )
    return [by_video[video] for video in np.argsort(first_frames)]
