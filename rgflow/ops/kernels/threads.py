"""Distributes tiles of samples over threads."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


def in_parallel(work: Callable[[int, int, int], None], samples: int, tile: int) -> None:
    """Runs ``work(share, start, stop)`` on as many threads at the same time as torch uses.

    Args:
        work: The work on samples ``start`` to ``stop``, which should release the interpreter's
            lock.
        samples: Number of samples, distributed in whole tiles as evenly as possible.
        tile: Number of samples in a tile.

    >>> in_parallel(lambda *share: print(share), 1000, 1000)
    (0, 0, 1000)
    """
    tiles = -(-samples // tile)
    count = min(torch.get_num_threads(), tiles)
    cuts = [*(tile * (i * tiles // count) for i in range(count)), samples]

    def share(i: int) -> None:
        work(i, cuts[i], cuts[i + 1])

    if count == 1:
        share(0)
    elif _openmp() is None:
        others = [_pool(os.getpid()).submit(share, i) for i in range(1, count)]
        share(0)
        for other in others:
            other.result()
    else:
        _on_torchs_threads(share, count)


def summed_in_parallel(
    work: Callable[[np.ndarray, int, int], None], samples: int, tile: int, size: int
) -> Tensor:
    """The sum of what ``work(part, start, stop)`` adds to vectors ``(size,)``, one per share."""
    parts = torch.zeros(torch.get_num_threads(), size)
    rows = parts.numpy()
    in_parallel(lambda i, start, stop: work(rows[i], start, stop), samples, tile)
    return parts.sum(0)


def _on_torchs_threads(share: Callable[[int], None], count: int) -> None:
    """Runs the shares on the OpenMP threads of torch.

    After an operation these threads spin for milliseconds, waiting for the next one. Threads of
    our own would compete with them for the cores.
    """
    errors: list[BaseException] = []
    done: list[int] = []
    numbers = iter(range(count))

    def body(_: None) -> None:
        try:
            for i in numbers:  # the lock makes this safe; few threads take several each
                share(i)
                done.append(i)
        except BaseException as error:  # it would be lost in an OpenMP thread
            errors.append(error)

    _openmp()(_BODY(body), None, count, 0)
    if errors:
        raise errors[0]
    if len(done) < count:  # Ctrl-C came before a body began
        raise KeyboardInterrupt


_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.lru_cache(maxsize=1)
def _openmp() -> Callable[[Callable, None, int, int], None] | None:
    """The function that starts a parallel region of the OpenMP library of torch.

    It is None if that library does not have the interface of GNU's.
    """
    found = getattr(ctypes.CDLL(torch._C.__file__), "GOMP_parallel", None)
    if found is not None:
        found.argtypes = (_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        found.restype = None
    return found


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process, by its id, as a forked child has no threads of its parent."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="rgflow")
