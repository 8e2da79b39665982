"""Poses and labels as found in the field: correct clips, or an error message that says what to do.

``fixtures/field.zip`` holds small synthetic files that reproduce reported problems. The nose's x is a base plus the
frame number: 1000 for the person to keep, 200 for a bystander, 300 for a person who is alone. It shows which person
was kept, in which order, and what is missing.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from commands import in_process
from conftest import FIXTURES

from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.convert import convert
from mmn.errors import UserError

COCO = "coco17.yaml"


@pytest.fixture(scope="session")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("field")
    with zipfile.ZipFile(FIXTURES / "field.zip") as files:
        files.extractall(folder)
    return folder


def converted(field: Path, output: Path, case: str, layout: str, **options) -> SkeletonData:
    for key in ("labels", "classes"):
        if key in options:
            options[key] = field / Path(case).parts[0] / options[key]
    return convert(field / case, output / "x.h5", field / layout if layout == COCO else layout, **options)


def noses(data: SkeletonData) -> dict[str, list[float]]:
    return {
        name: clips.clip(i)[:, 0, 0].astype(float).round(1).tolist()
        for clips in data.splits.values()
        for i, name in enumerate(clips.names)
    }


def run(base: int, count: int, step: int = 1) -> list[float]:
    return [float(base + step * i) for i in range(count)]


FILL = {"missing": "interpolate"}
RIGHT = [
    ("case01_openpose_unpadded_names/src", "imigue", {}, {"clipA": run(300, 12)}),
    ("case02_openpose_gap/src", "imigue", FILL, {"clipA": run(300, 15)}),
    ("case10_alphapose_idx_all_zero/src", "ma52", {}, {"clipA": run(1000, 12)}),
    ("case11_alphapose_id_switch/src", "ma52", {}, {"clipA": run(300, 20, 5)}),
    ("case12_alphapose_image_id_digits/src", "ma52", {}, {"clipA": run(300, 12)}),
    ("case20_pyskl_slots_swap/custom.pkl", COCO, {}, {"v1": run(1000, 8)}),
    ("case21_pyskl_padded/custom.pkl", COCO, {}, {"v1": run(1000, 8)}),
    ("case22_pyskl_zero_joint_noscore/custom.pkl", COCO, {**FILL, "zeros": "missing"}, {"v1": run(1000, 8)}),
    ("case23_arrays_zero_joint/clips.npz", COCO, {**FILL, "zeros": "missing"}, {"v1": run(1000, 8)}),
    ("case25_arrays_xyc/clips.npz", COCO, {**FILL, "channels": "xys"}, {"v1": run(1000, 8)}),
    ("case28_pyskl_unlisted/custom.pkl", COCO, {}, {"v1": run(1000, 8)}),
    ("case92_mostly_missing/src", "ma52", {**FILL, "skip_bad": True}, {"clip0": run(300, 30)}),
    ("case03_openpose_flat/src", "imigue", {}, {"clipa": run(300, 3), "clipb": run(300, 3)}),
    ("case04_openpose_old_keys/src", "imigue", {}, {"clipA": run(300, 3)}),
    ("case104_openpose_points_as_array/clips.npz", "imigue", {}, {"0001_1": run(300, 20), "0001_2": run(300, 12)}),
    ("case104_openpose_points_as_array/clips_xy.npz", "imigue", {}, {"0001_1": run(300, 20)}),
    ("case13_alphapose_17points/src", COCO, {}, {"clipA": run(300, 4)}),
    ("case13_alphapose_26points/src", COCO, {}, {"clipA": run(300, 4)}),
    ("case15_empty_clip/src", "ma52", {"labels": "labels.csv", "skip_bad": True}, {"clipA": run(300, 4)}),
    ("case16_alphapose_cmu_format/src", "ma52", {}, {"clipA": run(300, 3)}),
    ("case17_alphapose_results_in_folders/src", "ma52", {}, {"clipA": run(300, 4), "clipB": run(300, 4)}),
    ("case26_pyskl_list/custom.pkl", COCO, {"splits": {"train": "custom"}}, {"v1": run(1000, 8)}),
    ("case26b_mmn_fork_separate", COCO, {}, {"v_train": run(1000, 8), "v_test": run(1000, 8)}),
    ("case29_pyskl_defaultdict/custom.pkl", COCO, {}, {"v1": run(1000, 8)}),
    ("case41_NCTVM", COCO, {"skip_bad": True}, {"a": run(1000, 8)}),
    ("case48_inf_f16/clips.npz", COCO, FILL, {"v1": run(1000, 8)}),
    ("case50_fork_pose3d_folders/src", COCO, {}, {"clip1": run(1000, 8), "clip2": run(200, 8)}),
    ("case71_wholebody_instances_null/src", "ma52", FILL, {"clipA": run(300, 13)}),
    ("case72_wholebody_frame_id_name/src", "ma52", {}, {"clipA": run(300, 12)}),
    ("case73b_track_nan/src", "ma52", {}, {"clipA": run(300, 4)}),
    ("case74_mmpose_per_image/src", "ma52", {}, {"clipA": run(300, 4)}),
    ("case75_mmpose_17/src", COCO, {}, {"clipA": run(300, 4)}),
    ("case78_jsonl/src", "ma52", {}, {"clipA": run(300, 4)}),
    ("case79_json_bom/src", "ma52", {}, {"Prüfling 1": run(300, 4)}),
    ("case83b_macos_dotfile/src", "ma52", {}, {"clipA": run(300, 4)}),
    ("case90_imigue_miga_npy/src", "imigue", {}, {"0001_1": run(300, 40), "0001_2": run(500, 90)}),
    ("case90_imigue_miga_npy/imigue_train.pkl", "imigue", {}, {"0001_1": run(300, 40), "0001_2": run(500, 90)}),
    ("case98_python2_pickle/custom.pkl", COCO, {}, {"v1": [1000.4]}),
]


@pytest.mark.parametrize(("case", "layout", "options", "expected"), RIGHT, ids=[row[0] for row in RIGHT])
def test_the_right_person_is_read_in_the_right_order(
    field: Path, tmp_path: Path, case: str, layout: str, options: dict, expected: dict[str, list[float]]
) -> None:
    data = converted(field, tmp_path, case, layout, **options)
    assert noses(data) == expected
    assert data.coordinates == (3 if case.startswith("case50") else 2)


REFUSED = [
    ("case02_openpose_gap/src", "imigue", {}, "clip clipA, frame 5, joint 0 .* is missing .110 of 330"),
    ("case22_pyskl_zero_joint_noscore/custom.pkl", COCO, FILL, "3 joints in 1 of 1 .* frame 2, joint 9 .*--zeros miss"),
    ("case23_arrays_zero_joint/clips.npz", COCO, {}, "3 joints in 1 of 1 clips are exactly 0.*--zeros keep"),
    ("case25_arrays_xyc/clips.npz", COCO, {}, "third value .* give --channels xys"),
    ("case27_pyskl_duplicate_name/custom.pkl", COCO, {}, "the name v1 belongs to more than one annotation"),
    ("case92_mostly_missing/src", "ma52", FILL, r"2 of 3 clips .* clip1 .93% missing., clip2 .87% missing.*--skip-bad"),
    ("case13_alphapose_17points/src", "ma52", {}, "17 points, .* left_big_toe and 23 more .*; use --layout coco17"),
    ("case13_alphapose_26points/src", "ma52", {}, "Halpe's 26 points, .* use --layout halpe26"),
    ("case15_empty_clip/src", "ma52", {"labels": "labels.csv"}, "2 of 3 clips cannot be used: aaa, clipB .nobody"),
    ("case26_pyskl_list/custom.pkl", COCO, {}, "has the splits custom; .* --splits train=custom"),
    ("case30_label_onehot/custom.pkl", COCO, {}, "label is an array of 4; expected a class index"),
    ("case43_object_npy/clips.npy", COCO, {}, r"an array of objects.* np\.savez"),
    ("case75_mmpose_17/src", "ma52", {}, "COCO's 17 points"),
]


@pytest.mark.parametrize(("case", "layout", "options", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_ambiguous_sources_are_refused_with_a_one_line_message(
    field: Path, tmp_path: Path, case: str, layout: str, options: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        converted(field, tmp_path, case, layout, **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.h5").exists()


def test_people_frames_and_clips_left_out_are_reported(field: Path, tmp_path: Path) -> None:
    for case, layout, note in (
        ("case10_alphapose_idx_all_zero/src", "ma52", "1 other people were left out"),
        ("case20_pyskl_slots_swap/custom.pkl", COCO, "1 other people were left out"),
        ("case21_pyskl_padded/custom.pkl", COCO, r"v1 (8 of 20)"),
        ("case28_pyskl_unlisted/custom.pkl", COCO, "1 annotation of custom.pkl in no split left out"),
    ):
        assert note in converted(field, tmp_path, case, layout).source
    for case in ("case11_alphapose_id_switch/src", "case12_alphapose_image_id_digits/src"):
        source = converted(field, tmp_path, case, "ma52").source
        assert "left out" not in source
        assert "filled" not in source


def test_zeros_are_filled_in_or_kept(field: Path, tmp_path: Path) -> None:
    def wrist(**options) -> list[float]:
        data = converted(field, tmp_path, "case22_pyskl_zero_joint_noscore/custom.pkl", COCO, **options)
        return data.splits["train"].clip(0)[2:5, 9, 0].tolist()

    np.testing.assert_allclose(wrist(**FILL, zeros="missing"), [1003.4, 1004.4, 1005.4], atol=0.3)
    assert wrist(zeros="keep") == [0, 0, 0]


LABELS = {
    **dict.fromkeys(("ok", "semi", "tab", "ext", "nfd", "float", "Head", "crlf", "bom", "zero_padded"), "test"),
    "valid": "val",
}


@pytest.mark.parametrize("name", LABELS)
def test_label_tables_are_read_in_all_common_forms(field: Path, tmp_path: Path, name: str) -> None:
    data = converted(field, tmp_path, "case60_labels/clips.npz", COCO, labels=f"{name}.csv")
    assert data.splits["train"].names == ["clip1", "Übung_ß"]
    assert data.splits["train"].labels.tolist() == [0, 2]
    assert data.splits[LABELS[name]].labels.tolist() == [1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cp1252", "is not UTF-8, line 4 looks like Windows' cp1252; save it as UTF-8"),
        ("utf16", "is written in UTF-16; save it as UTF-8"),
        ("one_based", r"no clip has label 0 \(wave\) .* 3 \(point\).*--labels-from 1"),
        ("noheader", "has clip1, 0, train in its first line"),
        ("dup", "line 5: the name 'clip1' occurs twice"),
        ("extra", "has a row without a clip: clip9; remove it"),
    ],
)
def test_unreadable_labels_are_refused_with_the_reason(field: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        converted(field, tmp_path, "case60_labels/clips.npz", COCO, labels=f"{name}.csv")


def test_one_based_labels_are_shifted(field: Path, tmp_path: Path) -> None:
    data = converted(field, tmp_path, "case60_labels/clips.npz", COCO, labels="one_based.csv", labels_from=1)
    assert data.splits["train"].labels.tolist() == [0, 2]


def test_empty_clips_are_all_listed_and_can_be_left_out(field: Path, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for path in (field / "case102_many_nobody" / "src").iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    for number in (3, 6, 9, 12):
        (source / f"clip{number:02d}.json").write_text("[]")
    labels = tmp_path / "labels.csv"
    labels.write_text("name,label,split\n" + "".join(f"clip{i:02d},0,train\n" for i in range(1, 13)))
    with pytest.raises(UserError, match=r"4 of 12 clips .* clip03, clip06, clip09, clip12 \(nobody.*--skip-bad"):
        convert(source, tmp_path / "x.h5", "ma52", labels=labels)
    labels.write_text(labels.read_text().replace("clip03,0,train\n", ""))  # a clip left out needs no row
    data = convert(source, tmp_path / "x.h5", "ma52", labels=labels, skip_bad=True)
    assert len(data.splits["train"]) == 8
    assert "4 clips left out" in data.source


def test_inspect_lists_the_most_filled_clips_and_counts_zeros(field: Path, tmp_path: Path) -> None:
    case = "case92_mostly_missing/src"
    converted(field, tmp_path, case, "ma52", **FILL, max_filled=1.0, max_gap=60)
    shown = in_process("mmn", "inspect", "x.h5", cwd=tmp_path).stdout
    assert "most filled clips: clip1 93%, clip2 87%" in shown
    assert "exactly 0" not in shown
    converted(field, tmp_path, "case22_pyskl_zero_joint_noscore/custom.pkl", COCO, zeros="keep")
    assert "exactly 0, train: 3 joints in 1 clip" in in_process("mmn", "inspect", "x.h5", cwd=tmp_path).stdout


def test_an_existing_output_is_kept_without_overwrite(field: Path, tmp_path: Path) -> None:
    arguments = ["convert", str(field / "case10_alphapose_idx_all_zero" / "src"), "x.h5", "--layout", "ma52"]
    (tmp_path / "x.h5").write_text("mine")
    refused = in_process("mmn", *arguments, cwd=tmp_path)
    assert refused.returncode == 1
    assert "x.h5 exists already; give another name, or --overwrite" in refused.stderr
    assert (tmp_path / "x.h5").read_text() == "mine"
    done = in_process("mmn", *arguments, "--overwrite", "--list-people", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "clipA: 1 other people" in done.stdout
