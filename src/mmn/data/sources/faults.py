"""Unusable clips: all reported in one error, or left out."""

from collections.abc import Sequence

from mmn.data.format.layout import Layout
from mmn.data.sources.clip import Clip
from mmn.data.sources.fill import DEFAULT_MAX_GAP, LONG, MOSTLY, faults, missing_joints
from mmn.data.sources.options import ConvertOptions
from mmn.data.sources.words import some
from mmn.errors import UserError
from mmn.text import counted

_NOBODY = "nobody in any of its frames"


def usable(
    clips: Sequence[Clip], nobody: Sequence[str], layout: Layout, options: ConvertOptions
) -> tuple[list[Clip], list[str]]:
    """Return the usable clips, and a note on those left out.

    Args:
        clips: with a row for every frame, missing joints NaN.
        nobody: recordings with nobody in them.
        layout: the clips' skeleton.
        options: how much may be filled in, and whether unusable clips are left out.

    Raises:
        UserError: clips with nobody in them or with too much to fill in; the message lists them all.
    """
    max_gap = options.max_gap
    if max_gap is None:
        max_gap = round(options.fps / 2) if options.fps else DEFAULT_MAX_GAP
    bad = dict.fromkeys([*nobody, *(clip.name for clip in clips if not len(clip.joints))], _NOBODY)
    for clip in clips:
        if clip.name in bad or clip.joints.shape[1] != layout.num_joints:
            continue
        if options.missing == "interpolate":
            why = faults(clip.joints, layout.joints, max_gap, options.max_filled)
        else:
            why = "missing joints" if options.skip_bad and missing_joints(clip.joints).any() else ""
        if why:
            bad[clip.name] = why
    kept = [clip for clip in clips if clip.name not in bad]
    if bad and not (options.skip_bad and kept):
        raise UserError(_sentence(bad, len(clips) + len(nobody), options, max_gap))
    return kept, [f"{counted(len(bad), 'clip')} left out: {_reasons(bad)}"] if bad else []


def _sentence(bad: dict[str, str], total: int, options: ConvertOptions, max_gap: int) -> str:
    whole = len(bad) == total
    remedies = [] if whole else ["leave them out with --skip-bad"]
    whys = set(bad.values())
    if any(why.endswith(MOSTLY) for why in whys):
        remedies.append(f"raise --max-filled {options.max_filled:g}")
    if any(why.endswith(LONG) for why in whys):
        remedies.append(f"raise --max-gap {max_gap}")
    if not remedies:
        remedies.append("check that this is the right source")
    if len(bad) == 1 and _NOBODY in bad.values():
        return f"clip {next(iter(bad))} has {_NOBODY}; {' or '.join(remedies).replace('them', 'it')}."
    return f"{len(bad)} of {total} clips cannot be used: {_reasons(bad)}; {' or '.join(remedies)}."


def _reasons(bad: dict[str, str]) -> str:
    """The clips and what is wrong with them, those with nobody in them first."""
    empty = [name for name, why in bad.items() if why == _NOBODY]
    others = [f"{name} ({why})" for name, why in bad.items() if why != _NOBODY]
    parts = [f"{some(empty)} ({_NOBODY.replace('its', 'their')})"] if empty else []
    return "; ".join([*parts, *([some(others)] if others else [])])
