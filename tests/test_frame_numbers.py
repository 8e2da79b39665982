"""Frame numbers: parsed from names, a common step, gaps, padding, and contradictions."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmn.data.sources.convert import convert
from mmn.data.sources.frame_numbers import common_step, frame_numbers
from mmn.errors import UserError


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        (["cam2_000011_1080p.png", "cam2_000009_1080p.png", "cam2_000010_1080p.png"], [11, 9, 10]),
        (["10_keypoints", "9_keypoints", "8_keypoints"], [10, 9, 8]),
        (["f_99", "f_100", "f_101"], [99, 100, 101]),
        (["1_t033.jpg", "2_t066.jpg", "3_t099.jpg"], [1, 2, 3]),  # frame number and time stamp
        (["0001.mp4.jpg", "0002.mp4.jpg"], [1, 2]),
        (["img7.png", "other_3_8.png"], [7, 8]),  # names of two forms: the last number
        ([5, 3, 4], [5, 3, 4]),
        ([2.0, 1.0], [2, 1]),
        ([None, None, None], [0, 1, 2]),
        ([7, 7, 7], [0, 1, 2]),  # all alike: counted in order
        (["a", "a"], None),
        ([], []),
    ],
)
def test_the_number_that_varies_is_the_frame_number(keys: list, numbers: list[int] | None) -> None:
    if numbers is None:
        with pytest.raises(UserError, match="clip x has a frame 'a', which contains no frame number"):
            frame_numbers(keys, "x")
    else:
        assert frame_numbers(keys, "x").tolist() == numbers


def test_two_frames_with_the_same_number_are_refused() -> None:
    with pytest.raises(UserError, match=r"clip x has 2 frames with the number 1 \(a_1 and a_01\); give each frame"):
        frame_numbers(["a_1", "a_01", "a_2"], "x")


def test_a_source_has_one_common_step() -> None:
    assert common_step([np.array([0, 10, 20]), np.array([3, 8, 18])]) == 5
    assert common_step([np.array([0, 29]), np.array([0, 1])]) == 1
    assert common_step([np.array([4])]) == 1


def arrays(folder: Path, **clips: np.ndarray) -> Path:
    np.savez(folder / "x.npz", **clips)
    return folder / "x.npz"


def test_padding_at_the_ends_is_dropped_and_a_gap_inside_is_missing(tmp_path: Path) -> None:
    x = np.full((12, 17, 2), np.nan, np.float32)
    x[2:10] = np.arange(8)[:, None, None] + 1
    x[5] = np.nan
    source = arrays(tmp_path, a=x)
    with pytest.raises(UserError, match="frame 3, joint 0"):
        convert(source, tmp_path / "x.h5", "coco17")
    data = convert(source, tmp_path / "x.h5", "coco17", missing="interpolate")
    assert data.splits["test"].clip(0)[:, 0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_minus_one_and_infinity_are_missing(tmp_path: Path) -> None:
    x = np.arange(1, 6, dtype=np.float32)[:, None, None] + np.zeros((5, 17, 2), np.float32)
    x[1, 3], x[2, 4, 0], x[3, 5, 0] = -1, np.inf, -1  # the last is valid: only one coordinate is −1
    data = convert(arrays(tmp_path, a=x), tmp_path / "x.h5", "coco17", missing="interpolate")
    clips = data.splits["test"]
    assert np.argwhere(clips.filled).tolist() == [[1, 3], [2, 4]]
    assert clips.clip(0)[1, 3].tolist() == [2, 2]
    assert clips.clip(0)[3, 5].tolist() == [-1, 4]


def test_a_joint_always_at_zero_is_the_origin(tmp_path: Path) -> None:
    x = np.ones((5, 17, 2), np.float32)
    x[:, 11] = 0
    convert(arrays(tmp_path, a=x, b=x), tmp_path / "x.h5", "coco17")
    y = x.copy()
    y[2, 11] = 1  # not always
    with pytest.raises(UserError, match=r"9 joints in 2 of 2 clips are exactly 0.*frame 0, joint 11 \(left_hip"):
        convert(arrays(tmp_path, a=x, b=y), tmp_path / "x.h5", "coco17")


def test_a_clip_of_zeros_has_nobody_in_it(tmp_path: Path) -> None:
    source = arrays(tmp_path, a=np.ones((5, 17, 2)), b=np.zeros((5, 17, 2)))
    with pytest.raises(UserError, match="clip b has nobody in any of its frames; leave it out with --skip-bad"):
        convert(source, tmp_path / "x.h5", "coco17")


@pytest.mark.parametrize(
    ("options", "fits"),
    [({}, True), ({"max_gap": 14}, False), ({"fps": 20}, False), ({"fps": 60}, True), ({"max_filled": 0.3}, False)],
)
def test_the_amount_filled_in_is_limited(tmp_path: Path, options: dict, fits: bool) -> None:
    x = np.ones((40, 17, 2), np.float32)
    x[10:25] = np.nan
    source = arrays(tmp_path, a=x)
    if fits:
        convert(source, tmp_path / "x.h5", "coco17", missing="interpolate", **options)
        return
    remedy = "--max-filled 0.3" if "max_filled" in options else "--max-gap"
    with pytest.raises(UserError, match=f"1 of 1 clips cannot be used: a .*; raise {remedy}"):
        convert(source, tmp_path / "x.h5", "coco17", missing="interpolate", **options)


def test_min_score_is_exclusive_and_channels_may_drop_z(tmp_path: Path) -> None:
    x = np.concatenate([np.full((3, 17, 3), 7.0), np.full((3, 17, 1), 0.5)], axis=2)
    x[1, 4, 3] = 0.3
    options = {"min_score": 0.3, "missing": "interpolate"}
    data = convert(arrays(tmp_path, a=x), tmp_path / "x.h5", "coco17", **options)
    assert data.coordinates == 3
    assert np.argwhere(data.splits["test"].filled).tolist() == [[1, 4]]
    assert convert(tmp_path / "x.npz", tmp_path / "x.h5", "coco17", channels="xys", **options).coordinates == 2
    with pytest.raises(UserError, match="--channels is 'abc'; choose xy"):
        convert(tmp_path / "x.npz", tmp_path / "x.h5", "coco17", channels="abc", **options)


def test_contradictions_in_the_source_are_reported(tmp_path: Path) -> None:
    people = [[{"keypoints": [[t, 5]] * 17, "keypoint_scores": [1] * 17}] for t in range(1, 5)]
    frames = [{"frame_id": 7, "instances": instances} for instances in people]
    (tmp_path / "a.json").write_text(json.dumps(frames), encoding="utf-16")  # as PowerShell writes it
    data = convert(tmp_path / "a.json", tmp_path / "x.h5", "coco17")
    assert data.splits["test"].clip(0)[:, 0, 0].tolist() == [1, 2, 3, 4]
    assert "all frames of a have the same name" in data.source
    detections = [{"image_id": "cam2.jpg", "keypoints": [t, 5, 1] * 17} for t in range(1, 5)]
    (tmp_path / "b.json").write_text(json.dumps(detections))
    assert "all detections are in one frame in b" in convert(tmp_path / "b.json", tmp_path / "x.h5", "coco17").source


def test_pictures_and_videos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match="contains pictures or videos; run a pose estimator on them"):
        convert(tmp_path, tmp_path / "x.h5", "coco17")


def mmpose(path: Path, numbers: list[int], score: float = 1.0) -> None:
    """Write frames whose first joint's x is the frame number from 1; ``score`` is that of the last frame."""
    scores = [1.0] * (len(numbers) - 1) + [score]
    frames = [
        {"frame_id": t, "instances": [{"keypoints": [[t + 1, 5]] * 17, "keypoint_scores": [s] * 17}]}
        for t, s in zip(numbers, scores, strict=True)
    ]
    path.write_text(json.dumps(frames))


def test_gaps_are_filled_in_steps_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    mmpose(tmp_path / "src" / "a.json", [0, 5, 10, 15])
    mmpose(tmp_path / "src" / "b.json", [0, 5, 20])
    data = convert(tmp_path / "src", tmp_path / "x.h5", "coco17", missing="interpolate")
    clips = data.splits["test"]
    assert clips.clip(0)[:, 0, 0].tolist() == [1, 6, 11, 16]
    assert clips.clip(1)[:, 0, 0].tolist() == [1, 6, 11, 16, 21]


def test_final_frames_with_low_scores_are_dropped(tmp_path: Path) -> None:
    mmpose(tmp_path / "a.json", [0, 1, 2, 3], score=0.2)
    data = convert(tmp_path / "a.json", tmp_path / "x.h5", "coco17", min_score=0.3)
    assert data.splits["test"].clip(0)[:, 0, 0].tolist() == [1, 2, 3]
