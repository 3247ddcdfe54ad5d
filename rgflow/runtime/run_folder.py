"""The folder of a run: claimed for it alone, and removed again if the run comes to nothing."""

import fcntl
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Self

from rgflow.runtime.overrides import as_typed

log = logging.getLogger(__name__)

# What Hydra itself has put there before a run starts; the log may exist but is still empty
_BY_HYDRA = {".hydra", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}
_OF_RUNS = ("checkpoints", "metrics.json", "multirun.yaml")
_made: set[Path] = set()  # folders that were not there before `claim`


class RunFolder:
    """A folder that goes unless something worth keeping is in it.

    Args:
        path: The folder. If it holds more than Hydra's files by now, it stays.

    Attributes:
        begun: Whether the run has begun its work, so that its results are worth keeping.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = False
        self._was_fresh = _is_fresh(path)

    @classmethod
    def of_hydra(cls) -> Self | None:
        """The folder of the job that Hydra is running; None if there is no job."""
        module = sys.modules.get("hydra.core.hydra_config")
        try:
            return cls(Path(module.HydraConfig.get().runtime.output_dir))
        except Exception:  # Hydra is not imported, or has not decided on a folder yet
            return None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside, no other process can use the folder; the system ends this with the process.

        Raises:
            BlockingIOError: If a process uses it already.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                f"{self.path}: got a run that is still going on, expected one that has ended"
            ) from error
        except OSError as error:  # as on some file systems of clusters
            log.warning("%s cannot be locked: %s", self.path, error.strerror)

    def remove_if_fresh(self) -> None:
        """Remove the folder, and the parents made with it that are empty, unless it is to stay."""
        if self.begun or not self._was_fresh:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        remove_made(*self.path.parents)


def claim(path: Path, *, is_named: bool, mark: str = ".hydra") -> Path:
    """Claim a folder that no other run has, even if several do so at the same moment.

    The one that makes the subfolder `mark` has the folder, which may hold other things.

    Args:
        path: The wanted folder.
        is_named: Whether the user named it; otherwise a number is appended where it is taken.
        mark: Name of the subfolder.

    Returns:
        The folder, which is there now.

    Raises:
        FileExistsError: If the user named a folder that holds a run.
    """
    for number in count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}_{number}")
        whole = folder.absolute()
        _made.update(one for one in (whole, *whole.parents) if not one.exists())
        with suppress(FileExistsError, FileNotFoundError):  # another run makes or removes it
            folder.mkdir(parents=True, exist_ok=True)
            if not any((folder / name).exists() for name in _OF_RUNS):
                (folder / mark).mkdir()
                return folder
        if is_named:
            last = as_typed("ckpt_path", path / "checkpoints" / "last.ckpt")
            raise FileExistsError(
                f"got the folder {path}, which holds a run, expected a new one, or also {last} to "
                "go on with that run"
            )
    raise AssertionError("never ends")


def remove_made(*folders: Path) -> None:
    """Remove those of some folders that :func:`claim` has made and that are empty now."""
    for folder in folders:
        if folder in _made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _is_fresh(path: Path) -> bool:
    if not path.is_dir():
        return True
    found = {str(p.relative_to(path)): p for p in path.rglob("*")}
    others = {name: p for name, p in found.items() if name not in _BY_HYDRA}
    return all(name.endswith(".log") and p.stat().st_size == 0 for name, p in others.items())
