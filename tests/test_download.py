"""Downloads from the Hub, against a local stand-in: complete, resumed, offline, refused."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import COMMIT, Hub, serving

from mmn.data.format.hdf5 import read_data

FILES = [f"MA52/{split}_{kind}.pkl" for split in ("train", "val", "test") for kind in ("data", "label")]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Official pickles; the training data is large enough to be interrupted in its second chunk of 10 MiB."""
    root = tmp_path_factory.mktemp("hub")
    (root / "MA52").mkdir()
    rng = np.random.default_rng(0)
    for split, frames in (("train", 36_000), ("val", 5), ("test", 5)):
        names = [f"{split}{i}" for i in range(2)]
        annotations = [
            {"frame_dir": n, "keypoint": rng.normal(size=(1, frames, 44, 2)).astype(np.float32)} for n in names
        ]
        (root / f"MA52/{split}_data.pkl").write_bytes(pickle.dumps({"annotations": annotations}))
        labels = [{"file_name": n, "label": i} for i, n in enumerate(names)]
        (root / f"MA52/{split}_label.pkl").write_bytes(pickle.dumps(labels))
    return root


@pytest.fixture
def hub(repository: Path) -> Iterator[Hub]:
    with serving(repository) as hub:
        yield hub


def environment(hub: Hub, folder: Path, **extra: str) -> dict[str, str]:
    return {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "0", **extra}


COMMAND = [sys.executable, "-m", "mmn.cli.main", "download"]


def mmn_download(hub: Hub, folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *(arguments or ("ma52",))]
    return subprocess.run(command, cwd=folder, env=environment(hub, folder, **extra), capture_output=True, text=True)


def test_an_interrupted_download_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.drop_once.add("MA52/train_data.pkl")
    result = mmn_download(hub, tmp_path)
    assert result.returncode == 0, result.stderr
    data = read_data(tmp_path / "data/ma52.h5")
    assert {split: len(clips) for split, clips in data.splits.items()} == {"train": 2, "val": 2, "test": 2}
    assert data.name == "ma52"
    assert COMMIT in data.source
    assert hub.asked("GET") == ["MA52/train_data.pkl", *FILES]
    resumed = [where for how, file, where in hub.requests if how == "GET" and where]
    assert len(resumed) == 1
    assert int(resumed[0].removeprefix("bytes=").rstrip("-")) >= 10 * 1024 * 1024


def test_a_killed_download_leaves_no_output_and_continues_with_the_missing_files(hub: Hub, tmp_path: Path) -> None:
    hub.stall.add("MA52/val_data.pkl")
    process = subprocess.Popen([*COMMAND, "ma52"], cwd=tmp_path, env=environment(hub, tmp_path), stderr=subprocess.PIPE)
    for _ in range(600):
        if "MA52/val_data.pkl" in hub.asked("GET"):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "data").exists()
    hub.stall.clear()
    hub.requests.clear()
    assert mmn_download(hub, tmp_path).returncode == 0
    assert hub.asked("GET") == FILES[2:]


def test_offline_uses_the_cache_and_names_missing_files(hub: Hub, tmp_path: Path) -> None:
    result = mmn_download(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert "is not in the cache and the Hub cannot be reached" in result.stderr
    assert mmn_download(hub, tmp_path).returncode == 0
    hub.requests.clear()
    again = mmn_download(hub, tmp_path, "ma52", "again.h5", HF_HUB_OFFLINE="1")
    assert again.returncode == 0
    assert hub.requests == []
    assert (tmp_path / "again.h5").exists()


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        ((403, "GatedRepo"), ["ma52"], "is gated: accept its terms on https://huggingface.co/datasets/Geo2425/MMN"),
        ((401, "RepoNotFound"), ["ma52"], "is private or has moved"),
        (None, ["ma52", "--revision", "nothing"], "at nothing could not be downloaded"),
        (None, ["imigue"], "iMiGUE/train_data.pkl of Geo2425/MMN at main could not be downloaded"),
        (None, ["ntu"], "unknown data set 'ntu'"),
    ],
)
def test_failed_downloads_end_in_a_one_line_message(hub, tmp_path, error, arguments, message) -> None:
    hub.error = error
    result = mmn_download(hub, tmp_path, *arguments)
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert message in lines[-1]
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("*.h5"))
    if arguments != ["ntu"]:
        assert "mmn convert" in lines[-1]


def test_an_unreachable_hub_ends_in_a_one_line_message(tmp_path: Path, repository: Path) -> None:
    with serving(repository) as hub:
        pass
    result = mmn_download(hub, tmp_path)
    assert result.returncode == 1
    assert "the Hub cannot be reached" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1  # no warnings from the client's retries
