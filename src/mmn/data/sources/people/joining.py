"""Joins track pieces of the same person: trackers renumber people, and cameras cut."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.people.seen import distances, sizes

_REACH = 1.0  # of a person's own size, from the end of one piece to the start of the next
_WAIT = 60  # frames
_AT_ONCE = 5  # frames within which people vanish or appear together


def join_pieces(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_], pieces: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pieces ``(D,)`` → people ``(D,)``.

    In three passes: a piece that starts near where another has just ended continues it; if all pieces end at once, the
    picture was re-framed, and the pieces after it are matched to those before by pose; a piece that is alone in each of
    its frames belongs to the one person in view before and after.
    """
    people = _Chains(frame, pieces)
    _join_near(people, points, seen)
    _join_at_cuts(people, frame, points, seen)
    _join_alone(people, frame)
    return people.of_detections()


class _Chains:
    """Pieces and which of them have been joined; pieces are numbered by the time of their first detection."""

    def __init__(self, frame: NDArray[np.int64], pieces: NDArray[np.int64]) -> None:
        order = np.lexsort((frame, pieces))
        starts = np.flatnonzero(np.diff(pieces[order], prepend=pieces[order[0]] - 1))
        members = np.split(order, starts[1:])
        members.sort(key=lambda detections: frame[detections[0]])
        self.members = members  # piece → its detections in order of time
        self.first = np.array([frame[detections[0]] for detections in members])
        self.last = np.array([frame[detections[-1]] for detections in members])
        self.chain = list(range(len(members)))  # piece → its chain's first piece
        self.end = {piece: int(end) for piece, end in enumerate(self.last)}  # chain → its last frame
        self.size = len(frame)

    def root(self, piece: int) -> int:
        while self.chain[piece] != piece:
            self.chain[piece] = self.chain[self.chain[piece]]
            piece = self.chain[piece]
        return piece

    def join(self, piece: int, other: int) -> None:
        """Make ``other`` the same person as ``piece``."""
        a, b = self.root(piece), self.root(other)
        if a != b:
            self.chain[b] = a
            self.end[a] = max(self.end[a], self.end[b])

    def of_detections(self) -> NDArray[np.int64]:
        people = np.empty(self.size, np.int64)
        for piece, detections in enumerate(self.members):
            people[detections] = self.root(piece)
        return np.unique(people, return_inverse=True)[1]


def _join_near(people: _Chains, points: NDArray[np.float32], seen: NDArray[np.bool_]) -> None:
    size = sizes(points, seen)
    open_pieces: list[int] = []  # pieces that no other continues yet
    for piece in range(len(people.members)):  # in order of their start
        start = people.first[piece]
        open_pieces = [p for p in open_pieces if start - people.last[p] <= _WAIT]
        ended = [p for p in open_pieces if people.last[p] < start]
        if ended:
            head = people.members[piece][:1]
            tails = [people.members[p][-1] for p in ended]
            apart = distances(points[tails], seen[tails], points[head], seen[head])[:, 0] / size[head]
            if apart.min() < _REACH:
                before = ended[int(apart.argmin())]
                people.join(before, piece)
                open_pieces.remove(before)
        open_pieces.append(piece)


def _join_at_cuts(
    people: _Chains, frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_]
) -> None:
    """If no track continues from one non-empty frame to the next, match the people before to those after."""
    from scipy.optimize import linear_sum_assignment  # takes a second

    spans = sorted(
        (int(people.first[root]), people.end[root], root)
        for root in {people.root(piece) for piece in range(len(people.members))}
    )
    if not spans:
        return
    before, reach = [spans[0]], spans[0][1]
    groups = [before]
    for span in spans[1:]:
        if span[0] > reach:
            groups.append([])
        groups[-1].append(span)
        reach = max(reach, span[1])
    detections: dict[int, list[int]] = {}
    for piece, members in enumerate(people.members):
        detections.setdefault(people.root(piece), []).extend(members.tolist())
    for left, right in pairwise(groups):
        end, start = max(last for _, last, _ in left), right[0][0]
        ending = [root for _, last, root in left if end - last <= _AT_ONCE]
        starting = [root for first, _, root in right if first - start <= _AT_ONCE]
        tails = [max(detections[root], key=lambda d: frame[d]) for root in ending]
        heads = [min(detections[root], key=lambda d: frame[d]) for root in starting]
        cost = _dissimilarity(points, seen, tails, heads)
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            people.join(ending[i], starting[j])


def _dissimilarity(
    points: NDArray[np.float32], seen: NDArray[np.bool_], tails: list[int], heads: list[int]
) -> NDArray[np.float64]:
    """Dissimilarity of people ``(tails, heads)``, in pose and in position relative to each other."""

    def framed(which: list[int]) -> NDArray[np.float32]:
        mine, mask = points[which], seen[which][:, :, None]
        centre = np.where(mask, mine, 0).sum(axis=(0, 1)) / max(int(mask.sum()), 1)
        return np.asarray((mine - centre) / sizes(mine, seen[which]).mean(), np.float32)

    apart = distances(framed(tails), seen[tails], framed(heads), seen[heads])
    return np.where(np.isfinite(apart), apart, 1e6)


def _join_alone(people: _Chains, frame: NDArray[np.int64]) -> None:
    """A piece alone in each of its frames, while exactly one person was in view before and after, is that person."""
    _, inverse, counts = np.unique(frame, return_inverse=True, return_counts=True)
    alone = counts[inverse] == 1
    first = {people.root(p): int(people.first[p]) for p in reversed(range(len(people.members)))}
    for piece, members in enumerate(people.members):
        root = people.root(piece)
        if not alone[members].all() or people.end[root] != people.last[piece] or first[root] != people.first[piece]:
            continue
        around = [
            other
            for other, start in first.items()
            if other != root and start < people.first[piece] and people.end[other] > people.last[piece]
        ]
        if len(around) == 1:
            people.join(around[0], piece)
