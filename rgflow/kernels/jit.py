"""How the functions of this folder are compiled, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

log = logging.getLogger(__name__)

# What vectorised sums take; nan and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"},
    "error_model": "numpy",
    "nogil": True,
}


def _folder() -> Path | None:
    """Where machine code of exactly these sources lies; None if nothing can be kept there.

    By itself numba looks at a function's own file only: an old copy of what it calls would live
    on in it.
    """
    here = Path(__file__).parent
    sources = b"".join(file.read_bytes() for file in sorted(here.glob("*.py")))
    folder = here / "__pycache__" / hashlib.sha256(sources).hexdigest()[:16]
    if not folder.exists():
        log.info("the inner loops are compiled once on their first use, for some ten seconds")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


_FOLDER = _folder()


def jit(function: Callable) -> Callable:
    """Compiled on its first call; the next process finds the machine code on disk."""
    if _FOLDER is None:
        return numba.njit(**_OPTIONS)(function)
    elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(_FOLDER)
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = elsewhere


def inlined(function: Callable) -> Callable:
    """Becomes part of those functions of this folder that call it."""
    return numba.njit(inline="always", **_OPTIONS)(function)
