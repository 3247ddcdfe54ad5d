"""Files of tensors that are written as a whole or not at all, and checked when they are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from rgflow.runtime.files import check_archive, write_atomically

log = logging.getLogger(__name__)


class DamagedCacheError(Exception):
    """A cache file does not hold what was written."""


class OutdatedCacheError(Exception):
    """A cache file was written for another request."""


def load_or_build(
    path: Path,
    recipe: str,
    build: Callable[[], Mapping[str, Tensor]],
    change: str = "it was made for another request",
) -> dict[str, Tensor]:
    """The tensors in ``path``, built first if it is missing, damaged or of another recipe.

    A file is what ``torch.save`` makes of the recipe and the tensors: a zip archive, whose
    checksums are compared before anything is interpreted. Processes that build the same file at
    once leave one whole file.

    Args:
        path: The file. Its folder is made if need be.
        recipe: All that the content depends on, in one line; compared with that of the file.
        build: Makes the tensors. Called only if the file cannot be used.
        change: What a file of another recipe means, for the log.

    Returns:
        The tensors by name, in memory. A mapping of the file would be shared by the processes of
        a machine, but whoever truncates the file then ends them all by SIGBUS, without a word.

    Raises:
        ValueError: If the file cannot be read or written (permissions, full disk).
    """
    try:
        try:
            return _read(path, recipe)
        except FileNotFoundError:
            log.info("building %s", path)
        except OutdatedCacheError:
            log.info("rebuilding %s: %s", path, change)
        except DamagedCacheError as error:
            log.warning("rebuilding %s: it is damaged: %s", path, error)
        path.parent.mkdir(parents=True, exist_ok=True)  # before the work, to fail early
    except OSError as error:
        raise _unusable(path, error) from error
    content = {"recipe": recipe, "tensors": {n: t.contiguous() for n, t in build().items()}}
    try:
        write_atomically(path, lambda file: torch.save(content, file))
        return _read(path, recipe)
    except OSError as error:
        raise _unusable(path, error) from error


def _read(path: Path, recipe: str) -> dict[str, Tensor]:
    path.open("rb").close()  # an error of the system is not one of the content
    try:
        check_archive(path)
        content = torch.load(path, weights_only=True)
        found, tensors = content["recipe"], content["tensors"]
    except Exception as error:  # damage can raise anything
        raise DamagedCacheError(str(error).partition("\n")[0]) from error
    if found != recipe:
        raise OutdatedCacheError(f"made for {found!r}, expected {recipe!r}")
    return tensors


def _unusable(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"cannot use the cache file {path} ({error.strerror or error}); expected a folder that "
        "can be written to, with room for the images: set data.cache_dir"
    )
