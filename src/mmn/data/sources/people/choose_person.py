"""Choice of the person to keep in a recording."""

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.people.seen import sizes
from mmn.errors import UserError

WAYS = ("best", "largest", "longest", "all")
_GLIMPSE = 0.1  # share of a recording's frames; `all` drops people seen in fewer


def check_person(person: str) -> None:
    """Check the ``--person`` option.

    Raises:
        UserError: it is neither in ``WAYS`` nor a number from 1.
    """
    if person not in WAYS and not (person.isdecimal() and int(person) > 0):
        raise UserError(
            f"--person is {person!r}; choose {', '.join(WAYS)}, or a number (1 for the best, 2 for the next)."
        )


def choose_person(
    person: str,
    people: NDArray[np.int64],
    points: NDArray[np.float32],
    scores: NDArray[np.float32] | None,
    seen: NDArray[np.bool_],
    frames: int,
) -> list[int]:
    """The people to keep, as numbers in ``people``: several only for ``all``, none if there is no N-th person.

    Args:
        person: ``best`` mean score over the recording, counting frames without the person as 0 (without scores: the
            number of points seen); ``largest`` mean box; ``longest`` in view; ``N``, the N-th best from 1; or ``all``.
        people: number of the person for each detection ``(D,)``.
        points: ``(D, P, C)``.
        scores: ``(D, P)`` or None; non-finite values count as 0.
        seen: mask of points that were found ``(D, P)``.
        frames: number of frames with anybody in them.
    """
    number, where = np.unique(people, return_inverse=True)
    if len(number) == 1:
        return number.tolist() if not person.isdecimal() or int(person) == 1 else []
    in_view = np.bincount(where)
    certain = seen.mean(axis=1) if scores is None else np.nan_to_num(scores, posinf=0, neginf=0).mean(axis=1)
    by_score = np.bincount(where, certain)
    if person == "all":
        return number[in_view >= _GLIMPSE * frames].tolist()
    if person == "largest":
        return [int(number[np.argmax(np.bincount(where, sizes(points, seen)) / in_view)])]
    if person == "longest":
        return [int(number[np.argmax(in_view + by_score / (by_score.sum() + 1))])]
    place = 0 if person == "best" else int(person) - 1
    return [int(number[np.argsort(-by_score, kind="stable")[place]])] if place < len(number) else []
