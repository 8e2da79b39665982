"""The notebooks run in a clean kernel, and their stored outputs are small."""

from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_both_notebooks_are_found() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_data", "02_read_a_run"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMN_RUN", str(run))
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    pictures = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(pictures) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_small(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    outputs = [cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"]
    assert all(outputs)
    assert not [out for some in outputs for out in some if out["output_type"] == "error"]
    assert path.stat().st_size < 300_000
