"""Segments of long recordings, and their metrics."""

import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from commands import Ended, in_process

from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.labels import segments as labels
from mmn.engine import predict
from mmn.errors import UserError
from mmn.evaluation.segment_files import write_segments
from mmn.evaluation.segment_scores import score_segments
from mmn.evaluation.segments import Segment, segments_in
from mmn.inference.long_recording import frame_probabilities, runs, window_starts
from mmn.inference.predict import Predictor

ARM, HEAD = "arm <&>", "head"


def recognise(clips: list[np.ndarray]) -> np.ndarray:
    """A stand-in for a network: the recording's joints hold class probabilities, which are averaged over the window."""
    return np.array([clip[:, :, 0].mean(axis=0) for clip in clips])


def recording(frames: int, *actions: tuple[int, int, int]) -> np.ndarray:
    """``(T, 3, 2)``, 1 during each action ``(class, first, last)``; class 0 fills the remaining frames."""
    on = np.zeros((frames, 3, 2), np.float32)
    for k, first, last in actions:
        on[first : last + 1, k] = 1
    on[on[:, :, 0].max(axis=1) == 0, 0] = 1
    return on


def found(clip: np.ndarray, **changed: float) -> list[Segment]:
    options = {"window": 16, "stride": 2, "smooth": 0, **changed}
    names = ["rest", ARM, HEAD]
    return segments_in("r", frame_probabilities(recognise, clip, **options), np.arange(len(clip)), names, 10.0, 0.5, 0)


@pytest.mark.parametrize("stride", [1, 3, 8])
@pytest.mark.parametrize("smooth", [0, 4])
def test_actions_are_found_at_their_frames(stride: int, smooth: float) -> None:
    first, second = found(recording(200, (1, 40, 79), (2, 120, 169)), stride=stride, smooth=smooth)
    assert (first.class_name, second.class_name) == (ARM, HEAD)
    assert [first.start, first.end, second.start, second.end] == pytest.approx([4.0, 8.0, 12.0, 17.0], abs=0.15)
    assert first.probability > 0.8


def test_actions_may_overlap_and_reach_the_ends() -> None:
    segments = found(recording(100, (1, 0, 59), (2, 40, 99)))
    assert [(s.class_name, round(s.start), round(s.end)) for s in segments] == [(ARM, 0, 6), (HEAD, 4, 10)]


def test_a_recording_shorter_than_the_window_is_one_window() -> None:
    assert [(s.class_name, s.start, s.end) for s in found(recording(9, (2, 0, 8)))] == [(HEAD, 0.0, 0.9)]
    assert window_starts(9, 16, 2).tolist() == [0]
    assert window_starts(20, 16, 3).tolist() == [0, 3, 4]
    assert runs(np.array([True, False, True, True])) == [(0, 0), (2, 3)]


def test_smoothing_closes_short_gaps() -> None:
    clip = recording(200, (1, 40, 79), (1, 84, 120))
    assert len(found(clip, window=2)) == 2
    assert len(found(clip, window=2, smooth=8)) == 1


@pytest.mark.parametrize("changed", [{"window": 1}, {"stride": 0}, {"smooth": -1}, {"smooth": float("nan")}])
def test_invalid_windows_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(UserError, match="use a window of 2 frames or more"):
        found(recording(30), **changed)


A, B = Segment("r", 0, 10, "a", 0.9), Segment("r", 20, 30, "b", 0.8)


@pytest.mark.parametrize(
    ("predicted", "true", "at_half", "mean", "f1"),
    [
        ([A, B], [A, B], 1, 1, 1),
        ([A], [A, B], 0.5, 0.5, 2 / 3),
        ([A._replace(name="other"), B], [A, B], 0.5, 0.5, 0.5),
        ([A._replace(end=5)], [A], 1, 5 / 9, 1),  # overlap 0.5: found at 0.1 … 0.5
        ([A._replace(end=4)], [A], 0, 4 / 9, 0),
        ([A, A._replace(probability=0.5)], [A], 1, 1, 2 / 3),  # matched twice: the second is wrong, at full recall
        ([A._replace(start=50, end=60, probability=0.95), A], [A], 0.5, 0.5, 2 / 3),  # after a more probable mistake
        # a more probable mistake before two: precision 1/2, then 2/3; made non-increasing, 2/3 from the start
        (
            [A._replace(start=50, end=60, probability=0.95), A, A._replace(start=70, end=80, probability=0.7)],
            [A, A._replace(start=70, end=80)],
            2 / 3, 2 / 3, 0.8,
        ),
        ([A._replace(class_name="b"), B], [A, B], 0.25, 0.25, 0.5),
        ([], [A], 0, 0, 0),
        # of three true segments, two are matched by the first and third prediction: 1 · 1/3 + 2/3 · 1/3
        (
            [A, A._replace(start=50, end=60, probability=0.8), A._replace(start=70, end=80, probability=0.7)],
            [A, A._replace(start=70, end=80), A._replace(start=90, end=99)],
            5 / 9, 5 / 9, 2 / 3,
        ),
    ],
)  # fmt: skip
def test_average_precision_matches_values_computed_by_hand(
    predicted: list[Segment], true: list[Segment], at_half: float, mean: float, f1: float
) -> None:
    metrics = score_segments(predicted, true)
    assert (metrics["map@0.5"], metrics["map"], metrics["f1@0.5"]) == pytest.approx((at_half, mean, f1))


def mmn(folder: Path, *arguments: object) -> Ended:
    return in_process("mmn", *map(str, arguments), cwd=folder)


@pytest.fixture
def long(small: SkeletonData, tmp_path: Path) -> Path:
    """A recording with nobody in its first 30 frames."""
    clips = np.concatenate([small.splits["test"].clip(i) for i in range(8)])
    padded = np.concatenate([np.full((30, 15, 2), np.nan, np.float32), clips])
    np.savez(tmp_path / "long.npz", interview=padded)
    return tmp_path


def test_segments_of_a_long_recording_are_written_and_scored(long: Path, small_checkpoint: Path) -> None:
    options = "long.npz", "--window", 16, "--stride", 4, "--fps", 10, "--threshold", 0.05
    for form in ("csv", "json", "vtt"):
        done = mmn(long, "predict", small_checkpoint, *options, "--segments", f"s.{form}")
        assert done.returncode == 0, done.stderr
    with (long / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "start", "end", "class", "probability"]
    assert min(float(row["start"]) for row in rows) == 3.0  # where the person comes into view
    frames = len(np.load(long / "long.npz")["interview"])
    assert max(float(row["end"]) for row in rows) == pytest.approx(frames / 10)
    cues = (long / "s.vtt").read_text().split("\n\n")
    assert (cues[0], len(cues)) == ("WEBVTT", 1 + len(rows))
    assert len(json.loads((long / "s.json").read_text())) == len(rows)
    scored = mmn(long, "score-segments", "s.csv", "s.csv")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["map"] == pytest.approx(1)


def test_finished_recordings_are_skipped(
    small: SkeletonData, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {f"r{i}": small.splits["test"].clip(i) for i in range(2)}
    np.savez(tmp_path / "a.npz", **clips)
    (tmp_path / "b.npz").write_bytes(b"broken")
    options = "predict", small_checkpoint, "a.npz", "b.npz", "--window", 8, "--stride", 2, "--threshold", 0.05
    assert mmn(tmp_path, *options, "--segments", "s.csv").returncode == 1
    before = (tmp_path / "s.csv").read_text()
    np.savez(tmp_path / "b.npz", r2=small.splits["test"].clip(2))
    seen: list[str] = []
    real = predict.segments_in
    monkeypatch.setattr(predict, "segments_in", lambda name, *more: (seen.append(name), real(name, *more))[1])
    done = mmn(tmp_path, *options, "--segments", "s.csv")
    assert (done.returncode, seen) == (0, ["r2"])
    after = (tmp_path / "s.csv").read_text()
    assert after.startswith(before)
    windows = "in windows of 8 frames (0.3 s at 30 frames per second)"
    assert done.stdout == f"s.csv: {len(after.splitlines()) - 1} segments of 3 recordings, {windows}\n"


def test_the_window_is_as_long_as_the_training_clips(run: Path, small: SkeletonData, small_checkpoint: Path) -> None:
    predictor = Predictor(run / "checkpoints" / "best.ckpt")
    assert predictor.window == int(np.median(small.splits["train"].lengths))
    assert Predictor(small_checkpoint).window == 64  # not recorded
    stream, clip = predictor.stream(), np.concatenate([small.splits["test"].clip(i) for i in range(3)])
    found = [stream(frame) for frame in clip][-1]
    np.testing.assert_allclose(found, predictor([clip[-predictor.window :]])[0], atol=1e-5)


def test_the_background_is_not_reported(long: Path, small: SkeletonData, small_checkpoint: Path) -> None:
    options = "predict", small_checkpoint, "long.npz", "--window", 16, "--threshold", 0.01, "--segments", "s.csv"
    for more, count in (([], 14), (["--background", small.classes.names[0]], 13)):
        assert mmn(long, *options, *more).returncode == 0
        with (long / "s.csv").open() as file:
            assert len({row["class"] for row in csv.DictReader(file)}) == count


def test_subtitles_escape_class_names(tmp_path: Path) -> None:
    write_segments(tmp_path / "s.vtt", [Segment("r", 1.5, 3723.25, ARM, 0.926)])
    expected = "WEBVTT\n\n00:00:01.500 --> 01:02:03.250\narm &lt;&amp;&gt; 93%\n"
    assert (tmp_path / "s.vtt").read_text() == expected


def test_elan_files_are_read_back(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan")
    segments = [Segment("r", 1.5, 3.0, ARM, 0.9), Segment("r", 2.0, 4.0, HEAD, 0.8), Segment("r", 5.0, 6.0, ARM, 0.7)]
    write_segments(tmp_path / "s.eaf", segments)
    read = elan.Eaf(str(tmp_path / "s.eaf"))
    times = {tier: [row[:2] for row in read.get_annotation_data_for_tier(tier)] for tier in read.get_tier_names()}
    assert times == {ARM: [(1500, 3000), (5000, 6000)], HEAD: [(2000, 4000)]}
    back = labels.read_segments(tmp_path / "s.eaf", 30.0)  # as mmn convert --labels does
    assert {(s.label, s.start, s.end) for s in back} == {(s.class_name, s.start, s.end) for s in segments}
    assert ElementTree.parse(tmp_path / "s.eaf").getroot().get("AUTHOR") == "mmn"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--segments", "s.txt"], "s.txt must end in"),
        (["--segments", "s.csv", "--output", "p.csv"], "give only one"),
        (["--segments", "s.csv", "--threshold", "0"], "--threshold is 0"),
        (["--segments", "s.csv", "--window", "1"], "a window of 1 frames"),
        (["--segments", "s.csv", "--window", "9" * 20], "a window of 99999"),
        (["--segments", "s.csv", "--stride", "9" * 20], "a stride of 99999"),
        (["--segments", "s.csv", "--smooth", "1e300"], "smoothing of 1e+300"),
        (["--segments", "s.csv", "--fps", "0"], "--fps is 0"),
        (["--segments", "s.csv", "--background", "nobody"], "--background is nobody, which is not a class"),
        (["other.npz", "--fps", "30", "--segments", "s.vtt"], "s.vtt can hold only one recording"),
        (["--window", "60"], "--window is for long recordings"),
        (["--stride", "8"], "--stride is for long recordings"),
    ],
)
def test_invalid_segment_requests_end_in_one_sentence(
    long: Path, small_checkpoint: Path, arguments: list[str], sentence: str
) -> None:
    shutil.copy(long / "long.npz", long / "other.npz")
    done = mmn(long, "predict", small_checkpoint, "long.npz", *arguments)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert sentence in done.stderr
    assert not list(long.glob("s.*"))


@pytest.mark.parametrize(
    ("predicted", "true", "sentence"),
    [
        ("name,start,end,class\nr,1,2,a", "name,start,end,class\nr,1,2,a", "start, end and probability must be"),
        ("name,start,end,class,probability\nr,1,2,a,1", "name,start,class\nr,1,a", "must name the columns"),
        ("name,start,end,class,probability\nr,2,1,a,1", "name,start,end,class\nr,1,2,a", "line 2: a segment from 2"),
        ("name,start,end,class,probability\nr,1,2,a,1", "name,start,end,label\nr,1,2,", "line 2 has no class"),
        ("name,start,end,class,probability\nr,1,2,a,1", "name,start,end,label\n", "there are no true segments"),
        ("name,start,end,class,probability\nr,1,2,a,1", "name,start,end,label\nr.mp4,1,2,a", "no recording in common"),
    ],
)
def test_invalid_segment_tables_end_in_one_sentence(tmp_path: Path, predicted: str, true: str, sentence: str) -> None:
    (tmp_path / "p.csv").write_text(predicted)
    (tmp_path / "t.csv").write_text(true)
    done = mmn(tmp_path, "score-segments", "p.csv", "t.csv")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert sentence in done.stderr
