"""The code versions behind a result."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def provenance() -> dict[str, str | None]:
    """Package versions, and the git commit if the code is in a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
        commit = result.stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        commit = None
    return {"mmn": version("mmn"), "torch": version("torch"), "lightning": version("lightning"), "git_commit": commit}
