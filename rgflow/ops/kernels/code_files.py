"""Machine code on the disk, compared with its checksum before it is run.

By itself numba trusts the files of its cache: a truncated one stops the program, and a changed
byte is executed.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

log = logging.getLogger(__name__)

_SIZE = hashlib.sha256().digest_size


class CheckedFiles(IndexDataCacheFile):
    """The files of one function's machine code, each with its checksum behind its content.

    A damaged file is deleted, and its content compiled again. What cannot be written is compiled
    in each process.
    """

    @classmethod
    def replacing(cls, cache: Any) -> CheckedFiles:
        """Files in place of those of a function's cache in numba, under the same names."""
        locator = cache._impl.locator
        return cls(cache.cache_path, cache._impl.filename_base, locator.get_source_stamp())

    def save(self, key: Any, data: Any) -> None:
        """Keep machine code, unless the disk takes none."""
        try:
            super().save(key, data)
        except OSError as error:
            log.warning("machine code is not kept in %s: %s", self._cache_path, error.strerror)

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue())
            file.write(hashlib.sha256(content.getvalue()).digest())

    def _load_index(self) -> dict[Any, str]:
        return super()._load_index() if _is_sound(self._index_path) else {}

    def _load_data(self, name: str) -> Any:
        """Machine code; None, which asks for compiling it, if its file is damaged."""
        return super()._load_data(name) if _is_sound(self._data_path(name)) else None


def _is_sound(path: str) -> bool:
    """Whether a file holds what was written, or is missing. It is deleted if it does not."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return True  # which numba takes as not compiled yet
    if hashlib.sha256(content[:-_SIZE]).digest() == content[-_SIZE:]:
        return True
    log.warning("machine code in %s is damaged: it is deleted and compiled again", path)
    with suppress(FileNotFoundError):  # another process was faster
        os.unlink(path)
    return False
