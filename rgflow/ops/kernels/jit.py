"""How the functions of this folder are compiled, and where the machine code is kept."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba

from rgflow.ops.kernels.code_files import CheckedFiles

log = logging.getLogger(__name__)

# The freedoms that the compiler needs to vectorise sums; nan and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"},
    "error_model": "numpy",
    "nogil": True,
}


def _candidates() -> Iterator[Path]:
    """Folders for machine code: NUMBA_CACHE_DIR, or else ``__pycache__`` and the user's cache."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    else:
        yield Path(__file__).parent / "__pycache__"
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rgflow"


@functools.cache
def _folder() -> Path | None:
    """The folder for machine code of exactly these sources; None if no folder is writable.

    numba itself compares a function's own file only. After a change in another file, it would use
    machine code that contains the old functions.
    """
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    name = hashlib.sha256(sources).hexdigest()[:16]
    for candidate in _candidates():
        folder = candidate / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    log.warning(
        "inner loops are compiled in each process, for half a minute: no folder to keep them can "
        "be written; NUMBA_CACHE_DIR can name one"
    )
    return None


@functools.cache
def _announce(folder: Path, module: str) -> None:
    """Logs that a module is compiled now, if the folder has no machine code of it."""
    if not any(folder.glob(f"*/{module}.*.nbi")):
        log.info("inner loops (%s) are compiled now and kept in %s", module, folder)


def jit(function: Callable) -> Callable:
    """Compiles a function on its first call; the next process finds the machine code on disk."""
    folder = _folder()
    if folder is None:
        return numba.njit(**_OPTIONS)(function)
    _announce(folder, function.__module__.rpartition(".")[2])
    elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        compiled = numba.njit(cache=True, **_OPTIONS)(function)
        compiled._cache._cache_file = CheckedFiles.replacing(compiled._cache)
        return compiled
    finally:
        numba.config.CACHE_DIR = elsewhere


def inlined(function: Callable) -> Callable:
    """Inlines a function into those functions of this folder that call it."""
    return numba.njit(inline="always", **_OPTIONS)(function)
