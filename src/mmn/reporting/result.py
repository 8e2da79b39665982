"""What the folder of a run or an evaluation holds, for the report."""

from dataclasses import dataclass
from pathlib import Path

import h5py

from mmn.checkpoint import Checkpoint, load_checkpoint
from mmn.data.clips import Clips
from mmn.data.hdf5 import read_data
from mmn.data.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, read_scores


@dataclass(frozen=True)
class Result:
    """What a folder of train.py or eval.py holds about one split."""

    folder: Path
    split: str
    scores: Scores
    data: SkeletonData | None
    checkpoint: Checkpoint | None

    @property
    def clips(self) -> Clips | None:
        """The clips that were scored, where the data is still there."""
        return None if self.data is None else self.data.splits.get(self.split)


def load_result(folder: Path, split: str | None = None) -> Result:
    """The scores in a run's or an evaluation's folder, and the data and checkpoint they came from, if still there.

    Raises:
        UserError: a folder without scores of that split, or with no labelled clip.
    """
    paths = [folder / "scores.h5"] + [folder / f"scores_{name}.h5" for name in ("test", "val")]
    if split is not None:
        paths = [folder / "scores.h5", folder / f"scores_{split}.h5"]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        wanted = f" of {split}" if split else ""
        raise UserError(f"{folder} holds no scores{wanted}; give a folder of train.py or eval.py.")
    scores = read_scores(path, split)
    if not (scores.labels >= 0).any():
        raise UserError(f"{path} has no labelled clip, so that there is nothing to report.")
    with h5py.File(path) as file:
        origin = Path(str(file.attrs.get("checkpoint") or file.attrs.get("checkpoints") or ""))
        found = split or str(file.attrs.get("split", "test"))
    checkpoint = load_checkpoint(origin) if origin.is_file() else None
    return Result(folder, found, scores, _data(checkpoint), checkpoint)


def _data(checkpoint: Checkpoint | None) -> SkeletonData | None:
    """The file a checkpoint was trained on."""
    if checkpoint is None or (description := checkpoint.description) is None:
        return None
    return read_data(description.data_path) if Path(description.data_path).exists() else None
