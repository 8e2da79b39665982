"""Near-duplicate clips: in two splits they inflate metrics; with two labels, one is wrong."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData

_FRAMES = 16
_PARTS = ((0.0, 1.0), (0.0, 0.75), (0.25, 1.0), (0.0, 0.5), (0.5, 1.0), (0.0, 0.9), (0.1, 1.0))
"""Sections of a clip; a shortened copy is close to one of them."""

_NEAR = 0.12
"""Copies are closer than this fraction of the median distance of random clips."""

_SKETCH = 64
_AT_ONCE = 1024


class Copy(NamedTuple):
    """Two nearly identical clips ``split/name``, their labels, and how one was derived from the other."""

    first: str
    second: str
    labels: tuple[int, int]
    how: str


def find_copies(data: SkeletonData, shortened: bool = True) -> list[Copy]:
    """Near-duplicates between splits: moved, scaled, shortened, slowed, mirrored, reversed or noisy copies.

    Clips are compared after normalisation, at 16 moments. Each clip of the later split is
    paired with the nearest of the earlier one.

    Args:
        data: at least two splits.
        shortened: also find shortened copies, which takes seven times as long.
    """
    return list(_across(data, _sketch(data, _PARTS if shortened else _PARTS[:1])))


def contradictions(data: SkeletonData, copies: list[Copy] | None = None) -> list[Copy]:
    """Near-duplicates with different labels, within a split or between splits.

    Args:
        data: any splits.
        copies: result of ``find_copies``, if already computed.
    """
    sketches = _sketch(data, _PARTS)
    inside = [copy for split in data.splits for copy in _between(data, sketches, split, split)]
    across = _across(data, sketches) if copies is None else copies
    found = [copy for copy in [*inside, *across] if min(copy.labels) >= 0 and len(set(copy.labels)) > 1]
    seen: set[frozenset[str]] = set()
    return [c for c in found if (pair := frozenset(c[:2])) not in seen and not seen.add(pair)]  # type: ignore[func-returns-value]


Parts = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Sketches:
    """Every clip of each split, in all its variants, projected so that distances are roughly preserved.

    Attributes:
        of_split: split → ``(N, ways, _SKETCH)``.
        parts: the sections of a clip that the variants cover.
        rng: generator after drawing the projection; use a copy for further draws.
    """

    of_split: dict[str, NDArray[np.float32]]
    parts: Parts
    rng: np.random.Generator


def _sketch(data: SkeletonData, parts: Parts) -> _Sketches:
    rng = np.random.default_rng(0)
    size = _FRAMES * data.layout.num_joints * data.coordinates
    projection = rng.normal(size=(size, _SKETCH)).astype(np.float32) / np.sqrt(_SKETCH * size)
    of_split = {
        split: np.stack([_seen(clips.clip(i), data.layout, parts) @ projection for i in range(len(clips))])
        for split, clips in data.splits.items()
    }
    return _Sketches(of_split, parts, rng)


def _across(data: SkeletonData, sketches: _Sketches) -> Iterator[Copy]:
    """Near-duplicates of each pair of splits."""
    names = list(data.splits)
    for number, second in enumerate(names):
        for first in names[:number]:
            yield from _between(data, sketches, first, second)


def _between(data: SkeletonData, sketches: _Sketches, first: str, second: str) -> Iterator[Copy]:
    """The nearest clip of ``first`` for each clip of ``second``, if close enough."""
    mine, theirs, layout, parts = data.splits[first], data.splits[second], data.layout, sketches.parts
    a, b = sketches.of_split[first], sketches.of_split[second]
    rng = deepcopy(sketches.rng)
    drawn = a[rng.integers(0, len(a), 500), 0] - b[rng.integers(0, len(b), 500), 0]
    limit = _NEAR * float(np.median(np.linalg.norm(drawn, axis=1)))
    for start in range(0, len(b), _AT_ONCE):
        part = b[start : start + _AT_ONCE]
        near = np.full((len(part), len(a)), np.inf, np.float32)
        for way in range(a.shape[1]):
            np.minimum(near, _squared_distances(part[:, 0], a[:, way]), out=near)
            if way:
                np.minimum(near, _squared_distances(part[:, way], a[:, 0]), out=near)
        near = np.sqrt(np.maximum(near, 0))
        if first == second:
            near[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        best = near.argmin(axis=1)
        for i in np.flatnonzero(near[np.arange(len(part)), best] < 1.5 * limit):
            j, k = int(best[i]), int(start + i)
            x, y = _seen(mine.clip(j), layout, parts), _seen(theirs.clip(k), layout, parts)
            distances = np.minimum(_rms(y[0], x), _rms(y, x[0]))  # of every variant
            if distances.min() <= limit:
                names = f"{first}/{mine.names[j]}", f"{second}/{theirs.names[k]}"
                yield Copy(*names, (int(mine.labels[j]), int(theirs.labels[k])), _ways(parts)[int(distances.argmin())])


def _ways(parts: Parts) -> list[str]:
    turned = ("", "mirrored", "reversed", "mirrored and reversed")
    shortened = ["as a whole" if part == (0.0, 1.0) else "shortened" for part in parts]
    return [f"{how}, {turn}" if turn else how for turn in turned for how in shortened]


def _seen(clip: NDArray[np.float32], layout: Layout, parts: Parts) -> NDArray[np.float32]:
    """Normalised variants of a clip ``(ways, 16·V·C)``: whole and sections, each also mirrored, reversed, and both."""
    clip = np.asarray(clip, np.float32)
    swapped = np.arange(layout.num_joints)
    for left, right in layout.flip_pairs:
        swapped[[left, right]] = right, left
    last = len(clip) - 1
    moments = np.stack([np.linspace(low * last, high * last, _FRAMES) for low, high in parts])
    before = moments.astype(int)
    share = (moments - before)[..., None, None].astype(np.float32)
    shown = (1 - share) * clip[before] + share * clip[np.minimum(before + 1, last)]  # (parts, 16, V, C)
    low, high = shown.min(axis=(1, 2), keepdims=True), shown.max(axis=(1, 2), keepdims=True)
    shown = (shown - low) / (high - low + 1e-6) * 2 - 1
    mirrored = shown[:, :, swapped].copy()
    mirrored[..., 0] *= -1
    return np.concatenate([shown, mirrored, shown[:, ::-1], mirrored[:, ::-1]]).reshape(4 * len(parts), -1)


def _rms(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sqrt(((a - b) ** 2).mean(axis=-1))


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances between all rows ``(M, D)`` and ``(N, D)``; rounding may make a zero slightly negative."""
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T


def in_words(copies: list[Copy]) -> str:
    """The number of copies, and the first one."""
    first = copies[0]
    what = (
        "1 clip is nearly the same as one" if len(copies) == 1 else f"{len(copies)} clips are nearly the same as some"
    )
    return f"{what} of another split ({first.first} and {first.second}, {first.how})"
