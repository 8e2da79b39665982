"""The report: one page, no network, everything on it; and what it is made from."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from test_analysis import random_scores

from mmn.cli.main import main
from mmn.data.hdf5 import read_data
from mmn.data.layout import load_classes
from mmn.data.synthetic import synthesize
from mmn.errors import UserError
from mmn.evaluation.errors import error_analysis, likely_label_errors, motion
from mmn.evaluation.gates import gate_weights
from mmn.evaluation.scores import Scores, write_scores
from mmn.network.mmn import MMN
from mmn.reporting.report import write_report
from mmn.training.module import KEY, Description, describe

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an evaluation leaves: scores, and a checkpoint and data that are still there."""
    from mmn.data.modality import Modality

    folder = tmp_path_factory.mktemp("evaluation")
    data = synthesize(folder / "x.h5", "jhmdb", clips_per_class=2, val_per_class=0, test_per_class=4, frames=(8, 20))
    network = MMN(15, 14, num_frames=16, width=16, depth=1)
    description = Description(Modality("bone"), data.layout, data.classes, "x", str(folder / "x.h5"))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, KEY: describe(network, description)}, folder / "net.ckpt")
    scores = random_scores(56, classes=load_classes("jhmdb"))
    clips = data.splits["test"]
    own = Scores(clips.names, clips.labels, np.roll(scores.logits, 0), data.classes)
    write_scores(folder / "scores.h5", own, {"checkpoints": str(folder / "net.ckpt"), "split": "test"})
    return folder


def test_the_page_holds_everything_and_asks_no_network(folder: Path) -> None:
    main(["report", str(folder), "--against", str(folder)])
    page = (folder / "report.html").read_text()
    assert len(page) < 5_000_000
    for section in ("figures", "confusion", "classes", "calibration", "mistakes", "gates", "errors", "provenance"):
        assert f'<section id="{section}">' in page
    tags = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="https?://', tags)
    assert not re.search(r"<script[^>]* src=", page)
    assert "sha256" in page
    assert page.count('class="card player"') == 6
    assert "training clips of the class" in page


def test_without_data_or_checkpoint_the_figures_are_still_reported(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "scores.h5", tmp_path / "scores.h5")
    scores = random_scores(200)
    write_scores(tmp_path / "scores.h5", scores, {"split": "test"})
    write_report(tmp_path, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "The data file is not where it was" in page
    assert '<section id="mistakes">' not in page
    assert "F1 mean" in page


def test_folders_that_cannot_be_reported_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no scores"):
        write_report(tmp_path, tmp_path / "r.html")
    scores = random_scores(5)
    scores.labels[:] = -1
    write_scores(tmp_path / "scores.h5", scores, {})
    with pytest.raises(UserError, match="has no labelled clip"):
        write_report(tmp_path, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_gates_are_weights_of_branches_and_scales(folder: Path) -> None:
    network = MMN(15, 14, num_frames=16, width=16, depth=1).eval()
    gates = gate_weights(network, torch.randn(3, 16, 15, 2), torch.linspace(-1, 1, 16).expand(3, -1))
    assert (gates.joints.shape, gates.times.shape, gates.scales.shape) == ((3, 3, 15), (3, 3, 16), (3, 4))
    assert (gates.joints > 0).all()
    assert (gates.joints < 1).all()
    torch.testing.assert_close(gates.scales.sum(dim=1), torch.ones(3))
    assert not any(module._forward_hooks for module in network.modules())


def test_errors_by_property_count_every_clip_once(folder: Path) -> None:
    data = read_data(folder / "x.h5")
    test = data.splits["test"]
    scores = Scores(test.names, test.labels, np.eye(14, dtype=np.float32)[test.labels], data.classes)
    for rows in error_analysis(scores, data, "test").values():
        assert sum(row["clips"] for row in rows) == 56
        assert all(row["accuracy"] == 100 for row in rows)
    assert motion(test, 0) > 0


def test_labels_all_streams_contradict_are_listed_surest_first() -> None:
    scores = random_scores(50, skill=30.0)
    wrong = scores.labels.copy()
    wrong[[3, 8]] = (wrong[[3, 8]] + 1) % 52
    streams = [Scores(scores.names, wrong, logits, scores.classes) for logits in (scores.logits, 2 * scores.logits)]
    found = likely_label_errors(streams)
    assert {row["clip"] for row in found} == {"clip3", "clip8"}
    assert all(row["probability"] > 99 for row in found)


_INTERACT = """
<script>window.addEventListener("load", () => setTimeout(() => {
  const filter = document.querySelector("#filter"); filter.value = "wave"; filter.dispatchEvent(new Event("input"));
  const rows = [...document.querySelectorAll("#class-table tbody tr")].filter((row) => !row.hidden).length;
  const play = document.querySelector(".play"), slider = document.querySelector(".player input"); play.click();
  setTimeout(() => { const moved = slider.value; play.click();
    document.body.dataset.result = [rows, Number(moved) > 0, play.textContent, window.seen || 0].join("|"); }, 500);
}, 500)); window.addEventListener("error", () => { window.seen = (window.seen || 0) + 1; });</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_shows_it_filters_and_plays_without_errors(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text().replace("<head>", "<head>" + _INTERACT, 1)
    (tmp_path / "r.html").write_text(page)
    result = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom",
         f"file://{tmp_path}/r.html"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert 'data-result="1|true|play|0"' in result.stdout
    assert "bk-Figure" in result.stdout
