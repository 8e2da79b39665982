"""What of a file a run is about; the file stays as it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmn.data.format.selection import join
from mmn.data.format.skeletons import SPLITS, SkeletonData
from mmn.data.view.folds import hold_out
from mmn.errors import UserError


@dataclass(frozen=True)
class View:
    """A choice from a data set.

    Attributes:
        train_splits: the splits trained on together; they are no longer judged on.
        folds: divide the training clips into so many folds, or ``"groups"`` for one a group; None for no folds.
        fold: the fold that is held out, and judged on as the val split.
        fold_seed: of what is drawn into which fold; of its own, so that runs of several seeds share their folds.
    """

    train_splits: Sequence[str] = ("train",)
    folds: int | str | None = None
    fold: int | str | None = None
    fold_seed: int = 1

    def __post_init__(self) -> None:
        splits = [self.train_splits] if isinstance(self.train_splits, str) else list(self.train_splits)
        object.__setattr__(self, "train_splits", splits)  # plain, whatever it was given as
        if not splits or len(set(splits)) != len(splits) or not set(splits) <= set(SPLITS):
            raise UserError(f"data.train_splits is {splits}; it is one or more of {', '.join(SPLITS)}.")
        if (self.folds is None) != (self.fold is None):
            given, other = ("fold", "folds") if self.folds is None else ("folds", "fold")
            raise UserError(f"data.{given} is given without data.{other}; data.folds=5 data.fold=0 is the first of 5.")

    @property
    def without_judge(self) -> bool:
        """Whether what epochs would be judged on is trained on."""
        return self.folds is None and "val" in self.train_splits

    def apply(self, data: SkeletonData, where: str) -> SkeletonData:
        """The data set that is left; ``data`` itself where nothing is chosen.

        Args:
            data: a checked data set.
            where: what an error calls it.

        Raises:
            UserError: a choice that this data set does not have.
        """
        if self == View():
            return data
        for split in self.train_splits:
            if split not in data.splits:
                raise UserError(f"{where} has no split {split} to train on; it has {', '.join(data.splits)}.")
        training = join({split: data.splits[split] for split in self.train_splits})
        others = {split: clips for split, clips in data.splits.items() if split not in (*self.train_splits, "train")}
        chosen = replace(data, splits={"train": training, **others})
        if self.folds is not None and self.fold is not None:
            chosen = hold_out(chosen, self.folds, self.fold, self.fold_seed)
        return chosen

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as a checkpoint keeps them."""
        return asdict(self)
