"""The pipelines in ``examples/``: commands are valid, and data is created as described."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import in_process
from conftest import ROOT

from mmn.cli.main import build_parser
from mmn.data.format.hdf5 import read_data
from mmn.data.sources.convert import read_source
from mmn.data.synthetic.synthesize import synthesize
from mmn.data.view.view import View

PAGES = sorted((ROOT / "examples").glob("*/README.md"))
SMALL = ["--clips-per-class=1", "--val-per-class=1", "--test-per-class=1", "--frames", "8", "9"]


def commands(page: Path) -> list[list[str]]:
    """The commands in a page's code blocks, with loops unrolled."""
    lines, loop = [], [""]
    for line in "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)).splitlines():
        if found := re.fullmatch(r"for i in ([\d ]+); do", line):
            loop = found[1].split()
        elif line == "done":
            loop = [""]
        else:
            lines += [line.replace("$i", number) for number in loop]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_mmn_commands_on_a_page_are_valid(page: Path) -> None:
    for words in commands(page):
        if "mmn" in words[:2]:
            build_parser().parse_args(words[words.index("mmn") + 1 :])


@pytest.fixture(autouse=True)
def _examples_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def run(words: list[str], cwd: Path) -> str:
    script, arguments = (words[0], words[1:]) if words[0] == "mmn" else (words[1], words[2:])
    ended = in_process(script, *arguments, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", ["mediapipe_to_mocap", "part_networks", "small_sets"])
def test_the_data_of_a_page_is_created(name: str, tmp_path: Path) -> None:
    for words in commands(ROOT / "examples" / name / "README.md"):
        if words[:2] == ["mmn", "synthesize"]:
            few = ["--clips-per-class=15", "--frames", "8", "9"] if name == "small_sets" else SMALL
            made = run([*words, *few], tmp_path)
        elif (words[0] == "mmn" and words[1] in ("convert", "merge", "split")) or words[1] == "examples/raw_files.py":
            run(words, tmp_path)
    sets = [path for path in (tmp_path / "data").glob("*/*.h5") if path.name != "made.h5"]
    counts = {path.stem: {split: len(clips) for split, clips in read_data(path).splits.items()} for path in sets}
    if name == "small_sets":
        assert counts["study"] == {"train": 98, "test": 28}
        assert counts["centre4"] == {"test": 42}
    else:
        assert "52 classes" in made
        assert counts == {"x": {"train": 52, "val": 52, "test": 52}}


def test_a_suit_is_read_as_a_front_view(tmp_path: Path) -> None:
    data = synthesize(
        tmp_path / "x.h5", "blazepose33", classes="ma52", clips_per_class=1, test_per_class=1, frames=(9, 9)
    )
    options = ["--classes", "nodding", "head-hand", "--clips", "3"]
    run([sys.executable, "examples/raw_files.py", "bvh", "x.h5", "mocap", *options], tmp_path)
    layout = View(joints=["nose", "*shoulder", "*elbow", "*wrist", "*hip"]).apply(data, "x.h5").layout
    found = read_source(tmp_path / "mocap" / "take.bvh", layout, format="examples.mediapipe_to_mocap.suit.read")
    seen = np.asarray(found.data.splits["test"].clip(0))[:9]
    truth = (tmp_path / "mocap" / "truth.csv").read_text().splitlines()
    label = data.classes.names.index(truth[1].split(",")[3])
    test = data.splits["test"]
    clip = np.asarray(test.clip(int(np.flatnonzero(test.labels == label)[0])))
    own = clip[:, [data.layout.joints.index(joint) for joint in layout.joints]]
    scale = np.ptp(seen[..., 1]) / np.ptp(own[..., 1])
    np.testing.assert_allclose(seen - seen[0, 0], (own - own[0, 0]) * scale, atol=0.01)
    assert [line.split(",")[1:3] for line in truth[1:]] == [["0.000", "0.300"], ["1.300", "1.600"], ["2.600", "2.900"]]
