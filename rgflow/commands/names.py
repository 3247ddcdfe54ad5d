"""Short names of checkpoints for labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rgflow.flow import Flow


def names_of(paths: Sequence[str], flows: Sequence[Flow]) -> list[str]:
    """A name for each checkpoint: its file or run folder, and the prior; all of them differ."""
    names = []
    for path, flow in zip(paths, flows, strict=True):
        file = Path(path).absolute()
        is_of_run = file.stem in ("best", "last") and file.parent.name == "checkpoints"
        name = file.parent.parent.name if is_of_run else file.stem
        names.append(f"{name} ({type(flow.prior).__name__})")
    return [f"{i + 1}: {name}" if names.count(name) > 1 else name for i, name in enumerate(names)]
