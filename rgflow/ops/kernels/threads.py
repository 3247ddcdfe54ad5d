"""Tiles of samples shared between threads."""

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
    """``work(thread, start, stop)`` at the same time on as many threads as torch has.

    Args:
        work: Releases the interpreter's lock.
        samples: Shared in whole tiles, as evenly as they go.
        tile: Samples of one.

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
    """The sum of what ``work(part, start, stop)`` adds to vectors of that size, one a thread."""
    parts = torch.zeros(torch.get_num_threads(), size)
    rows = parts.numpy()
    in_parallel(lambda i, start, stop: work(rows[i], start, stop), samples, tile)
    return parts.sum(0)


def _on_torchs_threads(share: Callable[[int], None], count: int) -> None:
    """On the threads of torch's own OpenMP.

    After an operation these wait for the next one at full speed, for milliseconds. Threads of
    ours would share the cores with them.
    """
    errors: list[BaseException] = []
    done: list[int] = []
    numbers = iter(range(count))

    def body(_: None) -> None:
        try:
            for i in numbers:  # one each, under the interpreter's lock; all, where threads are few
                share(i)
                done.append(i)
        except BaseException as error:  # would be lost in a foreign thread
            errors.append(error)

    _openmp()(_BODY(body), None, count, 0)
    if errors:
        raise errors[0]
    if len(done) < count:  # Ctrl-C came before the first line of a body
        raise KeyboardInterrupt


_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@functools.lru_cache(maxsize=1)
def _openmp() -> Callable[[Callable, None, int, int], None] | None:
    """What starts a parallel region in the OpenMP library that torch is linked to, if it is GNU's
    or speaks its language."""
    found = getattr(ctypes.CDLL(torch._C.__file__), "GOMP_parallel", None)
    if found is not None:
        found.argtypes = (_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        found.restype = None
    return found


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="rgflow")
