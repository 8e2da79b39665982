"""Shared fixtures: small data sets, checkpoints, a finished run, and optional reference data."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import ROOT, train

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.synthetic.synthesize import synthesize
from mmn.evaluation.scores import Scores, Source, write_scores
from mmn.inference.checkpoint import KEY
from mmn.inference.stream import MMN_TARGET, Stream
from mmn.model.mmn import MMN

FIXTURES = Path(__file__).parent / "fixtures"
REFERENCE = Path(os.environ.get("MMN_REFERENCE", ROOT.parent / "shared"))
"""Reference data that is too large for the repository; tests that need it skip without it."""

MA52 = load_classes("ma52")

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


def random_scores(clips: int, skill: float = 2.0, seed: int = 0, classes: Classes = MA52) -> Scores:
    rng = np.random.default_rng(seed)
    k = len(classes.names)
    labels = np.random.default_rng(99).integers(0, k, clips)
    logits = rng.normal(size=(clips, k)).astype(np.float32)
    logits[np.arange(clips), labels] += skill
    return Scores([f"clip{i}" for i in range(clips)], labels, logits, classes)


ACCELERATOR = os.environ.get("MMN_ACCELERATOR", "cuda")
"""Device of the tests marked ``gpu``; MMN_ACCELERATOR=cpu runs them without one, to test the tests."""

needs_gpu = [
    pytest.mark.gpu, pytest.mark.skipif(ACCELERATOR == "cuda" and not torch.cuda.is_available(), reason="needs a GPU")
]  # fmt: skip


@pytest.fixture(params=["cpu", pytest.param(ACCELERATOR, id="gpu", marks=needs_gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The CPU and, if there is one, a GPU, computing in full float32."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # of convolutions; off for products by default
        yield request.param


def reference(path: str) -> Path:
    """A file or folder of the reference data; the test is skipped if it is absent."""
    found = REFERENCE / path
    if not found.exists():
        pytest.skip(f"reference data {path} is absent")
    return found


def official_fixture(path: Path) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    """Arrays of a parity fixture, and the official state dict in it as float32."""
    arrays = dict(np.load(path))
    state = {}
    for name, array in arrays.items():
        if name.startswith("state/"):
            tensor = torch.from_numpy(array)
            state[name.removeprefix("state/")] = tensor.float() if tensor.is_floating_point() else tensor
    return arrays, state


def save_untrained(path: Path, data: SkeletonData, data_path: Path, modality: str = "bone") -> Path:
    """Write a checkpoint of a small untrained network for a file in the JHMDB layout."""
    torch.manual_seed(0)
    channels = Modality(modality).channels(data.coordinates, data.layout)
    network = MMN(15, 14, num_frames=16, width=16, depth=1, coordinates=channels)
    stream = Stream(
        Preprocessing(Modality(modality), 16), data.layout, data.classes, MMN_TARGET, network.config,
        data.name, str(data_path), trained_on=[],
    )  # fmt: skip
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, KEY: {"stream": stream.as_dict(), "chosen": {"temperature": 1.0}}}, path)
    return path


@pytest.fixture(scope="session")
def jhmdb_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic file in the JHMDB layout: 14 classes, 4 + 2 + 2 clips each."""
    path = tmp_path_factory.mktemp("data") / "small.h5"
    synthesize(path, "jhmdb", clips_per_class=4, val_per_class=2, test_per_class=2, frames=(12, 30), seed=3)
    return path


@pytest.fixture(scope="session")
def small(jhmdb_like: Path) -> SkeletonData:
    """The content of that file."""
    return read_data(jhmdb_like)


@pytest.fixture(scope="session")
def small_checkpoint(jhmdb_like: Path, small: SkeletonData) -> Path:
    """A checkpoint of a small untrained network for bones of that file."""
    return save_untrained(jhmdb_like.parent / "small.ckpt", small, jhmdb_like)


@pytest.fixture(scope="session")
def run(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four epochs."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    result = train(folder, jhmdb_like, "trainer.max_epochs=4")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an evaluation: scores, with their checkpoint and data."""
    folder = tmp_path_factory.mktemp("evaluation")
    data = synthesize(folder / "x.h5", "jhmdb", clips_per_class=2, val_per_class=0, test_per_class=4, frames=(8, 20))
    save_untrained(folder / "net.ckpt", data, folder / "x.h5")
    scores = random_scores(56, classes=load_classes("jhmdb"))
    clips = data.splits["test"]
    source = Source((str(folder / "net.ckpt"),), str(folder / "x.h5"), "test")
    write_scores(folder / "scores.h5", Scores(clips.names, clips.labels, scores.logits, data.classes, source))
    return folder
