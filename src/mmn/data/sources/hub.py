"""Download of the official data sets from the Hugging Face Hub."""

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from mmn.data.format.skeletons import SPLITS, SkeletonData
from mmn.data.sources.convert import convert
from mmn.errors import UserError

REPO = "Geo2425/MMN"
FOLDERS = {"ma52": "MA52", "imigue": "iMiGUE"}
"""Data set → its folder in the repository."""
_PATIENCE = 5.0  # seconds


def download(
    name: str,
    output: str | Path,
    *,
    repo: str = REPO,
    revision: str = "main",
    cache_dir: str | Path | None = None,
) -> SkeletonData:
    """Download the official pickles of a data set and convert them.

    Files go to the Hub's own cache: those already there are not downloaded again, an interrupted download is resumed,
    and ``HF_HUB_OFFLINE=1`` uses the cache alone. The token is the one stored by ``hf auth login``, or ``HF_TOKEN``.
    All files come from one commit, which is recorded in the output.

    Args:
        name: ``ma52`` or ``imigue``.
        output: the HDF5 file to write.
        repo: dataset repository.
        revision: commit, tag or branch.
        cache_dir: where downloads are kept; the Hub's cache by default.

    Returns:
        The data set that was written.

    Raises:
        UserError: unknown name, no access, no connection, or unexpected content; nothing is written.
    """
    if name not in FOLDERS:
        raise UserError(f"unknown data set {name!r}; choose {' or '.join(FOLDERS)}.")
    folder, commit = _fetch(name, repo, revision, cache_dir)
    return convert(folder, output, name, format="mmn", name=name, origin=f"{repo} on the Hugging Face Hub, {commit}")


def _fetch(name: str, repo: str, revision: str, cache_dir: str | Path | None) -> tuple[Path, str]:
    """Download all pickles of a data set; return their folder in the cache and their commit."""
    from huggingface_hub import hf_hub_download  # takes a second
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    page = f"https://huggingface.co/datasets/{repo}"
    by_hand = (
        f"or download the folder {FOLDERS[name]} by hand from {page} and run "
        f"`mmn convert {FOLDERS[name]} OUT.h5 --layout {name}`"
    )
    folder, commit, cached = Path(), revision, not _reachable()
    for split in SPLITS:
        for kind in ("data", "label"):
            file = f"{FOLDERS[name]}/{split}_{kind}.pkl"
            try:
                found = hf_hub_download(
                    repo, file, repo_type="dataset", revision=commit, cache_dir=cache_dir, local_files_only=cached
                )
            except GatedRepoError:
                raise UserError(
                    f"{repo} is gated: accept its terms on {page}, run `hf auth login` and try again; {by_hand}."
                ) from None
            except RepositoryNotFoundError:
                raise UserError(
                    f"{repo} is private or has moved: run `hf auth login`, or give --repo; {by_hand}."
                ) from None
            except LocalEntryNotFoundError:
                raise UserError(
                    f"{file} of {repo} is not in the cache and the Hub cannot be reached: try again with a network; "
                    f"{by_hand}."
                ) from None
            except Exception as error:  # anything the layers below raise: HTTP, disk, an invalid name
                raise UserError(
                    f"{file} of {repo} at {commit} could not be downloaded ({_first_line(error)}): try again; "
                    f"{by_hand}."
                ) from None
            folder = Path(found).parent
            commit = folder.parent.name  # the cache keeps snapshots/COMMIT/FOLDER/FILE
    return folder, commit


def _reachable() -> bool:
    """Whether the Hub answers. Asked up front: its client retries for half a minute, with a warning each time."""
    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(ENDPOINT)
    if address.hostname is None or address.scheme in getproxies():
        return True
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname, port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
