"""Checkpoints that are written whole or not at all, and compared with their checksums."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from rgflow.checkpoint import read_checkpoint
from rgflow.runtime.files import write_atomically


class WholeCheckpoints(TorchCheckpointIO):
    """Reads and writes Lightning's checkpoints so that a sudden end loses none.

    Lightning itself writes to the folder for temporary files and moves the result: where that is
    another file system, the move is a copy, and a kill in the middle of it leaves half a file.
    Here the temporary file lies beside the checkpoint and takes its name when it is on the disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the old one stays until the new one is on the disk.

        Raises:
            OSError: If the file cannot be written.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # torch reports an error of the disk as a RuntimeError that does not tell which it was
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(path, lambda file: file.write(buffer.getbuffer()))

    def load_checkpoint(self, path: str | os.PathLike[str], *_: Any, **__: Any) -> dict[str, Any]:
        """Read a checkpoint, as `read_checkpoint` does.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is truncated, damaged or foreign.
        """
        return read_checkpoint(path)
