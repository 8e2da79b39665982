"""Selection of joints, and layouts restricted to them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from mmn.data.format.layout import Layout
from mmn.data.view.names import not_there
from mmn.errors import UserError


def chosen_joints(layout: Layout, wanted: Sequence[str], where: str) -> list[int]:
    """Indices of the selected joints, in the layout's order.

    Args:
        layout: the skeleton.
        wanted: parts, joints, or patterns such as ``*elbow``, which may match none; a ``-`` prefix leaves joints out.
            With only such entries, all other joints are kept.
        where: the layout's file, for error messages.

    Raises:
        UserError: a name is neither a part nor a joint, or no joints remain.
    """
    kept: set[int] = set()
    if all(name.startswith("-") for name in wanted):
        kept.update(range(layout.num_joints))
    for name in sorted(wanted, key=lambda name: name.startswith("-")):  # whatever is left out stays out
        named = _resolve(layout, name.removeprefix("-"), where)
        kept = kept - named if name.startswith("-") else kept | named
    if not kept:
        raise UserError(f"data.joints={_list(wanted)} leaves no joint of {where}; name some of its parts or joints.")
    return sorted(kept)


def _resolve(layout: Layout, name: str, where: str) -> set[int]:
    if name in layout.parts:
        return set(layout.parts[name])
    if name in layout.joints:
        return {layout.joints.index(name)}
    if "*" in name:
        parts = [joint for part, joints in layout.parts.items() if fnmatchcase(part, name) for joint in joints]
        return {*parts, *(i for i, joint in enumerate(layout.joints) if fnmatchcase(joint, name))}
    raise not_there("data.joints", name, "part or joint", [*layout.parts, *layout.joints], where)


def reduce_layout(layout: Layout, joints: Sequence[int]) -> Layout:
    """The layout restricted to ``joints``.

    A bone to a dropped joint ends in the next kept joint along the bones. Joints that were connected stay connected, by
    a bone to the nearest kept joint towards the centre. A dropped centre is replaced by the nearest kept joint along
    the bones.
    """
    new = {joint: place for place, joint in enumerate(joints)}
    nearest = next((joint for joint in layout.walk(layout.centre) if joint in new), None)
    centre = next(joint for joint in layout.order if joint in new) if nearest is None else nearest
    bones = _connected(layout, _followed(layout, set(new)), set(new), centre)
    parts = {part: [new[joint] for joint in members if joint in new] for part, members in layout.parts.items()}
    return Layout(
        joints=[layout.joints[joint] for joint in joints],
        bones=[(new[start], new[end]) for start, end in bones],
        parts={part: members for part, members in parts.items() if members},
        centre=new[centre],
        flip_pairs=[(new[a], new[b]) for a, b in layout.flip_pairs if a in new and b in new],
    )


def _followed(layout: Layout, kept: set[int]) -> list[tuple[int, int]]:
    """Bones of the kept joints, each to the nearest kept joints in its direction."""
    ends: dict[int, list[int]] = {}
    for start, end in layout.bones:
        ends.setdefault(start, []).append(end)

    def reach(joint: int, passed: frozenset[int]) -> list[int]:
        if joint in kept:
            return [joint]
        return [found for end in ends.get(joint, []) if end not in passed for found in reach(end, passed | {joint})]

    found = [(start, last) for start, end in layout.bones if start in kept for last in reach(end, frozenset({start}))]
    return [(start, end) for start, end in dict.fromkeys(found) if start != end]


def _connected(
    layout: Layout, bones: list[tuple[int, int]], kept: set[int], centre: int
) -> list[tuple[int, int]]:  # fmt: skip
    """``bones``, plus one for each component disconnected from the centre."""
    origin = layout.walk(layout.centre)  # nearest first
    for joint in origin:
        if joint not in kept or joint in _reached(bones, centre):
            continue
        ancestor = origin[joint]
        while ancestor not in kept and ancestor != origin[ancestor]:
            ancestor = origin[ancestor]
        bones = [*bones, (joint, ancestor if ancestor in kept and ancestor != joint else centre)]
    return bones


def _reached(bones: list[tuple[int, int]], start: int) -> set[int]:
    reached, count = {start}, 0
    while len(reached) > count:
        count = len(reached)
        reached.update(b for pair in bones for a, b in (pair, pair[::-1]) if a in reached)
    return reached


def _list(names: Sequence[str]) -> str:
    return f"[{','.join(names)}]"
