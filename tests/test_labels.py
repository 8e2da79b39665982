"""Labels: list files, groups, segments of long recordings, and invalid ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmn.data.format.hdf5 import read_data
from mmn.data.sources.convert import convert
from mmn.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two recordings of 60 frames; the first joint's x is the frame number from 1, plus 1000 in the second."""
    x = np.ones((60, 17, 2), np.float32)
    x[:, :, 0] = np.arange(60)[:, None] + 1
    np.savez(tmp_path / "poses.npz", a=x, b=x + 1000)
    return tmp_path / "poses.npz"


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def clips_of(source: Path, labels: Path | str, **options) -> dict[str, tuple[str, float, float]]:
    """Name → class, first and last frame."""
    data = convert(source, source.with_name("x.h5"), "coco17", labels=labels, **options)
    return {
        f"{split} {name}": (data.classes.names[clips.labels[i]], *clips.clip(i)[[0, -1], 0, 0].tolist())
        for split, clips in data.splits.items()
        for i, name in enumerate(clips.names)
    }


def test_list_files_are_read_per_split(source: Path) -> None:
    train = table(source.parent, "videos/a.mp4 0\n", "train.txt")
    val = table(source.parent, "b 60 1\n", "val.txt")  # with the number of frames, as in MMAction's lists of raw frames
    found = clips_of(source, f"train={train},val={val}")
    assert {name: label for name, (label, *_) in found.items()} == {"train a": "class 0", "val b": "class 1"}
    with pytest.raises(UserError, match=r"give list files as train=a.txt,val=b.txt"):
        clips_of(source, f"training={train}")
    with pytest.raises(UserError, match=r"train.txt, line 2 is 'b'; expected a name and a class index"):
        clips_of(source, f"train={table(source.parent, 'a 0' + chr(10) + 'b', 'train.txt')}")


def test_groups_are_written_to_the_file(source: Path) -> None:
    labels = table(source.parent, "name,label,split,group\na,nod,train,anna\nb,wave,train,ben\n")
    clips_of(source, labels)
    assert read_data(source.with_name("x.h5")).splits["train"].groups == ["anna", "ben"]


def test_segments_in_frames_include_their_last_frame(source: Path) -> None:
    rows = "name,start,end,label,split\na,10,19,nod,train\na,30,39,wave,train\nb,0,5,nod,test\n"
    assert clips_of(source, table(source.parent, rows)) == {
        "train a/0001": ("nod", 11, 20),
        "train a/0002": ("wave", 31, 40),
        "test b/0001": ("nod", 1001, 1006),
    }


def test_segments_in_seconds_are_padded_and_the_rest_is_kept_as_a_class(source: Path) -> None:
    rows = "name;start;end;label\na;1,0;2,0;nod\na;4.0;5.0;wave\nb;0.0;1.0;nod\n"
    found = clips_of(source, table(source.parent, rows), fps=10, pad=0.2, rest="nothing")
    assert found == {
        "train a/0001": ("nod", 9, 22),
        "train a/0002": ("nothing", 21, 40),
        "train a/0003": ("wave", 39, 52),
        "train b/0001": ("nod", 1001, 1012),
    }
    assert read_data(source.with_name("x.h5")).splits["train"].groups == ["a", "a", "a", "b"]


def test_a_recording_without_segments_is_left_out_with_a_note(source: Path) -> None:
    data = convert(
        source, source.with_name("x.h5"), "coco17", labels=table(source.parent, "name,start,end,label\na,1,9,nod\n")
    )
    assert data.splits["train"].names == ["a/0001"]
    assert "recordings without segments left out: b" in data.source


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/>
</TIME_ORDER><TIER TIER_ID="gesture"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>nod</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""


def test_elan_files_are_read_as_segments(source: Path) -> None:
    (source.parent / "eaf").mkdir()
    for name in "ab":
        table(source.parent / "eaf", EAF, f"{name}.eaf")
    found = clips_of(source, source.parent / "eaf", fps=10)
    assert found == {"train a/0001": ("nod", 11, 25), "train b/0001": ("nod", 1011, 1025)}
    with pytest.raises(UserError, match="has times in seconds; give the frames per second"):
        clips_of(source, source.parent / "eaf" / "a.eaf")


def test_seconds_start_at_frame_1_in_one_based_sources(tmp_path: Path) -> None:
    frames = [
        {"frame_id": t + 1, "instances": [{"keypoints": [[t + 1, 5]] * 17, "keypoint_scores": [1] * 17}]}
        for t in range(20)
    ]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    labels = table(tmp_path, "name,start,end,label\na,0.5,1.0,nod\n")
    assert clips_of(tmp_path / "a.json", labels, fps=10) == {"train a/0001": ("nod", 6, 10)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "name,start,end,label\na,1.5,2,nod\n",
            "line 2 has times 1.5 to 2, apparently in seconds; give the frames per second",
        ),
        ("name,start,end,label\na,9,2,nod\n", "segment 9 to 2 of 'a' is invalid"),
        ("name,start,end,label\na,x,2,nod\n", "start 'x' or end '2' is not a number"),
        ("name,start,end,label\nz,1,2,nod\n", "there are segments of z, but no such recordings"),
        ("name,start,end,label\na,70,80,nod\n", "clip a/0001 has nobody in any of its frames"),
        ("name,start,end,label,split\na,1,2,nod,later\n", "recording a is in split 'later'"),
        ("name,start,end\na,1,2\n", "it must name the columns name, start, end and label"),
    ],
)
def test_invalid_segments_are_refused(source: Path, rows: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        clips_of(source, table(source.parent, rows))
    assert "\n" not in str(error.value)


def test_clips_without_a_row_are_all_listed(source: Path) -> None:
    with pytest.raises(UserError, match=r"2 clips \(a, b\) have no row in .*labels.csv; add them"):
        clips_of(source, table(source.parent, "name,label,split\nc,nod,train\n"))


def test_class_names_may_start_with_a_byte_order_mark(source: Path) -> None:
    (source.parent / "names.txt").write_bytes(b"\xef\xbb\xbfnod\r\nwave\r\n")
    labels = table(source.parent, "name,label,split\na,nod,train\nb,1,train\n")
    found = clips_of(source, labels, classes=source.parent / "names.txt")
    assert [label for label, *_ in found.values()] == ["nod", "wave"]


def folders(tmp_path: Path, *names: str) -> Path:
    """A source with one file per recording, of 20 frames each; x is the frame number plus 100 per recording."""
    for number, name in enumerate(names):
        path = tmp_path / "src" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        pose = np.random.default_rng(0).uniform(200, 400, (20, 17, 2)).astype(np.float32)
        pose[:, :, 0] += np.arange(20)[:, None] + 100 * number
        pose[:, 0, 0] = np.arange(20) + 100 * (number + 1)
        np.save(path, pose)
    return tmp_path / "src"


def test_segments_of_recordings_with_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    src = folders(tmp_path, "s1/day", "s2/day", "s1/night", "s2/night")
    rows = "name,start,end,label,split\ns1/day,0,4,walk,train\ns2/day.npy,10,14,run,test\n"
    assert clips_of(src, table(tmp_path, rows)) == {
        "train s1/day/0001": ("walk", 100, 104),
        "test s2/day/0001": ("run", 210, 214),
    }
    with pytest.raises(
        UserError, match="segments of day match the recordings s1/day, s2/day; name the recording's fol"
    ):
        clips_of(src, table(tmp_path, "name,start,end,label,split\nday,0,4,walk,train\n"))


def test_a_row_belongs_to_one_clip(tmp_path: Path) -> None:
    src = folders(tmp_path, "A/clip1", "B/clip1", "B/clip2")
    one = "name,label,split\nA/clip1,0,train\nclip2,1,train\n"
    with pytest.raises(UserError, match="clip B/clip1 has no row"):
        clips_of(src, table(tmp_path, one))
    with pytest.raises(UserError, match="the row of clip1 matches both clip A/clip1 and clip B/clip1"):
        clips_of(src, table(tmp_path, "name,label,split\nclip1,0,train\nclip2,1,train\n"))
    found = clips_of(src, table(tmp_path, one + "B/clip1,1,test\n"))
    assert {name: label for name, (label, *_) in found.items()} == {
        "train A/clip1": "class 0", "test B/clip1": "class 1", "train clip2": "class 1"
    }  # fmt: skip


def test_gaps_of_less_than_a_frame_are_no_clips(source: Path) -> None:
    rows = "name,start,end,label,split\na,0,1.000,nod,train\na,1.001,1.5,wave,train\nb,0,1,nod,test\n"
    found = clips_of(source, table(source.parent, rows), fps=30.0, rest="idle")
    assert [label for label, *_ in found.values()] == ["nod", "wave", "nod"]


def test_cells_beyond_the_columns_and_columns_with_one_name_are_refused(source: Path) -> None:
    with pytest.raises(UserError, match="line 2 has 4 cells, but there are 3 columns; quote text that contains commas"):
        clips_of(source, table(source.parent, "name,split,label\na,train,touch, face\nb,train,nod\n"))
    with pytest.raises(UserError, match="has two columns label; remove one"):
        clips_of(source, table(source.parent, "name,label,split,label\na,nod,train,wave\n"))
    assert len(clips_of(source, table(source.parent, "name,label,split\na,nod,train,,\nb,nod,train\n"))) == 2


def test_names_and_indices_of_classes_named_by_numbers_are_not_mixed(source: Path) -> None:
    (source.parent / "names.txt").write_text("1\n2\n3\n4\n")
    rows = "name,label,split\na,0,train\nb,1,train\n"
    with pytest.raises(
        UserError, match=r"clip b.* has label 1, the name of a class, but .*clip a.* has 0, which is none"
    ):
        clips_of(source, table(source.parent, rows), classes=source.parent / "names.txt")
    found = clips_of(source, table(source.parent, rows.replace(",0,", ",4,")), classes=source.parent / "names.txt")
    assert [label for label, *_ in found.values()] == ["4", "1"]


def test_segments_may_be_separated_by_tabs(source: Path) -> None:
    rows = "name\tstart\tend\tlabel\tsplit\na\t10\t19\tnod\ttrain\nb\t0\t5\tnod\ttest\n"
    assert len(clips_of(source, table(source.parent, rows, "labels.tsv"))) == 2
