"""Interpolation of missing joints, and degenerate clips."""

import numpy as np
import pytest
from conftest import reference

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.prepare import prepare
from mmn.data.sources.convert import convert
from mmn.data.sources.fill import fill_missing
from mmn.errors import UserError

JHMDB = load_layout("jhmdb")


def clips_with(*gaps: tuple[slice | int, slice | int]) -> tuple[np.ndarray, Clips]:
    clip = np.arange(8 * 15 * 2, dtype=np.float32).reshape(8, 15, 2) ** 2
    holes = clip.copy()
    for frames, joints in gaps:
        holes[frames, joints] = np.nan
    return clip, Clips.from_arrays([clip, holes])


def test_gaps_are_interpolated_and_ends_held_constant() -> None:
    clip, holes = clips_with((slice(2, 4), 7), (slice(0, 1), 3), (slice(6, 8), 4))
    filled = fill_missing(holes, JHMDB, "a test")
    third = clip[1, 7] + (clip[4, 7] - clip[1, 7]) / 3
    np.testing.assert_allclose(filled.clip(1)[2, 7], third, rtol=1e-6)
    np.testing.assert_array_equal(filled.clip(1)[0, 3], clip[1, 3])
    np.testing.assert_array_equal(filled.clip(1)[6:, 4], clip[[5, 5], 4])
    np.testing.assert_array_equal(filled.clip(0), clip)
    assert filled.filled.sum() == 5
    known = ~filled.filled[8:]
    np.testing.assert_array_equal(filled.clip(1)[known], clip[known])


def test_one_missing_coordinate_is_a_missing_joint() -> None:
    clip, holes = clips_with()
    holes.keypoints[8 + 3, 2, 1] = np.nan
    filled = fill_missing(holes, JHMDB, "a test")
    np.testing.assert_allclose(filled.clip(1)[3, 2], clip[[2, 4], 2].mean(axis=0), rtol=1e-6)


def test_a_joint_never_seen_takes_the_position_of_the_nearest_along_the_bones() -> None:
    wrist, elbow = JHMDB.joints.index("left_wrist"), JHMDB.joints.index("left_elbow")
    clip, holes = clips_with((slice(None), [wrist]))
    np.testing.assert_array_equal(fill_missing(holes, JHMDB, "a test").clip(1)[:, wrist], clip[:, elbow])
    clip, holes = clips_with((slice(None), [wrist, elbow]))
    shoulder = JHMDB.joints.index("left_shoulder")
    np.testing.assert_array_equal(fill_missing(holes, JHMDB, "a test").clip(1)[:, wrist], clip[:, shoulder])


def test_a_joint_without_bones_takes_the_mean_of_the_others() -> None:
    layout = Layout(["a", "b", "c"], [(0, 1)], {"all": [0, 1, 2]}, 0, [])
    clip = np.array([[[0, 0], [2, 4], [np.nan, np.nan]]], np.float32)
    assert fill_missing(Clips.from_arrays([clip]), layout, "a test").clip(0)[0, 2].tolist() == [1, 2]


def test_a_clip_without_any_joint_is_refused() -> None:
    _, holes = clips_with((slice(None), slice(None)))
    with pytest.raises(UserError, match="a test: clip clip0001 has no joint in any frame"):
        fill_missing(holes, JHMDB, "a test")


def test_real_gaps_are_filled_and_known_joints_unchanged(tmp_path) -> None:
    folder = reference("data/ma52_demo")
    options = {"layout": "ma52", "format": "arrays", "labels": folder / "labels.csv"}
    with pytest.raises(UserError, match=r"clip 0030_01_0002, frame 0, joint 17 \(head_top\) is missing \(3121 of"):
        convert(folder / "keypoints.npz", tmp_path / "x.h5", **options)
    assert not (tmp_path / "x.h5").exists()
    convert(folder / "keypoints.npz", tmp_path / "x.h5", missing="interpolate", **options)
    clips = read_data(tmp_path / "x.h5").splits["test"]
    assert int(clips.filled.sum()) == 3121
    original = np.load(folder / "keypoints.npz")
    for i, name in enumerate(clips.names):
        known = ~np.isnan(original[name])
        np.testing.assert_array_equal(clips.clip(i)[known], original[name][known])


@pytest.mark.parametrize("modality", ["joint", "bone", "joint_motion", "bone_motion"])
@pytest.mark.parametrize(
    "clip",
    [
        np.random.default_rng(0).normal(size=(1, 15, 2)),
        np.random.default_rng(0).normal(size=(10_000, 15, 2)),
        np.full((20, 15, 2), 7.0),
        np.zeros((1, 15, 3)),
    ],
    ids=["one frame", "10,000 frames", "constant", "all zero, 3D"],
)
def test_degenerate_clips_are_prepared_to_finite_values_in_range(clip: np.ndarray, modality: str) -> None:
    x, times = prepare([clip], "jhmdb", modality)
    assert x.shape == (1, 64, 15, clip.shape[2])
    assert x.isfinite().all()
    assert x.abs().max() <= 2
    assert times.min() >= -1
    assert times.max() < 1


def test_a_constant_clip_is_minus_one_everywhere() -> None:
    x, _ = prepare([np.full((20, 15, 2), 7.0)], "jhmdb")
    assert (x == -1).all()


def test_a_clip_of_one_frame_is_repeated_64_times() -> None:
    x, times = prepare([np.random.default_rng(0).normal(size=(1, 15, 2))], "jhmdb")
    assert (x == x[:, :1]).all()
    assert (times == -1).all()
