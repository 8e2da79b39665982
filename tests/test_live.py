"""Live recognition: after each frame, a prediction for the window of the last frames."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Ended, in_process

import mmn
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.prepare import prepare_as
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.errors import UserError
from mmn.inference.checkpoint import load_checkpoint
from mmn.inference.live import LiveWindow


class Echo(torch.nn.Module):
    """Its logits are its input."""

    def forward(self, clips: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return torch.cat([clips.flatten(1), times], dim=1)


WAYS = [
    Preprocessing(Modality("joint"), 16),
    Preprocessing(Modality("bone_motion"), 16, "aspect", Sampling("strata")),
    Preprocessing(Modality("all", "tree", (1, 4)), 16, "person", Sampling("warp")),
    Preprocessing(Modality("joint_motion"), 16, "person"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.modality.name}_{way.normalisation}_{way.sampling.name}")
@pytest.mark.parametrize("window", [1, 16, 20])
def test_the_window_is_processed_like_a_clip(
    small: SkeletonData, small_checkpoint: Path, way: Preprocessing, window: int
) -> None:
    stream = load_checkpoint(small_checkpoint).stream
    live = LiveWindow(Echo(), replace(stream, preprocessing=way), window, "cpu")
    frames = (
        1e3 + 50 * np.concatenate([small.splits["test"].clip(i) for i in range(4)])[:45]
    )  # enough to wrap the buffer
    for end, frame in enumerate(frames, start=1):
        expected = Echo()(*prepare_as(way, [frames[max(0, end - window) : end]], small.layout))[0]
        np.testing.assert_allclose(live(frame), expected, atol=1e-5)


def echoing(*checkpoints: Path) -> mmn.Predictor:
    """A predictor whose answers change with the slightest change of the input, unlike those of an untrained network."""
    predictor = mmn.Predictor(*checkpoints)
    for member in predictor._members:
        member.network = Echo()
    return predictor


def test_an_ensemble_in_another_layout(small: SkeletonData, small_checkpoint: Path) -> None:
    order = np.random.default_rng(0).permutation(15)
    theirs = replace(small.layout, joints=[small.layout.joints[i] for i in order])
    predictor = echoing(small_checkpoint, small_checkpoint)
    clip = small.splits["test"].clip(0)
    stream = predictor.stream(8, theirs)
    found = [stream(frame[order]) for frame in clip][-1]
    np.testing.assert_allclose(found, predictor([clip[-8:]])[0], rtol=1e-5)


def test_a_missing_joint_keeps_its_last_position(small: SkeletonData, small_checkpoint: Path) -> None:
    predictor, clip = echoing(small_checkpoint), small.splits["test"].clip(0)[:9].copy()
    shown = clip.copy()
    shown[0, 3] = shown[4, 7, 1] = np.nan
    clip[4, 7] = clip[3, 7]
    stream = predictor.stream()
    answers = [stream(frame) for frame in shown]
    assert answers[0] is None  # joint 3 was never seen
    np.testing.assert_allclose(answers[-1], predictor([clip[1:]])[0], rtol=1e-5)


def test_a_joint_that_is_never_seen_is_taken_to_be_at_its_neighbour(
    small: SkeletonData, small_checkpoint: Path
) -> None:
    predictor, clip = echoing(small_checkpoint), small.splits["test"].clip(0)[:6].copy()
    wrist, elbow = (small.layout.joints.index(name) for name in ("right_wrist", "right_elbow"))
    shown = clip.copy()
    shown[:, wrist] = shown[1] = np.nan  # and nobody is seen in frame 1
    clip[:, wrist], clip[1] = clip[:, elbow], clip[0]
    stream = predictor.stream(3)
    answers = [stream(frame) for frame in shown]
    assert [answer is None for answer in answers] == [True, True, True, False, False, False]
    clip[1, wrist] = clip[0, elbow]
    np.testing.assert_allclose(answers[-1], predictor([clip[3:]])[0], rtol=1e-5)


def test_joints_that_the_network_does_not_use_are_not_waited_for(small: SkeletonData, small_checkpoint: Path) -> None:
    layout = small.layout
    more = replace(layout, joints=[*layout.joints, "hat"], parts={**layout.parts, "hat": [layout.num_joints]})
    stream = mmn.Predictor(small_checkpoint).stream(4, more)
    frame = small.splits["test"].clip(0)[0]
    assert stream(np.concatenate([frame, np.full((1, 2), np.nan)])) is not None


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (np.zeros((14, 2)), r"a frame has shape \(14, 2\) instead of \(15 joints, coordinates\)"),
        (np.zeros((15, 3)), r"a frame has shape \(15, 3\) instead of"),
        (np.zeros(15), r"a frame has shape \(15,\) instead of"),
        (np.full((15, 2), np.inf), "a coordinate beyond 1e"),
    ],
)
def test_invalid_frames_are_refused(
    small: SkeletonData, small_checkpoint: Path, frame: np.ndarray, sentence: str
) -> None:
    stream = mmn.Predictor(small_checkpoint).stream()
    stream(small.splits["test"].clip(0)[0])
    with pytest.raises(UserError, match=sentence):
        stream(frame)


def test_invalid_streams_are_refused(small: SkeletonData, small_checkpoint: Path) -> None:
    predictor = mmn.Predictor(small_checkpoint)
    with pytest.raises(UserError, match="a window of 0 frames is empty"):
        predictor.stream(0)
    with pytest.raises(UserError, match="was not trained on clips in 3D"):
        predictor.stream()(np.zeros((15, 3)))
    with pytest.raises(UserError, match="has no neck, belly"):
        predictor.stream(layout="coco17")


def ask(
    monkeypatch: pytest.MonkeyPatch, folder: Path, checkpoint: Path, lines: list[Any], *more: str, coded: bool = True
) -> Ended:
    text = "\n".join(json.dumps(line) if coded else line for line in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return in_process("mmn", "predict", str(checkpoint), "-", *more, cwd=folder)


def test_each_frame_gets_an_answer(
    small: SkeletonData, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = small.splits["test"].clip(0)[:9]
    frames: list[Any] = [{"keypoints": clip[0].tolist()}, *clip[1:].tolist()]
    frames[0]["keypoints"][3] = None
    done = ask(monkeypatch, tmp_path, small_checkpoint, frames, "--window", "4", "--top", "2")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["frame"] for answer in answers] == list(range(9))
    assert answers[0]["likeliest"] == []  # joint 3 was never seen
    expected = mmn.Predictor(small_checkpoint)([clip[5:9]])[0]
    found = answers[-1]["likeliest"]
    assert [one["index"] for one in found] == np.argsort(-expected)[:2].tolist()
    assert [one["class"] for one in found] == [small.classes.names[one["index"]] for one in found]
    assert [one["probability"] for one in found] == pytest.approx(np.sort(expected)[:-3:-1], abs=1e-5)
    assert min(answer["ms"] for answer in answers) > 0
    assert done.stderr.startswith("9 frames: ")


def test_nobody_in_view_and_empty_lines_do_not_end_a_stream(
    small: SkeletonData, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = small.splits["test"].clip(0)[:2].tolist()
    lines = [json.dumps(first), "", json.dumps([None] * 15), json.dumps(second), "[[]]"]
    done = ask(monkeypatch, tmp_path, small_checkpoint, lines, "--top", "1", coded=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["frame"] for answer in answers] == [0, 1, 2]
    assert all(answer["likeliest"] for answer in answers)
    assert "3 frames: " in done.stderr  # although it ended in an error
    assert "line 5 of the stream" in done.stderr


def test_nothing_is_recognised_once_nobody_is_in_view(small: SkeletonData, small_checkpoint: Path) -> None:
    stream, clip = mmn.Predictor(small_checkpoint).stream(window=8), small.splits["test"].clip(0)[:20]
    nobody = np.full_like(clip[0], np.nan)
    for frame in clip[:9]:
        stream(frame.tolist())
    assert [stream(nobody) is None for _ in range(9)] == [False] * 4 + [True] * 5
    found = [stream(frame) for frame in clip[9:12]][-1]  # only of the frames since the return
    np.testing.assert_allclose(found, mmn.Predictor(small_checkpoint)([clip[9:12].tolist()])[0], atol=1e-5)


def test_unlikely_frames_are_none_of_these(run: Path, small: SkeletonData, tmp_path: Path, monkeypatch) -> None:
    frames = small.splits["test"].clip(0)[:1].tolist()
    best = run / "checkpoints" / "best.ckpt"
    done = ask(monkeypatch, tmp_path, best, frames, "--coverage", "0.000001", "--top", "1")
    assert json.loads(done.stdout)["likeliest"][0]["class"] == "none of these"


@pytest.mark.parametrize(
    ("lines", "more", "sentence"),
    [
        ([], (), "there are no frames on stdin"),
        (["[[1, 2"], (), "line 1 of the stream: it is not a frame (Expecting ',' delimiter"),
        (["7"], (), "line 1 of the stream: it is not a frame ('int' object is not iterable)"),
        (["null"], (), "it is not a frame"),
        (["{}"], (), "it is not a frame ('keypoints')"),
        (["[]"], (), "a frame has shape (0,)"),
        (["[null]"], (), "a frame has shape (1, 2) instead of (15 joints"),
        (['[["a", "b"]]'], (), "it is not a frame (could not convert string to float"),
        (["[[1, 2], [3]]"], (), "it is not a frame (setting an array element"),
        (["[" * 200_000], (), "it is not a frame"),
        (["[[1, 2]]"], (), "a frame has shape (1, 2) instead of (15 joints"),
        ([json.dumps([[1e300, 1]] * 15)], (), "a coordinate beyond"),
        ([f"[[{'9' * 400}, 1]]"], (), "it is not a frame (int too large to convert to float"),
        (["[[1, 2]]"], ("--output", "p.csv"), "leave --output out"),
        (["[[1, 2]]"], ("--segments", "p.csv"), "leave --segments out"),
        (["[[1, 2]]"], ("other.npz",), "leave the other sources out"),
        (["[[1, 2]]"], ("--stride", "5"), "--stride does not apply to frames on stdin"),
        (["[[1, 2]]"], ("--zeros", "keep"), "--zeros does not apply to frames on stdin"),
        (["[[1, 2]]"], ("--window", "0"), "a window of 0 frames"),
    ],
)
def test_invalid_live_requests_end_in_one_sentence(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], more: tuple[str, ...],
    sentence: str,
) -> None:  # fmt: skip
    done = ask(monkeypatch, tmp_path, small_checkpoint, lines, *more, coded=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert sentence in done.stderr
