"""Property tests: readers return the poses written, scores survive a round trip, samples stay inside their clip."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_files import FRAMES
from scipy.spatial.transform import Rotation
from test_estimators import CASES
from test_own_joint_names import sleap_csv, sleap_hdf5
from test_readers import HALPE, WHOLEBODY, write_alphapose, write_openpose, write_wholebody

from mmn.data.format.classes import Classes
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import SAMPLINGS, Sampling, frame_times
from mmn.data.sources.convert import read_source
from mmn.evaluation.scores import Scores, Source, read_scores, write_scores

Write = Callable[[Path, np.ndarray], Path]
"""Writes ``(people, T, P, C)`` to a folder; returns the source to read."""


def with_scores(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.full((*x.shape[:3], 1), 0.9, np.float32)], axis=3)


def official(folder: Path, x: np.ndarray) -> Path:
    content = {"annotations": [{"frame_dir": "clip", "keypoint": x}]}
    (folder / "train_data.pkl").write_bytes(pickle.dumps(content))
    (folder / "train_label.pkl").write_bytes(pickle.dumps([{"file_name": "clip", "label": 1}]))
    return folder


def alphapose(folder: Path, x: np.ndarray) -> Path:
    write_alphapose(folder / "clip.json", with_scores(x))
    return folder


def openpose(folder: Path, x: np.ndarray) -> Path:
    write_openpose(folder / "clip", with_scores(x))
    return folder


def mmpose(folder: Path, x: np.ndarray) -> Path:
    write_wholebody(folder / "clip.json", with_scores(x), wrapped=True)
    return folder


def sleap(write: Callable[[Path, np.ndarray], None]) -> Write:
    def both(folder: Path, x: np.ndarray) -> Path:
        write(folder / "clip", np.concatenate([x, np.full_like(x, np.nan)]))
        return folder

    return both


def deeplabcut(folder: Path, x: np.ndarray) -> Path:
    rows = [f"{row}," + ",".join(f"{name}" for name in names) for row, names in (
        ("scorer", ["DLC"] * 9), ("bodyparts", np.repeat(["a", "b", "c"], 3)), ("coords", ["x", "y", "likelihood"] * 3)
    )]  # fmt: skip
    rows += [f"{t}," + ",".join(map(str, frame.ravel().tolist())) for t, frame in enumerate(with_scores(x)[0])]
    (folder / "clip.csv").write_text("\n".join(rows) + "\n")
    return folder


def bvh(folder: Path, x: np.ndarray) -> Path:
    """A chain of three joints, each turned at random: positions are written in the frame of the turned parent."""
    lines, angles = ["HIERARCHY"], np.random.default_rng(0).uniform(-180, 180, (FRAMES, 3, 3))
    for joint, order in enumerate(("ZXY", "XYZ", "YZX")):
        turns = " ".join(f"{axis}rotation" for axis in order)
        lines += [f"{'JOINT' if joint else 'ROOT'} joint{joint} {{", "OFFSET 1.0 2.0 3.0",
                  f"CHANNELS 6 Xposition Yposition Zposition {turns}"]  # fmt: skip
    lines += ["End Site {", "OFFSET 0.0 0.0 1.0", *"}}}}", "MOTION", f"Frames: {FRAMES}", "Frame Time: 0.04"]
    for pose, turn in zip(x[0].astype(np.float64), angles, strict=True):
        values, parent = [], Rotation.identity()
        for joint, order in enumerate(("ZXY", "XYZ", "YZX")):
            values += [*parent.inv().apply(pose[joint] - (pose[joint - 1] if joint else 0)), *turn[joint]]
            parent = parent * Rotation.from_euler(order, turn[joint], degrees=True)
        lines.append(" ".join(f"{value:.9f}" for value in values))
    (folder / "clip.bvh").write_text("\n".join(lines) + "\n")
    return folder


def c3d(folder: Path, x: np.ndarray) -> Path:
    file = pytest.importorskip("ezc3d").c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [25]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["a", "b", "c"]
    file["data"]["points"] = np.concatenate([x[0].T, np.ones((1, 3, FRAMES))]).astype(np.float64)  # (4, P, T)
    file.write(str(folder / "clip.c3d"))
    return folder


KNOWN = [joint for joint in range(44) if WHOLEBODY[joint] >= 0]
READERS: dict[str, tuple[Write, str, int, int, list[int], list[int], dict]] = {
    case[0].__name__: (case[0], "auto", case[3], case[4], list(range(case[3])), list(range(case[3])), case[5])
    for case in CASES
} | {
    "official": (official, "jhmdb", 15, 2, list(range(15)), list(range(15)), {}),
    "alphapose": (alphapose, "ma52", 136, 2, list(range(44)), HALPE, {}),
    "openpose": (openpose, "body25", 137, 2, list(range(25)), list(range(25)), {}),
    "mmpose": (mmpose, "ma52", 133, 2, KNOWN, [WHOLEBODY[joint] for joint in KNOWN], {}),
    "deeplabcut": (deeplabcut, "auto", 3, 2, [0, 1, 2], [0, 1, 2], {}),
    "bvh": (bvh, "auto", 3, 3, [0, 1, 2], [0, 1, 2], {}),
    "c3d": (c3d, "auto", 3, 3, [0, 1, 2], [0, 1, 2], {}),
    "sleap_hdf5": (sleap(sleap_hdf5), "auto", 3, 2, [0, 1, 2], [0, 1, 2], {}),
    "sleap_csv": (sleap(sleap_csv), "auto", 3, 2, [0, 1, 2], [0, 1, 2], {}),
}
"""Writer, layout, numbers of points and axes written, joints of the clip with their points, and options."""


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.3, 2.0), shift=st.floats(0.0, 400.0))
def test_readers_return_the_poses_written(
    name: str, seed: int, scale: float, shift: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write, layout, points, axes, joints, written, options = READERS[name]
    x = (np.random.default_rng(seed).uniform(1, 300, (1, FRAMES, points, axes)) * scale + shift).astype(np.float32)
    source = write(tmp_path_factory.mktemp("source"), x)
    (clips,) = read_source(source, layout, **options).data.splits.values()
    assert len(clips) == 1
    rough = 1e-3 if name == "pyskl_ntu" else 1e-6  # in half precision
    np.testing.assert_allclose(clips.clip(0)[:, joints], x[0][:, written], rtol=rough, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=5),
    count=st.integers(1, 130),
    name=st.sampled_from(SAMPLINGS),
    strength=st.floats(0.0, 3.0),
    seed=st.integers(0, 2**31),
)
def test_sampled_frames_are_in_order_inside_their_clip_and_do_not_depend_on_other_clips(
    lengths: list[int], count: int, name: str, strength: float, seed: int
) -> None:
    sampling, batch, index = Sampling(name, strength), torch.tensor(lengths), torch.arange(len(lengths))
    training = sampling.training(batch, count, Draws(seed, 3, index), 0)
    evaluation = sampling.evaluation(batch, count)
    for frames in (training, evaluation):
        assert frames.shape == (len(lengths), count)
        assert (frames.diff(dim=1) >= 0).all()
        assert (frames >= 0).all()
        assert (frames <= (batch - 1).unsqueeze(1)).all()
        assert sampling.interpolates or (frames == frames.floor()).all()
        times = frame_times(frames, batch)
        assert times.dtype == torch.float32
        assert ((times >= -1) & (times < 1)).all()
    last = slice(len(lengths) - 1, None)
    assert torch.equal(training[last], sampling.training(batch[last], count, Draws(seed, 3, index[last]), 0))
    assert torch.equal(evaluation[last], sampling.evaluation(batch[last], count))


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=8, unique=True),
    classes=st.lists(NAMES, min_size=2, max_size=7, unique=True),
    grouped=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_scores_survive_a_round_trip(
    names: list[str], classes: list[str], grouped: bool, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng, k = np.random.default_rng(seed), len(classes)
    of = Classes(classes, rng.integers(0, 2, k).tolist() if grouped else [], ["g", "h"] if grouped else [])
    logits = (rng.normal(size=(len(names), k)) * 10.0 ** rng.integers(-3, 4)).astype(np.float32)
    source = Source(("a.ckpt",), "x.h5", "test", record={"seed": seed})
    people = [f"p{i}" for i in rng.integers(0, 3, len(names))] if grouped else None
    scores = Scores(names, rng.integers(-1, k, len(names)), logits, of, source, people)
    path = tmp_path_factory.mktemp("scores") / "scores.h5"
    write_scores(path, scores)
    again = read_scores(path)
    assert (again.names, again.classes, again.source, again.groups) == (names, of, source, people)
    np.testing.assert_array_equal(again.labels, scores.labels)
    np.testing.assert_array_equal(again.logits, logits)
