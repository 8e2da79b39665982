"""Times, absences and progress in long recordings."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Ended, in_process

from mmn.data.format.clips import Clips
from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.convert import read_source
from mmn.engine import predict
from mmn.inference.predict import Predictor


def mmn(folder: Path, *arguments: object) -> Ended:
    return in_process("mmn", *map(str, arguments), cwd=folder)


def test_times_follow_the_frame_rate_of_the_file(small: SkeletonData, small_checkpoint: Path, tmp_path: Path) -> None:
    clip = np.concatenate([small.splits["test"].clip(i) for i in range(3)])[:40]
    np.savez(tmp_path / "mine.npz", mine=clip)
    points = np.random.default_rng(0).uniform(0, 500, (40, 17, 2)).tolist()
    people = [[{"keypoints": frame, "keypoint_scores": [1.0] * 17}] for frame in points]
    frames = [{"frame_id": i, "instances": found} for i, found in enumerate(people)]
    (tmp_path / "mine.json").write_text(json.dumps({"fps": 60.0, "instance_info": frames}))
    found = read_source(tmp_path / "mine.json", "coco17")
    assert found.fps == {"mine": 60.0}
    predictor = Predictor(small_checkpoint)
    for fps, end in ((None, 40 / 30), (20.0, 2.0)):
        recording = predict.read_recordings(tmp_path / "mine.npz", predictor, **({} if fps is None else {"fps": fps}))
        [(_, segments)] = predict.segments_of(predictor, recording, predict.Sliding(8, 2, 0.01))
        assert max(segment.end for segment in segments) == pytest.approx(end)
    options = "predict", small_checkpoint, "mine.npz", "--threshold", 0.01, "--segments", "s.csv"
    assert "mine.npz: 30 frames per second are assumed" in mmn(tmp_path, *options).stderr
    assert mmn(tmp_path, *options, "--fps", 30).stderr == ""


def test_nobody_acts_while_nobody_is_in_view(small: SkeletonData, small_checkpoint: Path, tmp_path: Path) -> None:
    clip = np.concatenate([small.splits["test"].clip(i) for i in range(9)])[:150]
    clip[50:100] = np.nan  # for longer than gaps in clips may be
    clip[:40, 3] = np.nan
    clip[30, 3] = 0.5
    np.savez(tmp_path / "r.npz", r=clip)
    recording = predict.read_recordings(tmp_path / "r.npz", Predictor(small_checkpoint), max_gap=99, fps=10.0)
    [(_, segments)] = predict.segments_of(Predictor(small_checkpoint), recording, predict.Sliding(8, 2, 0.01))
    assert all(segment.end <= 5.0 or segment.start >= 10.0 for segment in segments)
    assert 5.0 in {segment.end for segment in segments}
    options = "predict", small_checkpoint, "r.npz", "--threshold", 0.01, "--fps", 10
    assert mmn(tmp_path, *options, "--segments", "s.csv").returncode == 0
    refused = mmn(tmp_path, *options, "--segments", "s.csv", "--max-gap", 15)
    assert "missing for 50 frames in a row" in refused.stderr


def test_a_rate_that_the_source_states_is_used(
    small: SkeletonData, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "mine.npz", mine=np.concatenate([small.splits["test"].clip(i) for i in range(3)])[:40])
    monkeypatch.setattr(predict, "read_source", lambda *a, **k: replace(read_source(*a, **k), fps={"mine": 60.0}))
    predictor = Predictor(small_checkpoint)
    assert predict.read_recordings(tmp_path / "mine.npz", predictor).fps == [60.0]
    assert predict.read_recordings(tmp_path / "mine.npz", predictor, fps=20.0).fps == [20.0]


@pytest.mark.parametrize("fps", ["nan", "inf", "-5", "0"])
def test_impossible_frame_rates_are_refused(fps: str, small_checkpoint: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    done = mmn(tmp_path, "predict", small_checkpoint, jhmdb_like, "--segments", "s.csv", f"--fps={fps}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give the frames per second" in done.stderr


def test_progress_is_reported_within_a_long_recording(small: SkeletonData, small_checkpoint: Path) -> None:
    clip = np.concatenate([small.splits["test"].clip(0)] * 50)
    recording = predict.Recordings(Clips.from_arrays([clip]), small.layout, [np.arange(len(clip))], [None])
    frames: list[int] = []
    list(predict.segments_of(Predictor(small_checkpoint), recording, predict.Sliding(8, 2), frames.append))
    assert len(frames) > 1
    assert sum(frames) == pytest.approx(len(clip), abs=8)


def test_a_short_failure_of_the_pose_estimator_does_not_cut_an_action(
    small: SkeletonData, small_checkpoint: Path, tmp_path: Path
) -> None:
    clip = np.concatenate([small.splits["test"].clip(i) for i in range(9)])[:150]
    predictor = Predictor(small_checkpoint)
    clip[60] = clip[100:105] = np.nan  # half a second is 5 frames
    np.savez(tmp_path / "r.npz", r=clip)
    recording = predict.read_recordings(tmp_path / "r.npz", predictor, fps=10.0)
    [(_, found)] = predict.segments_of(predictor, recording, predict.Sliding(8, 2, 0.01))
    slow = replace(recording, frames=[5 * recording.frames[0]])  # every fifth frame: 5 are more than half a second
    [(_, cut)] = predict.segments_of(predictor, slow, predict.Sliding(8, 2, 0.01))
    assert len(cut) > len(found)
    whole = replace(recording, clips=replace(recording.clips, filled=None))
    assert [(_, found)] == list(predict.segments_of(predictor, whole, predict.Sliding(8, 2, 0.01)))


def test_the_result_of_another_frame_rate_is_not_resumed(small: SkeletonData, small_checkpoint, tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", r=small.splits["test"].clip(0))
    read = [predict.read_recordings(tmp_path / "r.npz", Predictor(small_checkpoint), fps=fps) for fps in (25.0, 50.0)]
    assert read[0].identities() != read[1].identities()
    later = replace(read[0], frames=[read[0].frames[0] + 1])
    assert read[0].identities() != later.identities()


def test_classes_and_recordings_without_a_prediction_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,start,end,class,probability\nr,1,2,a,1\nq,1,2,a,1\n")
    (tmp_path / "t.csv").write_text("name,start,end,class\nr,1,2,a\ns,1,2,b\n")
    done = mmn(tmp_path, "score-segments", "p.csv", "t.csv")
    assert done.stderr.splitlines() == [
        "no segment is predicted for 1 recording: s",
        "no segment is predicted for 1 class: b",
        "no true segment in 1 predicted recording: q",
    ]
