"""Files that are there whole or not at all and are checked, and output that may end early."""

import logging
import os
import secrets
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger(__name__)


def make_last_folder(folder: Path) -> None:
    """Make a folder if it is not there, and say so, but none of those above it.

    Raises:
        FileNotFoundError: If the folder above it is not there either, as after a slip of the pen.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        raise _no_folder(folder) from None
    log.warning("made the folder %s", folder)


def _no_folder(folder: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"got {folder} to write to, expected a folder in {folder.absolute().parent}, which is "
        "not there: at most one folder is made"
    )


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is either there whole or not at all, even after a loss of power.

    The content goes to a file of a unique name beside it, which then takes its name: processes
    that write the same file at once leave one whole file, and an error leaves the old one.

    Args:
        path: The file; its folder is made if need be, as `make_last_folder` does.
        write: Called with a binary file that takes the content.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    make_last_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # still there only if something above failed


def check_archive(path: str | os.PathLike[str]) -> None:
    """Compare the checksums of what ``torch.save`` has written, which ``torch.load`` does not.

    Raises:
        OSError: If the file cannot be read.
        zipfile.BadZipFile: If a byte of its content is another one, or it is no such file.
    """
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
        is_plain = not any(r.compress_type or r.external_attr for r in archive.infolist())
    if broken is not None or not is_plain:
        raise zipfile.BadZipFile(f"got damage at {broken or 'the directory'} of an archive")


def check_output(path: str | os.PathLike[str] | None, suffix: str = "") -> None:
    """Refuse a file that could not be written, before any work is done.

    Args:
        path: The file; None if none is to be written.
        suffix: What its name must end in.

    Raises:
        ValueError: If the name ends otherwise.
        OSError: If there is a folder of that name, or if its own folder takes no files, or if it
            and the folder above it are not there.
    """
    if path is None:
        return
    check_suffix(path, suffix)
    if Path(path).is_dir():
        raise IsADirectoryError(f"got the folder {path}, expected the name of a file")
    folder = Path(path).parent
    if not folder.exists():
        if not folder.absolute().parent.exists():
            raise _no_folder(folder)
        folder = folder.absolute().parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}") from error


def check_suffix(path: str | os.PathLike[str], suffix: str) -> None:
    """Refuse, with a ValueError, a name that does not end as said, in small or large letters."""
    if not str(path).lower().endswith(suffix):
        raise ValueError(f"got the file name {path}, expected one that ends in {suffix}")


def write_stdout(text: str) -> None:
    """Write a line to standard output, which a reader such as ``head`` may have closed already."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered must go somewhere when the program ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
