"""Results read from the folder of a run or an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.folds import trainings
from mmn.evaluation.scores import Scores, read_scores
from mmn.inference.checkpoint import Checkpoint, UnnamedNetworkError, load_checkpoint
from mmn.outside import read_json


@dataclass(frozen=True)
class Result:
    """One split's results in a folder of train.py or eval.py.

    Attributes:
        folder: the folder.
        split: the split.
        scores: of its labelled and unlabelled clips.
        streams: the ensembled scores, if several.
        data: the file that was scored, if it still exists.
        checkpoint: the network, or the first of several, if it still exists.
        trainings: the scores of each training; ``scores`` are those of the first.
        others: the other folders that were read, if any.
        pooled: whether ``scores`` are of several folds, of which ``folder`` is only the first.
    """

    folder: Path
    split: str
    scores: Scores
    streams: list[Scores]
    data: SkeletonData | None
    checkpoint: Checkpoint | None
    trainings: list[Scores]
    others: int = 0
    pooled: bool = False

    @property
    def no_clips(self) -> str:
        """Why the clips are not shown, in a sentence; empty if they are."""
        if self.data is not None:
            return ""
        if self.pooled:
            return "The clips of pooled folds are not shown."
        if isinstance(self.scores.source.record.get("data"), dict):
            return "The clips of several data files are not shown."
        return "The data file is missing or has changed; its clips are not shown."

    @property
    def about(self) -> dict[str, Any]:
        """Provenance of the scores; for a run's folder including its last epoch."""
        if self.pooled:
            return self.scores.source.record
        try:
            content = read_json(self.folder / "metrics.json")
        except UserError:
            content = {}
        about = content.get("about") if isinstance(content, dict) else None
        return {**self.scores.source.record, **(about if isinstance(about, dict) else {})}

    @property
    def val_split(self) -> str:
        """The validation split."""
        return str(self.about.get("selected_on") or "val/").partition("/")[0]

    @property
    def clips(self) -> Clips | None:
        """The scored clips, if the data still exists."""
        return None if self.data is None else self.data.splits.get(self.split)


def _load(path: str) -> Checkpoint | None:
    """A checkpoint; None if its network is of a custom class, which is never imported."""
    try:
        return load_checkpoint(path)
    except UnnamedNetworkError:
        return None


def load_result(folder: Path, split: str | None = None) -> Result:
    """The scores in a run's or an evaluation's folder, and their data and checkpoint if they still exist.

    Raises:
        UserError: the folder has no scores of that split.
    """
    scores = _scores(folder, split)
    streams = [read_scores(p) for p in sorted(folder.glob("streams/*.h5"), key=lambda p: int(p.stem))]
    networks = [p for p in scores.source.checkpoints if Path(p).is_file()]
    checkpoint = _load(networks[0]) if networks else None
    data = _data(scores) if Path(scores.source.data).is_file() else None
    return Result(folder, scores.source.split or "test", scores, streams, data, checkpoint, [scores])


def load_trainings(folders: Sequence[Path], split: str | None = None) -> Result:
    """The result of the first training, with the scores of all; of folds, the pooled scores alone.

    Raises:
        UserError: a folder has no scores of that split, or the folds are incomplete.
    """
    first = load_result(folders[0], split)
    found = trainings([first.scores, *(_scores(folder, first.split) for folder in folders[1:])])
    others = len(folders) - 1
    if len(found[0].names) > len(first.scores.names):
        return Result(first.folder, first.split, found[0], [], None, None, found, others, pooled=True)
    return replace(first, trainings=found, others=others)


def _scores(folder: Path, split: str | None) -> Scores:
    paths = [folder / "scores.h5"] + [folder / f"scores_{name}.h5" for name in ("test", "val")]
    if split is not None:
        paths = [folder / "scores.h5", folder / f"scores_{split}.h5"]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        wanted = f" of {split}" if split else ""
        raise UserError(f"{folder} holds no scores{wanted}; give a folder of train.py or eval.py.")
    return read_scores(path, split)


def _data(scores: Scores) -> SkeletonData | None:
    """The view of the file that was scored; None if the file has changed and lacks those clips."""
    try:
        data = scores.source.view.apply(read_data(scores.source.data), scores.source.data)
    except UserError:
        return None
    clips = data.splits.get(scores.source.split)
    return data if clips is not None and set(scores.names) <= set(clips.names) else None
