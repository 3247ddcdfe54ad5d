"""The folder of a run, which is removed again if the run comes to nothing."""

import shutil
import sys
from pathlib import Path
from typing import Self

# What Hydra itself has put there before a run starts; the log may exist but is still empty
_BY_HYDRA = {".hydra", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}


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

    def remove_if_fresh(self) -> None:
        """Remove the folder, and its parents if they are empty then, unless it is to stay."""
        if self.begun or not self._was_fresh:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        for parent in list(self.path.parents)[:2]:
            if parent == Path.cwd() or not parent.is_dir() or any(parent.iterdir()):
                return
            parent.rmdir()


def _is_fresh(path: Path) -> bool:
    if not path.is_dir():
        return True
    found = {str(p.relative_to(path)): p for p in path.rglob("*")}
    others = {name: p for name, p in found.items() if name not in _BY_HYDRA}
    return all(name.endswith(".log") and p.stat().st_size == 0 for name, p in others.items())
