"""Files that a run can do without, its log and its curves: if the disk is full, it goes on."""

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class LogFile(logging.FileHandler):
    """A log file. When the system takes no more of it, one line on stderr says so and it ends."""

    _has_ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, also the first one, with which the file is opened."""
        if self._has_ended:
            return
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """End the file if the system refused a write; any other error is that of a caller."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._has_ended = True
        with suppress(OSError):
            self.close()
        sys.stderr.write(f"{self.baseFilename} ends here: {error.strerror or error}\n")


def until_it_fails(write: Callable[..., Any], path: str | Path) -> Callable[..., None]:
    """A function that writes until the system refuses; a warning says so, and no more is written.

    Args:
        write: Writes, and raises an OSError.
        path: What it writes to, for the warning.

    >>> import errno
    >>> def full(data: bytes) -> None: raise OSError(errno.ENOSPC, "No space left on device")
    >>> write = until_it_fails(full, "events")
    >>> write(b"curve"), write(b"curve")
    (None, None)
    """
    failed = False

    @functools.wraps(write)
    def forgiving(*args: Any) -> None:
        nonlocal failed
        if failed:
            return
        try:
            write(*args)
        except OSError as error:
            failed = True
            log.warning("%s ends here: %s", path, error.strerror or error)

    return forgiving
