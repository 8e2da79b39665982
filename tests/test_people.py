"""People in a recording: the estimator's track numbers, tracking by position, joined pieces, choice of a person."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.convert import convert
from mmn.data.sources.people.tracking import FORGOTTEN_AFTER, track_people
from mmn.errors import UserError

POSE = np.random.default_rng(0).uniform(0, 100, (17, 2)).astype(np.float32)
OTHER = np.random.default_rng(1).uniform(0, 100, (17, 2)).astype(np.float32)


def at(x: float, pose: np.ndarray = POSE) -> np.ndarray:
    return pose + np.float32([x, 0])


def follow(frames: list[list[np.ndarray]], numbers: list[list[float]] | None = None) -> list[list[int]]:
    """Poses per frame → person numbers per frame, in order of first appearance."""
    frame = np.array([t for t, people in enumerate(frames) for _ in people])
    points = np.array([pose for people in frames for pose in people], np.float32)
    given = np.full(len(frame), np.nan) if numbers is None else np.array([n for of in numbers for n in of], float)
    people = track_people(frame, points, np.ones(points.shape[:2], bool), given)
    seen: dict[int, int] = {}
    ordered = [seen.setdefault(int(person), len(seen)) for person in people]
    return [[ordered[i] for i in np.flatnonzero(frame == t)] for t in range(len(frames))]


def test_valid_track_numbers_are_used() -> None:
    crossing = [[at(0), at(10)], [at(10), at(0)]] * 3
    assert follow(crossing, [[1, 2]] * 6) == [[0, 1]] * 6
    assert follow(crossing) == [[0, 1], [1, 0]] * 3  # by position


@pytest.mark.parametrize("useless", [0.0, -1.0, np.nan, np.inf])
def test_invalid_track_numbers_are_ignored(useless: float) -> None:
    frames = [[at(0), at(500)], [at(500), at(0)]] * 3
    assert follow(frames, [[useless, useless]] * 6) == [[0, 1], [1, 0]] * 3
    close = [[at(0), at(10)]] * 4
    assert follow(close, [[useless, useless]] * 4) == [[0, 1]] * 4
    assert follow(close, [[1, useless or 1], [useless or 1, 1]] * 2) == [[0, 1]] * 4


def test_a_close_match_outweighs_the_total_distance() -> None:
    # A person stands still; a false detection jumps between two positions nearby.
    frames = [[at(0), at(18)], [at(0), at(-20)], [at(0), at(18)]]
    assert [people[0] for people in follow(frames)] == [0, 0, 0]


def test_a_renumbered_person_is_joined_and_a_bystander_stays_separate() -> None:
    frames = [[at(5 * t), at(600)] for t in range(20)]
    numbers = [[1 if t < 10 else 3, 2] for t in range(20)]
    assert follow(frames, numbers) == [[0, 1]] * 20


def test_a_track_number_reassigned_to_another_person_is_split() -> None:
    frames = [[at(1000 + t), at(200 + t)] for t in range(12)]
    numbers = [[1, 2] if t < 6 else [3, 1] for t in range(12)]
    assert follow(frames, numbers) == [[0, 1]] * 12


def test_people_are_matched_by_pose_when_the_picture_is_re_framed() -> None:
    before, after = [[at(0), at(300, OTHER)]] * 5, [[at(1900, OTHER), at(1600)]] * 5
    assert follow([*before, *after]) == [[0, 1]] * 5 + [[1, 0]] * 5


def test_a_single_detection_is_joined_unless_it_is_a_bystander() -> None:
    alone = [[at(0)], [at(0)], [at(900)], [at(0)], [at(0), at(4000)]]
    assert follow(alone) == [[0], [0], [0], [0], [0, 1]]
    bystander = [[at(0), at(900)], [at(0), at(900)], [at(900)], [at(0), at(900)]]
    assert follow(bystander) == [[0, 1], [0, 1], [1], [0, 1]]


def test_a_lost_person_is_given_up_after_a_while() -> None:
    gap = FORGOTTEN_AFTER + 40
    frames = [[at(0), at(900)], *[[at(900)]] * gap, [at(0), at(900)]]
    people = follow(frames)
    assert people[-1][0] not in people[0]
    assert people[-1][1] == people[0][1]


def test_tracking_time_is_linear_in_the_number_of_frames() -> None:
    def seconds(count: int) -> float:
        rng = np.random.default_rng(0)
        frame = np.repeat(np.arange(count), 2)
        points = np.concatenate([[at(0), at(rng.uniform(500, 5000))] for _ in range(count)])
        start = time.process_time()
        people = track_people(frame, points, np.ones(points.shape[:2], bool), np.full(2 * count, np.nan))
        assert len(set(people[::2].tolist())) == 1
        return time.process_time() - start

    seconds(10)  # imports
    assert seconds(2000) < 1.5
    assert seconds(2000) < 8 * seconds(500)


def alphapose(path: Path, people: list[tuple[np.ndarray, float | np.ndarray, range]]) -> Path:
    """Write people given as pose, score and frames in view."""
    detections = [
        {"image_id": f"{t}.jpg", "keypoints": np.c_[pose, np.zeros(17) + score].ravel().tolist()}
        for pose, score, frames in people
        for t in frames
    ]
    path.write_text(json.dumps(detections))
    return path


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """The person with the best score, the largest one, and the one in view for longest, at x = 1000, 3000 and 9000."""
    people = [(at(1000), 0.9, range(8)), (3 * POSE + 3000, 0.5, range(9)), (at(9000), 0.3, range(10))]
    return alphapose(tmp_path / "a.json", people)


def first_x(data: SkeletonData) -> dict[str, int]:
    clips = data.splits["test"]
    return {name: int(clips.clip(i)[0, :, 0].min() // 1000) for i, name in enumerate(clips.names)}


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("best", {"a": 1}),
        ("1", {"a": 1}),
        ("2", {"a": 3}),
        ("3", {"a": 9}),
        ("largest", {"a": 3}),
        ("longest", {"a": 9}),
        ("all", {"a/person1": 1, "a/person2": 3, "a/person3": 9}),
    ],
)
def test_the_requested_person_is_kept(three: Path, person: str, expected: dict[str, int]) -> None:
    data = convert(three, three.with_name("x.h5"), "coco17", person=person)
    assert first_x(data) == expected
    assert ("other people" in data.source) == (person != "all")


def test_absent_persons_and_unknown_choices_are_refused(three: Path) -> None:
    with pytest.raises(UserError, match="clip a has nobody"):
        convert(three, three.with_name("x.h5"), "coco17", person="4")
    with pytest.raises(UserError, match="--person is 'tallest'; choose best"):
        convert(three, three.with_name("x.h5"), "coco17", person="tallest")


def test_all_leaves_out_people_seen_only_briefly(tmp_path: Path) -> None:
    people = [(at(1000), 0.9, range(40)), (at(5000), 0.9, range(7, 9))]
    data = convert(alphapose(tmp_path / "a.json", people), tmp_path / "x.h5", "coco17", person="all")
    assert first_x(data) == {"a": 1}
    assert "1 other people" in data.source


def test_non_finite_scores_count_as_zero(tmp_path: Path) -> None:
    nobody, all_but_one = np.full(17, np.nan), np.r_[np.nan, np.full(16, 0.9)]
    people = [(at(1000), all_but_one, range(5)), (at(3000), 0.5, range(5)), (at(9000), nobody, range(5))]
    source = alphapose(tmp_path / "a.json", people)
    assert first_x(convert(source, tmp_path / "x.h5", "coco17", missing="interpolate")) == {"a": 1}
