"""Classes of a view chosen by name and by index."""

from dataclasses import replace

import pytest

from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View
from mmn.errors import UserError


def test_classes_named_by_numbers_are_chosen_by_name(small: SkeletonData) -> None:
    numbered = replace(small, classes=replace(small.classes, names=[str(i + 1) for i in range(14)]))
    assert View(classes=[1, "3"]).apply(numbered, "x").classes.names == ["1", "3"]
    assert View(classes=[0, 14]).apply(numbered, "x").classes.names == ["1", "14"]


def test_indices_of_merged_classes_are_refused(small: SkeletonData) -> None:
    with pytest.raises(
        UserError, match=r"data\.classes has index 1, but data\.merge renumbers classes; give their names"
    ):
        View(merge={"both": [0, 1]}, classes=[1, 2]).apply(small, "x")
