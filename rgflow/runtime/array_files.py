"""NumPy files of arrays that are written while they are made."""

import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import numpy as np

from rgflow.runtime.files import write_atomically


def write_npz(
    path: str | os.PathLike[str], count: int, parts: Iterable[Mapping[str, np.ndarray]]
) -> None:
    """Write arrays of `count` rows to a ``.npz`` file as their parts come, atomically.

    The largest array of a part goes to the file at once, so that memory does not grow with the
    number of rows; the others are kept until the end.

    Args:
        path: The file, which ``numpy.load`` reads.
        count: Rows of all parts together.
        parts: Arrays by name, ``(rows, ...)``; each part has the same names, types and shapes.

    Raises:
        ValueError: If the parts have another number of rows, or there are none.
        OSError: If the file cannot be written.
    """
    write_atomically(path, lambda file: _write(file, count, iter(parts)))


def _write(file: BinaryIO, count: int, parts: Iterable[Mapping[str, np.ndarray]]) -> None:
    rows, kept = 0, {}
    part = next(parts, None)
    if part is None:
        raise ValueError("got no arrays, expected one part or more")
    largest = max(part, key=lambda name: part[name].nbytes)
    header = {
        "descr": np.lib.format.dtype_to_descr(part[largest].dtype),
        "fortran_order": False,
        "shape": (count, *part[largest].shape[1:]),
    }
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        with archive.open(f"{largest}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            while part is not None:
                rows += len(part[largest])
                member.write(np.ascontiguousarray(part[largest]).data)
                for name in part.keys() - {largest}:
                    kept.setdefault(name, []).append(part[name])
                part = next(parts, None)
        for name, arrays in kept.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.concatenate(arrays), allow_pickle=False)
    if rows != count:
        raise ValueError(f"got {rows} rows, expected {count}")
