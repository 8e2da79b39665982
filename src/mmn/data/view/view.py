"""Views: the part of a file that a run uses; the file is unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.selection import join, keep_joints
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.check import check_view
from mmn.data.view.classes import Relabelling, kept, merged, resolve_class, to_groups
from mmn.data.view.draw import draw
from mmn.data.view.folds import hold_out
from mmn.data.view.joints import chosen_joints, reduce_layout
from mmn.data.view.names import some
from mmn.errors import UserError


@dataclass(frozen=True)
class View:
    """A selection of joints, classes and training clips.

    Attributes:
        joints: parts, joints or patterns to keep, or with a ``-`` prefix to leave out; None for all.
        target: ``action`` classes or body ``group``.
        merge: new class → the classes (names, indices or body groups) that form it.
        classes: classes or body groups to keep; None for all.
        min_clips: drop classes with fewer training clips; None for no limit.
        rest: name of a class for all clips of the other classes; None to leave them out.
        rest_ratio: maximum training clips of that class, relative to the largest other one; None for all.
        train_fraction: train on this share of each class; None for all.
        clips_per_class: train on at most this many clips of each class; None for all.
        long_tail: with it, the last class keeps this share of ``clips_per_class``, and those between exponentially
            less; None for the same of each class.
        draw_seed: seed of that choice; separate, so that runs with different seeds train on the same clips.
        train_splits: the splits trained on; they no longer serve for validation.
        folds: number of folds of the training clips, or ``"groups"`` for one per group; None for no folds.
        fold: the fold held out as the val split.
        fold_seed: seed of the folds; separate, like ``draw_seed``.
        keep_others: keep the clips of other classes as clips of unknown class, so that they are still scored.
    """

    joints: Sequence[str] | None = None
    target: str = "action"
    merge: Mapping[str, Sequence[str | int]] | None = None
    classes: Sequence[str | int] | None = None
    min_clips: int | None = None
    rest: str | None = None
    rest_ratio: float | None = None
    train_fraction: float | None = None
    clips_per_class: int | None = None
    long_tail: float | None = None
    draw_seed: int = 1
    train_splits: Sequence[str] = ("train",)
    folds: int | str | None = None
    fold: int | str | None = None
    fold_seed: int = 1
    keep_others: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):  # plain lists and tables, whatever their type
            value = getattr(self, field.name)
            one = field.name in ("joints", "classes", "train_splits") and isinstance(value, str | int)
            object.__setattr__(self, field.name, [value] if one else _plain(value))
        check_view(self)

    @property
    def trains_on_val(self) -> bool:
        """Whether the validation clips are trained on."""
        return self.folds is None and "val" in self.train_splits

    def apply(self, data: SkeletonData, where: str) -> SkeletonData:
        """The selected data set, as if it were a whole file.

        Args:
            data: a checked data set.
            where: its name in error messages.

        Raises:
            UserError: something selected is not in this data set, or nothing remains.
        """
        data = self._training(self._classes(self._joints(data, where), where), where)
        if "train" not in data.splits and (self.folds, self.train_fraction, self.clips_per_class) != (None, None, None):
            raise UserError(f"{where} has no training clips for folds and fractions; leave these out.")
        if self.folds is not None and self.fold is not None:
            data = hold_out(data, self.folds, self.fold, self.fold_seed)
        if (self.train_fraction, self.clips_per_class, self.rest_ratio) == (None, None, None):
            return data
        names = data.classes.names
        capped = None if self.rest is None or self.rest_ratio is None else (names.index(self.rest), self.rest_ratio)
        clips = draw(
            data.splits["train"], len(names), fraction=self.train_fraction, per_class=self.clips_per_class,
            tail=1.0 if self.long_tail is None else self.long_tail, capped=capped, seed=self.draw_seed,
        )  # fmt: skip
        return replace(data, splits={**data.splits, "train": clips})

    def settled(self, data: SkeletonData) -> "View":
        """The view with limits on clips per class replaced by the classes that remain in ``data``, its result."""
        if self.min_clips is None:
            return self
        return replace(self, min_clips=None, classes=[name for name in data.classes.names if name != self.rest])

    def elsewhere(self) -> "View":
        """The part of the view that applies to other files: joints and classes."""
        return View(joints=self.joints, target=self.target, merge=self.merge, classes=self.classes, rest=self.rest)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, tables, numbers and strings, for checkpoints; only what differs from the default."""
        return {key: value for key, value in asdict(self).items() if value != asdict(View())[key]}

    def _joints(self, data: SkeletonData, where: str) -> SkeletonData:
        if self.joints is None:
            return data
        joints = chosen_joints(data.layout, self.joints, where)
        splits = {split: keep_joints(clips, joints) for split, clips in data.splits.items()}
        return replace(data, layout=reduce_layout(data.layout, joints), splits=splits)

    def _classes(self, data: SkeletonData, where: str) -> SkeletonData:
        found = Relabelling.nothing(data.classes)
        if self.target == "group":
            found = to_groups(data.classes, where)
        if self.merge:
            found = found.then(merged(found.classes, self.merge, where))
        if self.classes is not None or self.min_clips is not None:
            found = found.then(kept(found.classes, self._kept(found, data, where), self.rest, where))
        if found.classes == data.classes:
            return data
        splits = {split: found.apply(clips, self.keep_others) for split, clips in data.splits.items()}
        splits = {split: clips for split, clips in splits.items() if len(clips)}
        if not splits:
            raise UserError(f"data.classes leaves no clip of {where}; choose classes that it has clips of.")
        return replace(data, classes=found.classes, splits=splits)

    def _kept(self, found: Relabelling, data: SkeletonData, where: str) -> list[int]:
        """Indices of the classes of ``found`` to keep."""
        names = range(len(found.classes.names)) if self.classes is None else self.classes
        index = next((name for name in self.classes or () if isinstance(name, int)), None)
        if self.merge and index is not None and str(index) not in found.classes.names:
            raise UserError(f"data.classes has index {index}, but data.merge renumbers classes; give their names.")
        wanted = {index for name in names for index in resolve_class(found.classes, name, "data.classes", where)}
        if self.min_clips is None:
            return sorted(wanted)
        if "train" not in data.splits:
            raise UserError(f"data.min_clips counts training clips, but {where} has none; leave it out.")
        labels = found.apply(data.splits["train"]).labels
        counts = np.bincount(labels[labels >= 0], minlength=len(found.classes.names))
        return [index for index in sorted(wanted) if counts[index] >= self.min_clips]

    def _training(self, data: SkeletonData, where: str) -> SkeletonData:
        """The training splits, concatenated."""
        if list(self.train_splits) == ["train"]:
            return data
        for split in self.train_splits:
            if split not in data.splits:
                raise UserError(f"{where} has no split {split} to train on; it has {', '.join(data.splits)}.")
        training = join({split: data.splits[split] for split in self.train_splits})
        others = {split: clips for split, clips in data.splits.items() if split not in (*self.train_splits, "train")}
        return replace(data, splits={"train": training, **others})


def differences(whole: SkeletonData, viewed: SkeletonData) -> list[str]:
    """Describe what remains of a data set in a view."""
    found = []
    if viewed.layout != whole.layout:
        before, after = (layout.joints[layout.centre] for layout in (whole.layout, viewed.layout))
        moved = "" if before == after else f"; the centre is {after}, as {before} is left out"
        found.append(f"{viewed.layout.num_joints} of {whole.layout.num_joints} joints{moved}")
    if viewed.classes != whole.classes:
        found.append(_class_differences(whole.classes, viewed.classes))
    counts = [
        f"{split} {len(viewed.splits[split]) if split in viewed.splits else 0} of {len(clips)}"
        for split, clips in whole.splits.items()
        if split not in viewed.splits or len(viewed.splits[split]) != len(clips)
    ]
    return found + ([f"clips: {', '.join(counts)}"] if counts else [])


def _class_differences(whole: Classes, viewed: Classes) -> str:
    gone = [name for name in whole.names if name not in viewed.names]
    new = [name for name in viewed.names if name not in whole.names]
    parts = [f"{len(viewed.names)} classes of {len(whole.names)}"]
    parts += [f"new are {some(new)}"] if new else []
    parts += [f"gone are {some(gone)}"] if gone else []
    return "; ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, Sequence) else value
