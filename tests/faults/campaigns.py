"""Valid files of every format, damaged at random: each must be refused with a short message or read unchanged."""

import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import load_layout
from mmn.data.sources.convert import read_source
from mmn.data.sources.labels.table import read_labels
from mmn.data.synthetic.synthesize import synthesize
from mmn.errors import UserError
from mmn.evaluation.check_submission import check_submission
from mmn.evaluation.scores import Scores, read_scores, write_scores
from mmn.inference.checkpoint import load_checkpoint
from mmn.outside import read_json, read_yaml

FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        sound: a valid file.
        read: reads the file as commands do, and returns its content in a printable form.
        checked: whether checksums detect every change of the content.
    """

    sound: Path
    read: Callable[[Path], Any]
    checked: bool


def formats(folder: Path) -> dict[str, Format]:
    """Write valid files of all formats to ``folder``."""
    data = folder / "data.h5"
    synthesize(data, "jhmdb", clips_per_class=1, val_per_class=1, test_per_class=1, frames=(8, 12), seed=3)
    small = read_data(data)
    logits = np.random.default_rng(0).normal(size=(14, 14)).astype(np.float32)
    clips = small.splits["test"]
    write_scores(folder / "scores.h5", Scores(clips.names, clips.labels, logits, small.classes))
    arrays = {f"clip{i}": clips.clip(i) for i in range(3)}
    np.savez(folder / "plain.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)
    np.save(folder / "clip.npy", arrays["clip0"])
    annotations = [
        {"frame_dir": name, "keypoint": array[None], "total_frames": len(array), "label": 0, "img_shape": (480, 640)}
        for name, array in arrays.items()
    ]
    (folder / "pyskl.pkl").write_bytes(pickle.dumps({"annotations": annotations, "split": {"train": list(arrays)}}))
    people = [
        {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": [float(x) for x in range(51)],
            "score": 2.0,
            "idx": 1,
        }
        for frame in range(6)
    ]
    (folder / "alphapose.json").write_text(json.dumps(people))
    (folder / "labels.csv").write_text("name,label,split\n" + "".join(f"clip{i},{i},train\n" for i in range(9)))
    layout = load_layout("jhmdb").as_dict()
    (folder / "layout.yaml").write_text(json.dumps(layout))
    (folder / "state.json").write_text(json.dumps({"state": "finished", "best": {"value": 1.5, "epoch": 3}}))
    (folder / "config.yaml").write_text("seed: 1\nmodality: {name: joint}\ndata:\n  path: a.h5\n  classes: [1, 2]\n")
    with zipfile.ZipFile(folder / "prediction.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prediction.csv", "vid,action_pred_1\n" + "".join(f"a{i}.mp4,{i}\n" for i in range(50)))
    grouped = synthesize(
        folder / "ma52.h5", "ma52", clips_per_class=1, val_per_class=0, test_per_class=1, frames=(4, 5)
    )
    torch.save(torch.load(FIXTURES / "official_small.pt", weights_only=True), folder / "official.pt")

    def source(path: Path) -> str:
        found = read_source(path, "jhmdb").data
        return repr([(split, one.names, one.keypoints.tobytes()) for split, one in found.splits.items()])

    return {
        "data": Format(data, _data, checked=True),
        "scores": Format(folder / "scores.h5", lambda p: _plain(read_scores(p)), checked=True),
        "official weights": Format(folder / "official.pt", _weights, checked=True),
        "npz": Format(folder / "plain.npz", source, checked=True),
        "packed npz": Format(folder / "packed.npz", source, checked=True),
        "npy": Format(folder / "clip.npy", source, checked=False),
        "pyskl": Format(folder / "pyskl.pkl", source, checked=False),
        "alphapose": Format(folder / "alphapose.json", lambda p: repr(read_source(p, "coco17")), checked=False),
        "labels": Format(folder / "labels.csv", lambda p: repr(read_labels(p)), checked=False),
        "layout": Format(folder / "layout.yaml", lambda p: repr(load_layout(p)), checked=False),
        "json": Format(folder / "state.json", lambda p: repr(read_json(p)), checked=False),
        "yaml": Format(folder / "config.yaml", lambda p: repr(read_yaml(p)), checked=False),
        "submission": Format(
            folder / "prediction.zip", lambda p: repr(check_submission(p, grouped)), checked=False
        ),
    }  # fmt: skip


def _data(path: Path) -> str:
    data = read_data(path)
    return repr((data.name, data.source, data.layout, data.classes, {s: _plain(c) for s, c in data.splits.items()}))


def _plain(one: Any) -> str:
    return repr({
        name: sha256(value.tobytes()).hexdigest() if isinstance(value, np.ndarray) else value
        for name, value in vars(one).items()
    })  # fmt: skip


def _weights(path: Path) -> str:
    state = load_checkpoint(path).network.state_dict()
    return repr({name: sha256(value.numpy().tobytes()).hexdigest() for name, value in state.items()})


def damage(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Damage a file's content at random; also return a description."""
    kind = rng.choice(["bit", "byte", "truncated", "zeros", "random", "repeated", "removed"])
    place = int(rng.integers(len(content)))
    length = int(rng.integers(1, 65))
    changed = bytearray(content)
    if kind == "bit":
        changed[place] ^= 1 << int(rng.integers(8))
    elif kind == "byte":
        changed[place] = int(rng.integers(256))
    elif kind == "truncated":
        del changed[place:]
    elif kind == "zeros":
        changed[place : place + length] = bytes(len(changed[place : place + length]))
    elif kind == "random":
        changed[place : place + length] = rng.bytes(len(changed[place : place + length]))
    elif kind == "repeated":
        changed[place:place] = changed[place : place + length]
    else:
        del changed[place : place + length]
    return f"{kind} at {place}", bytes(changed)


def judge(one: Format, path: Path, expected: str) -> str:
    """The outcome of reading: ``refused``, ``as it was``, ``another`` (allowed without checksums), or the failure."""
    try:
        found = one.read(path)
    except UserError as error:
        return "refused" if len(str(error)) < 2_000 else f"A PAGE: {str(error)[:200]!r}"
    except BaseException as error:
        return f"TRACEBACK: {type(error).__name__}: {str(error)[:200]}"
    if found == expected:
        return "as it was"
    return "UNNOTICED" if one.checked else "another"


def cases(name: str, one: Format, seed: int, count: int, first: int = 0) -> Iterator[tuple[str, str]]:
    """Damaged files of one format and the outcome of reading them; reproducible by seed and number."""
    content, expected = one.sound.read_bytes(), one.read(one.sound)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / one.sound.name
        for number in range(first, first + count):
            what, damaged = damage(content, np.random.default_rng([seed, number]))
            path.write_bytes(damaged)
            yield f"{name} {number}: {what}", judge(one, path, expected)
