"""Files of tensors that are written at once or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from rgflow.runtime.files import write_atomically

log = logging.getLogger(__name__)

_MAGIC = "rgflow-cache-1"
_ALIGNMENT = 64  # bytes; mapped tensors must start at a multiple of their element size
_DTYPES = {"uint8": torch.uint8, "float32": torch.float32, "int64": torch.int64}


class DamagedCacheError(Exception):
    """A cache file does not hold what was written."""


class OutdatedCacheError(Exception):
    """A cache file was written for another request."""


def load_or_build(
    path: Path,
    recipe: str,
    build: Callable[[], Mapping[str, Tensor]],
    change: str = "it was made for another request",
) -> dict[str, Tensor]:
    """The tensors in ``path``, built first if it is missing, damaged or of another recipe.

    A file is one line ``rgflow-cache-1 SHA256``, one line of JSON (recipe, and name, dtype, shape
    and place of each tensor), then the tensors' bytes. The digest covers everything after the
    first line and is checked before anything is interpreted. Processes that build the same file at
    once leave one whole file.

    Args:
        path: The file. Its folder is made if need be.
        recipe: All that the content depends on, in one line; compared with that of the file.
        build: Makes the tensors (uint8, float32 or int64). Called only if the file cannot be used.
        change: What a file of another recipe means, for the log.

    Returns:
        The tensors by name, mapped from the file copy-on-write, so that processes on one machine
        share the memory.

    Raises:
        ValueError: If the file cannot be read or written (permissions, full disk).
    """
    try:
        try:
            return read_cache(path, recipe)
        except FileNotFoundError:
            log.info("building %s", path)
        except OutdatedCacheError:
            log.info("rebuilding %s: %s", path, change)
        except DamagedCacheError as error:
            log.warning("rebuilding %s: %s", path, error)
        path.parent.mkdir(parents=True, exist_ok=True)  # before the work, to fail early
    except OSError as error:
        raise _unusable(path, error) from error
    tensors = build()
    try:
        write_cache(path, recipe, tensors)
        return read_cache(path, recipe)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"cannot use the cache file {path} ({error.strerror or error}); expected a folder that "
        "can be written to, with room for the images: set data.cache_dir"
    )


def write_cache(path: Path, recipe: str, tensors: Mapping[str, Tensor]) -> None:
    """Writes ``tensors`` to ``path`` atomically; see :func:`load_or_build`."""
    entries, parts, place = [], [], 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES.values():
            raise ValueError(f"tensor {name}: got {tensor.dtype}, expected one of {list(_DTYPES)}")
        content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
        dtype = str(tensor.dtype).removeprefix("torch.")
        entries.append({"name": name, "dtype": dtype, "shape": list(tensor.shape), "place": place})
        padding = -content.size % _ALIGNMENT
        parts += [content.data, b"\0" * padding]
        place += content.size + padding
    header = json.dumps({"recipe": recipe, "tensors": entries}, allow_nan=False).encode()
    first_line = len(_MAGIC) + 1 + 64 + 1
    header += b" " * (-(first_line + len(header) + 1) % _ALIGNMENT) + b"\n"

    digest = hashlib.sha256(header)
    for part in parts:
        digest.update(part)
    first = f"{_MAGIC} {digest.hexdigest()}\n".encode()
    write_atomically(path, lambda file: file.writelines([first, header, *parts]))


def read_cache(path: Path, recipe: str) -> dict[str, Tensor]:
    """Reads what :func:`write_cache` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedCacheError: If the content is not what was written.
        OutdatedCacheError: If it was made by another recipe.
    """
    with open(path, "rb") as file:
        header, start = _checked_header(file)
    if header["recipe"] != recipe:
        raise OutdatedCacheError(f"made for {header['recipe']!r}, expected {recipe!r}")
    return {entry["name"]: _mapped(path, start, entry) for entry in header["tensors"]}


def _checked_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header and the position after it, once the whole file is known to be sound."""
    first = file.readline(256).decode("ascii", errors="replace").split()
    if len(first) != 2 or first[0] != _MAGIC:
        raise DamagedCacheError("not a cache file of this version")
    start = file.tell()
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != first[1]:
        raise DamagedCacheError(
            f"truncated or damaged (sha256 {found[:12]}, expected {first[1][:12]})"
        )
    file.seek(start)
    return json.loads(file.readline()), file.tell()


def _mapped(path: Path, start: int, entry: Mapping[str, Any]) -> Tensor:
    shape, dtype = entry["shape"], _DTYPES[entry["dtype"]]
    if math.prod(shape) == 0:  # an empty range cannot be mapped
        return torch.empty(shape, dtype=dtype)
    import numpy as np

    array = np.memmap(
        path, entry["dtype"], mode="c", offset=start + entry["place"], shape=tuple(shape)
    )
    return torch.from_numpy(array)
