"""What the folder of a run or an evaluation holds, for the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, read_scores
from mmn.inference.checkpoint import Checkpoint, UnnamedNetworkError, load_checkpoint
from mmn.outside import read_json


@dataclass(frozen=True)
class Result:
    """What a folder of train.py or eval.py holds about one split.

    Attributes:
        folder: it.
        split: which.
        scores: of its labelled and unlabelled clips.
        streams: the scores that were added up, where there were several.
        data: the file that was scored, if it is still there.
        checkpoint: the network, or the first of several, if it is still there.
    """

    folder: Path
    split: str
    scores: Scores
    streams: list[Scores]
    data: SkeletonData | None
    checkpoint: Checkpoint | None

    @property
    def about(self) -> dict[str, Any]:
        """How the scores came about: of a run's folder with its last epoch, else as far as the scores know."""
        try:
            content = read_json(self.folder / "metrics.json")
        except UserError:
            content = {}
        about = content.get("about") if isinstance(content, dict) else None
        return {**self.scores.source.record, **(about if isinstance(about, dict) else {})}

    @property
    def judged(self) -> str:
        """The split that epochs were judged on."""
        return str(self.about.get("selected_on") or "val/").partition("/")[0]

    @property
    def clips(self) -> Clips | None:
        """The clips that were scored, where the data is still there."""
        return None if self.data is None else self.data.splits.get(self.split)


def _load(path: str) -> Checkpoint | None:
    """A checkpoint; None where its network is of a class that nobody has named here."""
    try:
        return load_checkpoint(path)
    except UnnamedNetworkError:
        return None


def load_result(folder: Path, split: str | None = None) -> Result:
    """The scores in a run's or an evaluation's folder, and the data and checkpoint they came from, if still there.

    Raises:
        UserError: a folder without scores of that split.
    """
    paths = [folder / "scores.h5"] + [folder / f"scores_{name}.h5" for name in ("test", "val")]
    if split is not None:
        paths = [folder / "scores.h5", folder / f"scores_{split}.h5"]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        wanted = f" of {split}" if split else ""
        raise UserError(f"{folder} holds no scores{wanted}; give a folder of train.py or eval.py.")
    scores = read_scores(path, split)
    streams = [read_scores(p) for p in sorted(folder.glob("streams/*.h5"), key=lambda p: int(p.stem))]
    networks = [p for p in scores.source.checkpoints if Path(p).is_file()]
    checkpoint = _load(networks[0]) if networks else None
    data = _data(scores) if Path(scores.source.data).is_file() else None
    return Result(folder, scores.source.split or "test", scores, streams, data, checkpoint)


def _data(scores: Scores) -> SkeletonData | None:
    """The view of the file that was scored; None where the file was made anew since and has not those clips."""
    try:
        data = scores.source.view.apply(read_data(scores.source.data), scores.source.data)
    except UserError:
        return None
    clips = data.splits.get(scores.source.split)
    return data if clips is not None and set(scores.names) <= set(clips.names) else None
