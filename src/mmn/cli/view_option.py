"""The ``--view`` option: a part of a file, selected with the keys of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.data.view.view import View

READY = Path(__file__).parents[3] / "configs" / "view"
HELP = "a view: KEY=VALUE as in data.KEY=VALUE of train.py, a YAML file of them, or a name in configs/view"


def read_view(words: Sequence[str]) -> "View":
    """The view given by words such as ``upper_body``, ``mine.yaml`` or ``classes=[head,waving]``; later ones win.

    Raises:
        UserError: unknown word or invalid view.
    """
    from mmn.data.view.view import View

    options: dict[str, Any] = {}
    for word in words:
        options |= _setting(word) if "=" in word else _file(word)
    known = View.__dataclass_fields__
    for key in options:
        if key not in known:
            raise UserError(f"--view has no key {key}; it has {', '.join(known)}.")
    return View(**options)


def _setting(word: str) -> dict[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(word.removeprefix("data."))
        return {str(override.key_or_group): override.value()}
    except HydraException:
        raise UserError(
            f"--view {word} cannot be read; quote it whole, as in \"classes=[head,'touching nose']\"."
        ) from None


def _file(word: str) -> dict[str, Any]:
    from mmn.outside import read_yaml

    path = Path(word) if Path(word).suffix in (".yaml", ".yml") else READY / f"{word}.yaml"
    try:
        content = read_yaml(path, "view")
    except UserError:
        ready = ", ".join(sorted(file.stem for file in READY.glob("*.yaml")))
        raise UserError(f"unknown view {word}; give KEY=VALUE, a YAML file, or one of {ready}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a view; write a table such as `joints: [left_arm]`.")
    return content
