"""Sources with their own joint names: motion capture, DeepLabCut and SLEAP."""

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from pose_files import FRAMES, walk

from mmn.data.sources.convert import convert
from mmn.data.sources.formats import recognise
from mmn.errors import UserError

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 2 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 3 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.033
10 20 30 0 0 0 0 0 0
10 20 30 90 0 0 90 0 0
"""


def test_bvh_rotates_joints_about_their_parents(tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(BVH)
    data = convert(tmp_path / "walk.bvh", tmp_path / "x.h5", "auto")
    assert data.layout.joints == ["Hips", "LeftLeg", "LeftLeg_end"]
    assert sorted(data.layout.bones) == [(0, 1), (2, 1)]
    clip = data.splits["test"].clip(0)
    np.testing.assert_allclose(clip[0], [[10, 20, 30], [12, 20, 30], [12, 23, 30]], atol=1e-5)
    np.testing.assert_allclose(clip[1], [[10, 20, 30], [10, 22, 30], [10, 19, 30]], atol=1e-5)


def test_occluded_c3d_markers_are_missing(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["LASI", "RASI", "SACR"]
    points = np.ones((4, 3, 5))
    points[:3] = np.arange(45).reshape(3, 3, 5)
    points[:3, 1, 2] = np.nan
    file["data"]["points"] = points
    file.write(str(tmp_path / "walk.c3d"))
    data = convert(tmp_path / "walk.c3d", tmp_path / "x.h5", "auto", missing="interpolate")
    clips = data.splits["test"]
    assert data.layout.joints == ["LASI", "RASI", "SACR"]
    np.testing.assert_allclose(
        clips.clip(0), np.moveaxis(np.arange(45).reshape(3, 3, 5), 0, 2).swapaxes(0, 1), atol=1e-3
    )
    assert np.argwhere(clips.filled).tolist() == [[2, 1]]


DLC = [("DLC", part, axis) for part in ("snout", "leftear", "rightear") for axis in ("x", "y", "likelihood")]


def dlc_values() -> np.ndarray:
    values = np.arange(5 * 9, dtype=float).reshape(5, 9)
    values[:, 2::3] = 0.9
    return values


def dlc_csv(path: Path) -> None:
    rows = [[name, *(column[i] for column in DLC)] for i, name in enumerate(("scorer", "bodyparts", "coords"))]
    rows += [[t, *row] for t, row in enumerate(dlc_values())]
    path.with_suffix(".csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


def dlc_hdf5(path: Path) -> None:
    table = np.zeros(5, [("index", "<i8"), ("values_block_0", "<f8", (9,))])
    table["index"], table["values_block_0"] = np.arange(5), dlc_values()
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        dataset = file.create_dataset("df_with_missing/table", data=table)
        dataset.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(DLC, 0))


@pytest.mark.parametrize("write", [dlc_csv, dlc_hdf5])
def test_deeplabcut_defines_the_layout(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "source").mkdir()
    write(tmp_path / "source" / "mouse")
    assert recognise(tmp_path / "source") == "deeplabcut"
    data = convert(tmp_path / "source", tmp_path / "x.h5", "auto")
    assert data.layout.joints == ["snout", "leftear", "rightear"]
    assert data.layout.flip_pairs == [(1, 2)]
    assert len(data.layout.bones) == 2
    np.testing.assert_array_equal(data.splits["test"].clip(0)[4], [[36, 37], [39, 40], [42, 43]])


def test_hostile_pickled_column_names_are_refused(tmp_path: Path) -> None:
    dlc_hdf5(tmp_path / "mouse")
    with h5py.File(tmp_path / "mouse.h5", "a") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.bytes_(b"cos\nsystem\n(S'touch x'\ntR.")
    with pytest.raises(UserError, match=r"it names os.system.*no code in it was executed"):
        convert(tmp_path / "mouse.h5", tmp_path / "x.h5", "auto", format="deeplabcut")


def elsewhere(file: h5py.File) -> None:
    """The table of another file."""
    del file["df_with_missing"]
    file["df_with_missing"] = h5py.ExternalLink("other.h5", "/df_with_missing")


def inflating(file: h5py.File) -> None:
    """A chunk of a few kilobytes that inflates to megabytes."""
    dtype, kind = file["df_with_missing/table"].dtype, file["df_with_missing/table"].attrs["values_block_0_kind"]
    del file["df_with_missing/table"]
    table = file.create_dataset("df_with_missing/table", (5,), dtype, chunks=(5,), compression="gzip")
    table.attrs["values_block_0_kind"] = kind
    table.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 24)))


def scattered(file: h5py.File) -> None:
    """A person and a body part of its own for each of many columns."""
    columns = [("DLC", f"person{n}", f"part{n}", "x") for n in range(20_000)]
    dtype = [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))]
    del file["df_with_missing/table"]
    table = file.create_dataset("df_with_missing/table", data=np.zeros(1, dtype))
    table.attrs.create("values_block_0_kind", np.bytes_(pickle.dumps(columns, 0)))


@pytest.mark.parametrize(
    ("make", "message"),
    [(elsewhere, "is a link"), (inflating, "unpack to more"), (scattered, "is not a DeepLabCut result")],
)
def test_hostile_tables_are_refused(make: Callable, message: str, tmp_path: Path) -> None:
    dlc_hdf5(tmp_path / "other")
    dlc_hdf5(tmp_path / "mouse")
    with h5py.File(tmp_path / "mouse.h5", "a", libver="latest") as file:
        make(file)
    with pytest.raises(UserError, match=message):
        convert(tmp_path / "mouse.h5", tmp_path / "x.h5", "auto", format="deeplabcut")


def sleap_hdf5(path: Path, x: np.ndarray) -> None:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.create_dataset("tracks", data=np.moveaxis(x, (0, 1, 2, 3), (0, 3, 2, 1)), compression="gzip")
        file.create_group("tracks_index/_i_x").create_dataset("sorted", (9,), "f4", chunks=(3,))  # never read
        file["node_names"] = [b"head", b"thorax", b"tail"]
        file["point_scores"] = np.full((2, 3, FRAMES), 0.9)
        file["edge_inds"] = [[0, 1], [1, 2]]


def sleap_csv(path: Path, x: np.ndarray) -> None:
    nodes = ("head", "thorax", "tail")
    rows = ["track,frame_idx,instance.score," + ",".join(f"{n}.x,{n}.y,{n}.score" for n in nodes)]
    for m in range(2):
        for t in range(FRAMES):
            if np.isfinite(x[m, t]).all():
                rows.append(f"track_{m},{t},0.9," + ",".join(f"{a},{b},0.9" for a, b in x[m, t].tolist()))
    path.with_suffix(".csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("write", [sleap_hdf5, sleap_csv])
def test_sleap_defines_the_layout_and_its_tracks_are_used(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "source").mkdir()
    x = walk(3, people=2)
    x[1, 3:] = np.nan
    write(tmp_path / "source" / "flies", x)
    assert recognise(tmp_path / "source") == "sleap"
    data = convert(tmp_path / "source", tmp_path / "x.h5", "auto", person="longest")
    assert data.layout.joints == ["head", "thorax", "tail"]
    np.testing.assert_allclose(data.splits["test"].clip(0), x[0], rtol=1e-6)
    assert "1 other people" in data.source


def dlc_animals(path: Path, x: np.ndarray) -> None:
    columns = [("DLC", f"animal{m}", part, axis) for m in range(2) for part in ("head", "thorax", "tail")
               for axis in ("x", "y", "likelihood")]  # fmt: skip
    head = ("scorer", "individuals", "bodyparts", "coords")
    rows = [[name, *(column[i] for column in columns)] for i, name in enumerate(head)]
    for t in range(x.shape[1]):
        rows.append([t, *(value for m in range(2) for point in x[m, t].tolist() for value in (*point, 0.9))])
    path.with_suffix(".csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


@pytest.mark.parametrize("write", [sleap_hdf5, sleap_csv, dlc_animals])
def test_tracked_animals_keep_their_identity_where_they_cross(
    tmp_path: Path, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "FRAMES", 24)
    pose = np.array([[0, 0], [20, 10], [60, 0]], np.float32)
    path = np.stack([100 + 10 * np.arange(24), 335 - 10 * np.arange(24)])  # towards each other
    x = np.zeros((2, 24, 3, 2), np.float32)
    x[..., 0], x[..., 1] = path[:, :, None] + pose[:, 0], 200 + pose[:, 1]
    (tmp_path / "source").mkdir()
    write(tmp_path / "source" / "flies", x)
    clips = convert(tmp_path / "source", tmp_path / "x.h5", "auto", person="all").splits["test"]
    np.testing.assert_allclose(sorted(clips.clip(i)[:, 0, 0].tolist() for i in range(2)), path, rtol=1e-5)
