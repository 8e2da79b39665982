"""``mmn predict``: from recordings to a table of predictions."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import Ended, in_process
from conftest import FIXTURES, reference, save_untrained

import mmn
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.inference.checkpoint import load_checkpoint


def predict(folder: Path, *arguments: object) -> Ended:
    return in_process("mmn", "predict", *map(str, arguments), cwd=folder)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def save_arrays(path: Path, small: SkeletonData, count: int = 3, joints: list[int] | None = None) -> Path:
    clips = small.splits["test"]
    columns = list(range(15)) if joints is None else joints
    np.savez(path, **{clips.names[i]: clips.clip(i)[:, columns] for i in range(count)})
    return path


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_table_matches_that_of_an_evaluation(
    run: Path, small_checkpoint: Path, jhmdb_like: Path, tmp_path: Path, ensemble: bool
) -> None:
    paths = [str(run / "checkpoints" / "best.ckpt"), *([str(small_checkpoint)] if ensemble else [])]
    assert load_checkpoint(paths[0]).temperature != 1.0
    options = f"ckpt_path=[{','.join(paths)}]", f"hydra.run.dir={tmp_path}", f"data.path={jhmdb_like}"
    evaluated = in_process("eval.py", *options, cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    done = predict(tmp_path, ",".join(paths), jhmdb_like, "--split", "test", "--output", "p.csv")
    assert done.returncode == 0, done.stderr
    found, expected = rows(tmp_path / "p.csv"), rows(tmp_path / "probabilities.csv")
    assert list(found[0]) == ["name", "place", "class", "index", "probability"]
    chances = [[float(row.pop("probability")) for row in table] for table in (found, expected)]
    assert found == expected
    assert chances[0] == pytest.approx(chances[1], abs=2e-6)


def test_probabilities_are_calibrated(run: Path, small: SkeletonData) -> None:
    best = run / "checkpoints" / "best.ckpt"
    checkpoint, clips = load_checkpoint(best), [small.splits["test"].clip(i) for i in range(3)]
    logits = mmn.infer(checkpoint.network, *mmn.prepare(clips, network=checkpoint.network)).double()
    expected = (logits / checkpoint.temperature).softmax(dim=1)
    np.testing.assert_allclose(mmn.Predictor(best)(clips), expected, atol=1e-6)
    np.testing.assert_allclose(mmn.Predictor(best, batch_size=2)(clips), expected, atol=1e-6)
    np.testing.assert_allclose(mmn.Predictor(run)(clips), expected, atol=1e-6)  # the run's best epoch


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_pose_files_give_a_table(small_checkpoint: Path, small: SkeletonData, tmp_path: Path, form: str) -> None:
    save_arrays(tmp_path / "a.npz", small)
    done = predict(tmp_path, small_checkpoint, "a.npz", "--output", f"p.{form}", "--top", "2")
    assert (done.returncode, done.stdout) == (0, f"p.{form}: 3 clips\n"), done.stderr
    text = (tmp_path / f"p.{form}").read_text()
    read = {
        "csv": lambda: rows(tmp_path / "p.csv"),
        "jsonl": lambda: [json.loads(line) for line in text.splitlines()],
        "json": lambda: json.loads(text),
    }
    table = read[form]()
    names = small.splits["test"].names[:3]
    assert [(row["name"], int(row["place"])) for row in table] == [(n, place) for n in names for place in (1, 2)]
    chances = mmn.Predictor(small_checkpoint)([small.splits["test"].clip(i) for i in range(3)])
    assert [float(row["probability"]) for row in table[::2]] == pytest.approx(chances.max(axis=1), abs=1e-6)
    assert [row["class"] for row in table[::2]] == [small.classes.names[k] for k in chances.argmax(axis=1)]


def test_joints_are_found_by_name(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    order = list(np.random.default_rng(0).permutation(15))
    own = small.layout
    joints = [own.joints[i] for i in order]
    layout = {"joints": joints, "bones": [], "parts": {"all": joints}, "centre": joints[0]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(layout))
    save_arrays(tmp_path / "mine.npz", small, joints=order)
    save_arrays(tmp_path / "theirs.npz", small)
    for source, more in (("mine", ["--layout", "mine.yaml"]), ("theirs", [])):
        assert predict(tmp_path, small_checkpoint, f"{source}.npz", *more, "--output", f"{source}.csv").returncode == 0
    assert rows(tmp_path / "mine.csv") == rows(tmp_path / "theirs.csv")
    data = replace(small, layout=Layout.from_dict(layout, "mine"), splits={"test": small.splits["test"]})
    write_data(tmp_path / "renamed.h5", data)  # other joints at the same indices: joints are matched by name
    assert predict(tmp_path, small_checkpoint, "renamed.h5", "--output", "renamed.csv").returncode == 0
    assert rows(tmp_path / "renamed.csv")[:15] != rows(tmp_path / "theirs.csv")


def test_missing_joints_are_filled_in_and_reported(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    clip = small.splits["test"].clip(0).copy()
    clip[3, 2] = np.nan
    np.savez(tmp_path / "gap.npz", clip=clip)
    done = predict(tmp_path, small_checkpoint, "gap.npz")
    assert (done.returncode, done.stderr) == (0, "gap.npz: 1 missing joints were filled in by interpolation\n")
    assert done.stdout.startswith("clip: ")
    assert len(done.stdout.splitlines()) == 5
    assert "--missing interpolate" in predict(tmp_path, small_checkpoint, "gap.npz", "--missing", "refuse").stderr


def test_clips_with_the_same_name_are_renamed(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_arrays(tmp_path / f"{name}.npz", small, count=1)
    assert predict(tmp_path, small_checkpoint, "a.npz", "b.npz", "--output", "p.csv", "--top", 1).returncode == 0
    first = small.splits["test"].names[0]
    assert [row["name"] for row in rows(tmp_path / "p.csv")] == [first, f"b/{first}"]


class Stopped(Exception):
    """Simulates an interruption."""


def stop_at(monkeypatch: pytest.MonkeyPatch, clip: int) -> list[int]:
    """Make ``Predictor`` fail at the N-th clip; returns the number of clips of each call."""
    given: list[int] = []
    real = mmn.Predictor.logits

    def logits(self: mmn.Predictor, clips, *more):  # type: ignore[no-untyped-def]
        given.append(len(clips))
        if sum(given) >= clip:
            raise Stopped
        return real(self, clips, *more)

    monkeypatch.setattr(mmn.Predictor, "logits", logits)
    return given


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("half", [b"", b'{"names": ["test/te'], ids=["whole", "half_a_line"])
def test_an_interrupted_run_is_resumed(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, half: bytes
) -> None:
    for name in ("a", "b"):
        save_arrays(tmp_path / f"{name}.npz", small)
    options = small_checkpoint, "a.npz", "b.npz", "--output"
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        with pytest.raises(Stopped):
            predict(tmp_path, *options, f"p.{form}")
    output, record = tmp_path / f"p.{form}", tmp_path / f"p.{form}.unfinished"
    assert [path.exists() for path in (output, record)] == [form != "json", True]
    if form != "json":
        assert len(output.read_text().splitlines()) == 15 + (form == "csv")
        output.write_bytes(output.read_bytes()[:-7])  # as if the machine had gone down
    record.write_bytes(record.read_bytes() + half)
    with monkeypatch.context() as patch:
        given = stop_at(patch, 99)
        done = predict(tmp_path, *options, f"p.{form}")
    assert given == [3]  # b.npz alone
    assert (done.stdout, done.stderr) == (
        f"p.{form}: 6 clips\n",
        f"p.{form}: 3 clips finished before, continuing\n",
    )
    assert predict(tmp_path, *options, f"whole.{form}").returncode == 0
    assert output.read_text() == (tmp_path / f"whole.{form}").read_text()
    assert not record.exists()


def test_a_different_command_starts_over(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", small)
    (tmp_path / "b.npz").write_bytes(b"broken")
    assert predict(tmp_path, small_checkpoint, "a.npz", "b.npz", "--output", "p.csv").returncode == 1
    done = predict(tmp_path, small_checkpoint, "a.npz", "--output", "p.csv", "--top", 1)
    assert (done.stdout, done.stderr) == ("p.csv: 3 clips\n", "")
    assert len(rows(tmp_path / "p.csv")) == 3
    assert predict(tmp_path, small_checkpoint, "b.npz", "--output", "p.csv").returncode == 1
    assert len(rows(tmp_path / "p.csv")) == 3  # nothing new was finished
    assert not (tmp_path / "p.csv.unfinished").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.npz"], "nothing.npz does not exist; give a file of poses"),
        (["few.npz"], "has 9 joints per frame, its layout 15"),
        (["coco.npz"], "coco.npz holds COCO's 17 points, which do not include belly, face"),
        (["coco.npz", "--layout", "coco17"], "has no neck, belly, face, which the network needs"),
        (["deep.npz"], "was not trained on clips in 3D"),
        (["small.h5", "--split", "val"], "has no split val; it has test"),
        (["few.npz", "--output", "p.txt"], "p.txt must end in .csv, .jsonl or .json"),
        (["few.npz", "--output", "folder.csv"], "folder.csv is a folder"),
        (["few.npz", "--output", "few.npz/p.csv"], "few.npz/p.csv.unfinished cannot be written"),
        (["few.npz", "table.csv", "--output", "table.csv"], "table.csv is one of the sources"),
        (["few.npz", "--top", "0"], "--top is 0"),
    ],
)
def test_user_errors_are_one_sentence(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    save_arrays(tmp_path / "few.npz", small, joints=list(range(9)))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "coco.npz", clip=rng.normal(size=(9, 17, 2)))
    np.savez(tmp_path / "deep.npz", clip=rng.normal(size=(9, 15, 3)))
    write_data(tmp_path / "small.h5", replace(small, splits={"test": small.splits["test"]}))
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "table.csv").write_text("kept")
    done = predict(tmp_path, small_checkpoint, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("p.*"))
    assert (tmp_path / "table.csv").read_text() == "kept"


def test_a_comma_without_a_checkpoint_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    assert "has an empty entry; separate checkpoints" in predict(tmp_path, f"{small_checkpoint},", "few.npz").stderr


def test_only_networks_of_the_same_classes_make_an_ensemble(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    other = replace(small, classes=replace(small.classes, names=[f"{name}?" for name in small.classes.names]))
    save_untrained(tmp_path / "other.ckpt", other, tmp_path / "none.h5")
    with pytest.raises(UserError, match=r"other\.ckpt has different classes from .*small\.ckpt"):
        mmn.Predictor(small_checkpoint, tmp_path / "other.ckpt")


@pytest.fixture(scope="module")
def ten_joints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with as many joints as ``official_small.pt``."""
    joints = [f"j{i}" for i in range(10)]
    layout = {"joints": joints, "bones": [["j0", "j1"]], "parts": {"all": joints}, "centre": "j1"}
    path = tmp_path_factory.mktemp("layout") / "ten.yaml"
    path.write_text(yaml.safe_dump(layout))
    return path


@pytest.mark.parametrize("named", [False, True])
def test_official_weights_take_a_layout_and_modality(ten_joints: Path, tmp_path: Path, named: bool) -> None:
    layout = yaml.safe_load(ten_joints.read_text()) | ({"classes": list("abcdefg")} if named else {})
    (tmp_path / "ten.yaml").write_text(yaml.safe_dump(layout))
    clips = list(np.random.default_rng(0).normal(size=(3, 20, 10, 2)))
    np.savez(tmp_path / "clips.npz", **{f"clip{i}": clip for i, clip in enumerate(clips)})
    options = "--layout", "ten.yaml", "--modality", "bone", "--top", 1
    done = predict(tmp_path, FIXTURES / "official_small.pt", "clips.npz", *options, "--output", "p.csv")
    assert done.returncode == 0, done.stderr
    network = mmn.load_network(FIXTURES / "official_small.pt")
    logits = mmn.infer(network, *mmn.prepare(clips, tmp_path / "ten.yaml", "bone"))
    best = logits.argmax(dim=1).tolist()
    assert [int(row["index"]) for row in rows(tmp_path / "p.csv")] == best
    assert [row["class"] for row in rows(tmp_path / "p.csv")] == ["abcdefg"[k] if named else f"class {k}" for k in best]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "holds official weights, which do not record their layout and modality; give both"),
        ({"layout": "ten"}, "give both"),
        ({"layout": "jhmdb", "modality": "bone"}, "has 10 joints, but the layout jhmdb has 15"),
        ({"layout": "ten", "modality": "bones"}, "unknown modality 'bones'"),
    ],
)
def test_official_weights_without_layout_or_modality_are_refused(
    ten_joints: Path, options: dict[str, str], sentence: str
) -> None:
    if options.get("layout") == "ten":
        options = {**options, "layout": str(ten_joints)}
    with pytest.raises(UserError, match=sentence):
        mmn.Predictor(FIXTURES / "official_small.pt", **options)


def test_a_modality_is_only_for_official_weights(small_checkpoint: Path) -> None:
    with pytest.raises(UserError, match="records its modality; leave out modality joint"):
        mmn.Predictor(small_checkpoint, modality="joint")


def test_no_clips_give_no_rows(small_checkpoint: Path) -> None:
    assert mmn.Predictor(small_checkpoint)([]).shape == (0, 14)


def test_official_pickles_are_read_one_by_one_or_as_a_folder(small_checkpoint: Path, tmp_path: Path) -> None:
    folder = reference("data/jhmdb/split1")
    done = predict(tmp_path, small_checkpoint, folder / "test_data.pkl", "--output", "p.csv", "--top", 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "p.csv: 176 clips\n", "")
