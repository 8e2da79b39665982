"""``mmn predict``: from recordings to a table of predictions."""

import csv
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import Ended, in_process
from conftest import reference, save_untrained

import mmn
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.engine.predict import read_recordings
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


def test_checkpoints_without_a_temperature_are_named_and_do_not_count(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best, last = (run / "checkpoints" / name for name in ("best.ckpt", "last.ckpt"))
    known = mmn.Predictor(best).temperature
    assert (known != 1.0, caplog.messages) == (True, [])
    assert mmn.Predictor(best, last, last).temperature == known
    assert mmn.Predictor(last).temperature == 1.0
    assert [message.partition(";")[0] for message in caplog.messages] == [
        f"no temperature is recorded in {last}",
        f"no temperature is recorded in {last}",
    ]


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
        (["few.npz", "--max-gap", "-5"], "--max-gap is -5"),
        (["small.h5", "--layout", "coco17"], "small.h5 records its own joints, which are not those of coco17"),
        (["FEW.NPZ"], "FEW.NPZ has .NPZ files; rename them to .npz"),
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
    (tmp_path / "FEW.NPZ").write_bytes((tmp_path / "few.npz").read_bytes())
    (tmp_path / "table.csv").write_text("kept")
    done = predict(tmp_path, small_checkpoint, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("p.*"))
    assert (tmp_path / "table.csv").read_text() == "kept"


def test_reading_options_do_not_apply_to_data_files(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    write_data(tmp_path / "small.h5", small)
    done = predict(
        tmp_path, small_checkpoint, "small.h5", "--layout", "jhmdb", "--zeros", "keep", "--person", "longest"
    )
    assert done.returncode == 0
    assert done.stderr == "small.h5: --person and --zeros have no effect on a file that mmn wrote\n"


def test_a_comma_without_a_checkpoint_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    assert "has an empty entry; separate checkpoints" in predict(tmp_path, f"{small_checkpoint},", "few.npz").stderr


def test_only_networks_of_the_same_classes_make_an_ensemble(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    other = replace(small, classes=replace(small.classes, names=[f"{name}?" for name in small.classes.names]))
    save_untrained(tmp_path / "other.ckpt", other, tmp_path / "none.h5")
    with pytest.raises(UserError, match=r"other\.ckpt has different classes from .*small\.ckpt"):
        mmn.Predictor(small_checkpoint, tmp_path / "other.ckpt")


def test_no_clips_give_no_rows(small_checkpoint: Path) -> None:
    assert mmn.Predictor(small_checkpoint)([]).shape == (0, 14)


def test_official_pickles_are_read_one_by_one_or_as_a_folder(small_checkpoint: Path, tmp_path: Path) -> None:
    folder = reference("data/jhmdb/split1")
    done = predict(tmp_path, small_checkpoint, folder / "test_data.pkl", "--output", "p.csv", "--top", 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "p.csv: 176 clips\n", "")


def test_official_pickles_are_recognised_without_their_labels(small_checkpoint: Path, tmp_path: Path) -> None:
    clips = np.random.default_rng(0).normal(size=(2, 1, 9, 15, 2))
    annotations = [{"frame_dir": name, "keypoint": clip} for name, clip in zip("ab", clips, strict=True)]
    (tmp_path / "train_data.pkl").write_bytes(pickle.dumps({"annotations": annotations}))
    found = read_recordings(tmp_path / "train_data.pkl", mmn.Predictor(small_checkpoint)).clips
    assert found.names == ["a", "b"]
