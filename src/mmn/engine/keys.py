"""The keys of a command's config."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from hydra.core.hydra_config import HydraConfig


def given_keys() -> list[str]:
    """The keys and groups that the command line sets; none outside a Hydra job."""
    if not HydraConfig.initialized():
        return []
    return [override.lstrip("+").partition("=")[0] for override in HydraConfig.get().overrides.task]


def config_keys(config: Path, groups: Sequence[str] | None = None) -> list[str]:
    """All full keys of a primary config and of every choice of its groups.

    Args:
        config: ``…/train.yaml`` or ``eval.yaml``.
        groups: the groups to include; None for all in its defaults.
    """
    if groups is None:
        defaults = yaml.safe_load(config.read_text(encoding="utf-8"))["defaults"]
        groups = [group.removeprefix("optional ") for entry in defaults if isinstance(entry, dict) for group in entry]
    files = [config, *(file for group in groups for file in (config.parent / group).glob("*.yaml"))]
    return sorted({*groups, *(key for file in files for key in _keys_in(file, config.parent))})


def _keys_in(file: Path, folder: Path) -> Iterator[str]:
    """Keys of one file, prefixed by its group unless its package is global."""
    text = file.read_text(encoding="utf-8")
    group = ".".join(file.relative_to(folder).parts[:-1])
    prefix = "" if not group or "@package _global_" in text.splitlines()[0] else f"{group}."

    def walk(content: object, prefix: str) -> Iterator[str]:
        if isinstance(content, dict):
            for key, value in content.items():
                if key != "defaults":
                    yield f"{prefix}{key}"
                    yield from walk(value, f"{prefix}{key}.")

    yield from walk(yaml.safe_load(text), prefix)
