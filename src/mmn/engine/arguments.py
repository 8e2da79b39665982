"""Normalise the command line as people type it into what Hydra's parser accepts."""

import re
from collections.abc import Sequence
from pathlib import Path

from mmn.errors import UserError

_WITH_VALUE = ("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd", "--package", "-p", "--info", "-i",
               "--cfg", "-c")  # fmt: skip


def normalise_arguments(arguments: Sequence[str], configs: Path) -> list[str]:
    """Hydra's own flags first, then the overrides, each in a form that Hydra can parse.

    ``--key=value``, as W&B agents write it, becomes ``key=value``; flags such as ``-m`` may appear anywhere; a value
    outside Hydra's grammar (a path with spaces, ``=`` or brackets) is quoted; ``logger=null`` becomes ``logger=none``.

    Args:
        arguments: without the program name.
        configs: the folder whose subfolders are the config groups.

    Raises:
        UserError: null for a group that is required.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, has_value, _ = argument.partition("=")
        if name in _WITH_VALUE:
            flags.append(argument)
            if not has_value:
                flags += [value for value in [next(rest, None)] if value is not None]
        elif argument.startswith("--") and has_value and re.fullmatch(r"--[+~]*\w[\w./@-]*", name):
            overrides.append(_parsable(_none_for_null(argument[2:], configs)))
        elif argument.startswith("-"):
            flags.append(argument)
        else:
            overrides.append(_parsable(_none_for_null(argument, configs)))
    return [*flags, *overrides]


def _none_for_null(override: str, configs: Path) -> str:
    """``group=null``, which Hydra rejects, as ``group=none``, alone or in the list of a sweep."""
    group, _, value = override.partition("=")
    choices_given = value.split(",")
    if not {"null", "None"} & set(choices_given) or not re.fullmatch(r"\w+", group) or not (configs / group).is_dir():
        return override
    if not (configs / group / "none.yaml").exists():
        choices = ", ".join(sorted(path.stem for path in (configs / group).glob("*.yaml")))
        raise UserError(f"{override}: this group is required; choose one of {choices}.")
    return f"{group}=" + ",".join("none" if one in ("null", "None") else one for one in choices_given)


def _parsable(override: str) -> str:
    """An override unchanged if Hydra can parse it, else with its value quoted."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    key, has_value, value = override.partition("=")
    candidates = [override]
    if has_value and value.startswith("[") and value.endswith("]"):
        candidates.append(f"{key}=[{','.join(_quoted(item.strip()) for item in value[1:-1].split(','))}]")
    if has_value:
        candidates.append(f"{key}={_quoted(value)}")
    for candidate in candidates:
        try:
            parser.parse_override(candidate)
            return candidate
        except HydraException:
            continue
    return override  # Hydra reports what is wrong with it


def _quoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
