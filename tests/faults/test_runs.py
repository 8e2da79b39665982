"""Runs that are interrupted, damaged, or started twice in one folder."""

import csv
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from commands import TINY, in_process, train

from mmn.engine.run_folder import _by_command
from mmn.engine.run_lock import held, is_held
from mmn.engine.run_state import write_state
from mmn.engine.sentences import sentence_of
from mmn.errors import UserError
from mmn.reporting.compare import compare
from mmn.reporting.runs import find_runs

SHORT = ["trainer.max_epochs=2", "data.batch_size=8", "trainer.log_every_n_steps=2", "test=false"]
STOP = "+callbacks.stop={{_target_:own_callbacks.StopAfter,steps:{}}}"


@pytest.fixture(scope="module")
def whole(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train(folder, jhmdb_like, *SHORT).returncode == 0
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv`` without timings."""
    with (folder / "metrics.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "clips/s"} for row in csv.DictReader(file)]


@pytest.mark.parametrize("step", [4, 10])
def test_metrics_of_a_run_stopped_mid_epoch_match_an_uninterrupted_one(
    step: int, whole: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    assert train(tmp_path / "run", jhmdb_like, *SHORT, STOP.format(step)).returncode == 143
    if step == 10:  # as left by a process killed while writing
        with (tmp_path / "run" / "metrics.csv").open("a") as file:
            file.write("1,2\n,,,,,,,,,,,\n")
    assert train(tmp_path / "run", jhmdb_like, *SHORT, "resume=true").returncode == 0
    assert rows(tmp_path / "run") == rows(whole)


def test_a_run_killed_while_it_is_scored_reports_what_others_do(run: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    killed = Path(shutil.copytree(run, tmp_path / "run"))
    (killed / "metrics.json").unlink()
    write_state(killed, state="running")
    ended = train(killed, jhmdb_like, "trainer.max_epochs=4", "resume=true")
    assert ended.returncode == 0, ended.stderr
    assert (killed / "metrics.json").read_text() == (run / "metrics.json").read_text()


def damage(path: Path) -> None:
    """Flip a bit of the largest weight."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size] ^= 4
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_not_resumed(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    damage(run / "checkpoints" / "last.ckpt")
    ended = train(run, jhmdb_like, *SHORT, "resume=true", "trainer.max_epochs=3")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "last.ckpt is damaged (wrong checksum" in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("optimizer_states", [{}]), ("optimizer_states", {}), ("loops", 5), ("epoch", "two")]
)
def test_a_checkpoint_with_parts_of_another_kind_is_not_resumed(
    name: str, value: object, whole: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    last = run / "checkpoints" / "last.ckpt"
    torch.save({**torch.load(last, weights_only=True), name: value}, last)
    ended = train(run, jhmdb_like, *SHORT, "resume=true", "trainer.max_epochs=3")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert f"last.ckpt is damaged ({name}) and cannot be resumed" in ended.stderr


def test_an_evaluation_does_not_replace_the_record_of_a_run(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    ended = in_process("eval.py", f"ckpt_path={run}", f"data.path={jhmdb_like}", f"hydra.run.dir={run}", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "is the folder of a training run; give another hydra.run.dir" in ended.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("row", ["1,2,3,4,5,6,7,8,9,10,11,12", "inf,0,0.5", "9" * 5000 + ",0,0.5"])
def test_a_report_of_a_run_with_damaged_metrics_has_no_curves(
    row: str, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    (folder / "metrics.csv").write_text(f"step,epoch,train/loss\n{row}\n")
    ended = in_process("mmn", "report", str(folder), "--output", "r.html", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "has no curves of this run" in caplog.text + ended.stderr


def test_a_run_resumes_despite_a_damaged_best_checkpoint(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    damage(run / "checkpoints" / "best.ckpt")
    ended = train(run, jhmdb_like, *SHORT, "resume=true", "trainer.max_epochs=3")
    assert ended.returncode == 0, ended.stderr


def test_a_folder_in_use_by_a_run_is_refused_to_another(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    before = {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.suffix in (".ckpt", ".csv", ".json", ".yaml")
    }
    program = (
        "import sys, time; from pathlib import Path; from mmn.engine.run_lock import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(100)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(run)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    for arguments in (["resume=true", "trainer.max_epochs=3"], []):
        ended = train(run, jhmdb_like, *SHORT, *arguments)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert f"is in use by process {holder.pid} on " in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert is_held(run)
    holder.kill()
    holder.wait()
    assert not is_held(run)
    with held(run):
        pass


BROKEN = {
    "config.yaml": [
        "[",
        "- 1",
        "seed: many",
        "a: &a [*a]",
        "{" * 5_000,
        "modality: {name: joint}\nseed: " + "9" * 5_000,
    ],
    ".hydra/overrides.yaml": ["5", "[1, 2]", "\x00"],
    "metrics.json": [
        "",
        "[]",
        '{"test": [1]}',
        '{"test": {"top1": "high"}}',
        "[" * 5_000,
        f'{{"test": {{"top1": 1{"0" * 400}}}}}',
    ],
    "scores_test.h5": ["", "no HDF5"],
}


@pytest.mark.parametrize(("name", "content"), [(name, text) for name, texts in BROKEN.items() for text in texts])
def test_a_broken_run_is_left_out_with_a_warning(
    name: str, content: str, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("good", "bad"):
        shutil.copytree(run, tmp_path / folder, ignore=shutil.ignore_patterns("checkpoints"))
    (tmp_path / "bad" / name).write_text(content)
    found = find_runs(tmp_path)
    assert (found[-1].folder.name, len(found)) == ("good", 2 if name.endswith("h5") else 1)
    assert compare(tmp_path).tables
    assert sum(one.scores("test") is not None for one in found) == 1
    assert str(tmp_path / "bad") in caplog.text
    assert list(_by_command(str(tmp_path), ["a=1"], lambda folder: folder / ".hydra" / "overrides.yaml")) == []


@pytest.mark.parametrize("place", ["a file", "below a file", "read only", "a long name"])
def test_unwritable_folders_end_in_a_one_line_message(place: str, jhmdb_like: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "run",
        "read only": Path("/proc/run"),
        "a long name": tmp_path / ("x" * 300),
    }[place]
    for script, arguments in (("train.py", TINY), ("eval.py", ["ckpt_path=none.ckpt"])):
        path = [f"data.path={jhmdb_like}", f"hydra.run.dir={folder}"]
        ended = in_process(script, *arguments, *path, cwd=tmp_path)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert (tmp_path / "file").read_text() == ""


def test_a_run_whose_folder_is_removed_ends_in_a_one_line_message(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = train(tmp_path / "run", jhmdb_like, *SHORT, "+callbacks.gone={_target_:own_callbacks.RemoveFolder,steps:3}")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr


def test_errors_of_loader_processes_become_one_line_messages() -> None:
    killed = RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed.")
    assert "data.num_workers" in str(sentence_of(killed))
    passed_on = UserError(
        "Caught UserError in DataLoader worker process 0.\nTraceback:\n  …\nmmn.errors.UserError: x.h5 was changed.\n"
    )
    assert sentence_of(passed_on) == "x.h5 was changed."
    assert sentence_of(UserError("a \x1b[2Jname")) == "a [2Jname"
