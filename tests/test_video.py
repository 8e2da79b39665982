"""Videos: poses are estimated once and kept, and predictions drawn on the video."""

import csv
import json
import urllib.error
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from commands import Ended, in_process

import mmn
from mmn.data.format.classes import Classes
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.sources import video
from mmn.errors import UserError
from mmn.inference.checkpoint import KEY
from mmn.inference.stream import MMN_TARGET, Stream

FRAMES, SIZE = 12, (160, 120)
POINTS = np.random.default_rng(0).uniform(20, 100, (133, 2))


def moved(frame: int) -> np.ndarray:
    """The points in frame N of the test video."""
    return POINTS + np.array([frame, 0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint for COCO's points, and a video whose frames differ in their grey level."""
    cv2 = pytest.importorskip("cv2")
    layout = load_layout("coco17")
    network = mmn.MMN(17, 3, num_frames=8, width=16, depth=1)
    classes = Classes(["nod", "wave", "sit"], [], [])
    stream = Stream(Preprocessing(Modality("joint"), 8), layout, classes, MMN_TARGET, network.config)
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, KEY: {"stream": stream.as_dict()}}, tmp_path / "x.ckpt")
    make(cv2, tmp_path / "a.mp4")
    return tmp_path


def make(cv2, path: Path, frames: int = FRAMES) -> None:  # type: ignore[no-untyped-def]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, SIZE)
    for number in range(frames):
        writer.write(np.full((*SIZE[::-1], 3), 20 * number, np.uint8))
    writer.release()


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A fake estimator for the test video; the list collects the numbers of the frames it is given."""
    shown: list[int] = []

    def estimate(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shown.append(round(picture.mean() / 20))
        other = 0.5 * moved(3)  # another person with lower scores
        return np.stack([moved(shown[-1]), other]), np.stack([np.full(133, 0.9), np.full(133, 0.4)])

    monkeypatch.setattr(video, "whole_body", lambda device: estimate)
    return shown


def predict(folder: Path, *arguments: object) -> Ended:
    return in_process("mmn", "predict", "x.ckpt", *map(str, arguments), cwd=folder)


def test_the_poses_of_a_video_are_estimated_once(folder: Path, estimated: list[int]) -> None:
    done = predict(folder, "a.mp4", "--output", "p.csv", "--top", 1)
    assert done.returncode == 0, done.stderr
    assert "other people were left out" in done.stderr
    assert estimated == list(range(FRAMES))
    clip = np.stack([moved(frame)[:17] for frame in range(FRAMES)]).astype(np.float32)
    expected = mmn.Predictor(folder / "x.ckpt")([clip])[0]
    with (folder / "p.csv").open() as file:
        [row] = csv.DictReader(file)
    assert (row["name"], float(row["probability"])) == ("a", pytest.approx(expected.max(), abs=1e-4))
    kept = json.loads((folder / "poses" / "a.json").read_text())
    assert kept["fps"] == 10
    assert predict(folder, "a.mp4").returncode == 0
    assert len(estimated) == FRAMES  # not again
    make(pytest.importorskip("cv2"), folder / "a.mp4", frames=5)
    assert predict(folder, "a.mp4").returncode == 0
    assert len(estimated) == FRAMES + 5  # the video has changed
    assert [path.name for path in (folder / "poses").iterdir()] == ["a.json"]


def test_videos_of_the_same_name_keep_their_own_poses(folder: Path, estimated: list[int]) -> None:
    for place, frames in (("one", FRAMES), ("two", 5)):
        (folder / place).mkdir()
        make(pytest.importorskip("cv2"), folder / place / "a.mp4", frames)
    for _ in range(2):
        assert predict(folder, "one/a.mp4", "two/a.mp4", "--poses", "kept", "--output", "p.csv").returncode == 0
        assert len(estimated) == FRAMES + 5
        (folder / "p.csv").unlink()
    assert sorted(path.name for path in (folder / "kept").iterdir()) == ["a-2.json", "a.json"]


def test_times_follow_the_frame_rate_of_the_video(folder: Path, estimated: list[int]) -> None:
    asked = "a.mp4", "--segments", "s.csv", "--window", 8, "--threshold", 0.01, "--poses", "elsewhere"
    assert predict(folder, *asked).returncode == 0
    with (folder / "s.csv").open() as file:
        assert {(row["start"], row["end"]) for row in csv.DictReader(file)} == {("0.0", "1.2")}
    assert (folder / "elsewhere" / "a.json").exists()


def test_an_overlay_shows_the_skeleton_frame_by_frame(folder: Path, estimated: list[int]) -> None:
    done = predict(folder, "a.mp4", "--overlay", "o.mp4")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "o.mp4"), done.stderr
    before, after = (list(video.Video(folder / name)) for name in ("a.mp4", "o.mp4"))
    assert len(after) == FRAMES
    layout = load_layout("coco17")
    for frame in (0, FRAMES - 1):
        changed = np.abs(after[frame].astype(int) - before[frame]).max(axis=2) > 40
        x, y = np.rint(moved(frame)[layout.joints.index("left_ankle")]).astype(int)
        assert changed[y, x]
        assert changed.mean() < 0.5
    assert video.Video(folder / "o.mp4").fps == pytest.approx(10)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.mp4"], "there is no file none.mp4; give a video"),
        (["text.mp4"], "text.mp4 is not a video that OpenCV can read"),
        (["a.mp4", "--overlay", "o.avi"], "o.avi must end in .mp4"),
        (["a.mp4", "--overlay", "a.mp4"], "a.mp4 is the source"),
        (["x.ckpt", "--overlay", "o.mp4"], "--overlay is for one video"),
        (["a.mp4", "--overlay", "o.mp4", "--person", "all"], "--overlay shows one person"),
    ],
)
def test_invalid_video_requests_are_refused(
    folder: Path, estimated: list[int], arguments: list[str], sentence: str
) -> None:
    (folder / "text.mp4").write_text("no video")
    done = predict(folder, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]
    assert not (folder / "o.mp4").exists()


def stand_in(error: Exception) -> Callable[[str], object]:
    """An ``import_module`` whose estimator raises ``error``."""

    def fail(**options: str) -> None:
        raise error

    fail.MODE = {"balanced": {"det": "https://a/det.zip", "pose": "https://a/pose.zip"}}  # type: ignore[attr-defined]
    return lambda name: SimpleNamespace(Wholebody=fail)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    offline = urllib.error.URLError(OSError(-2, "Name or service not known"))
    monkeypatch.setattr(video, "import_module", stand_in(offline))
    with pytest.raises(UserError) as error:
        video.whole_body("cpu")
    assert str(error.value) == (
        "the pose estimator's weights cannot be downloaded (Name or service not known); on a machine with a network, "
        "download https://a/det.zip and https://a/pose.zip, and copy them to ~/.cache/rtmlib/hub/checkpoints here."
    )


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(video, "import_module", missing)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match=r"videos need cv2, which is not installed; run pip install -e '\.\[video\]'"):
        video.Video(tmp_path / "a.mp4")
