"""Files that are there whole or not at all, and output that may end early."""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is either there whole or not at all, even after a loss of power.

    The content goes to a file of a unique name beside it, which then takes its name: processes
    that write the same file at once leave one whole file, and an error leaves the old one.

    Args:
        path: The file; its folder is made if need be.
        write: Called with a binary file that takes the content.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # still there only if something above failed


def write_stdout(text: str) -> None:
    """Write a line to standard output; a reader that has seen enough, as ``head``, is no error."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered must go somewhere when the program ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
