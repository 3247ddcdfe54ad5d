"""Files that are there whole or not at all and are checked, and output that may end early."""

import errno
import fcntl
import logging
import os
import re
import secrets
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    that write the same file at once leave one whole file, and an error leaves the old one. What
    a process that was killed has left of an earlier attempt is removed.

    Args:
        path: The file; its folder is made if need be, as `make_last_folder` does.
        write: Called with a binary file that takes the content.

    Raises:
        OSError: If the file cannot be written; it names the file.
    """
    path = Path(path)
    make_last_folder(path.parent)
    remove_abandoned(path.parent, path.name)
    try:
        with _claimed_beside(path) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        _flush_folder(path.parent)
    except OSError as error:
        if error.errno is None:
            raise
        # a failed write knows no name, and that of the temporary file says nothing
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of `write_atomically` whose writers are gone.

    Args:
        folder: Where they are.
        name: The file that was to be written; None for any.
    """
    for left in folder.glob(".*.tmp"):
        match = _TEMPORARY.fullmatch(left.name)
        if match is None or name not in (None, match["name"]):
            continue
        with suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its writer lives
            left.unlink()


_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.tmp")


@contextmanager
def _claimed_beside(path: Path) -> Iterator[BinaryIO]:
    """A new file beside another one, locked as long as this process writes it, then removed."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        with open(temporary, "xb") as file:
            try:
                with suppress(OSError):  # where files have no locks, none is found abandoned
                    fcntl.flock(file, fcntl.LOCK_EX)
                if temporary.exists():  # else another process took it before it was locked
                    yield file
                    return
            finally:
                temporary.unlink(missing_ok=True)  # still there only if something failed


def _flush_folder(folder: Path) -> None:
    """Put the new name of a file on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems need no such step
            raise
    finally:
        os.close(descriptor)


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
