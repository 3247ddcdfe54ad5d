"""Progress bars on a terminal, for work that takes more than a few seconds."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

COLUMNS = 80
DELAY = 2.0
"""Seconds after which a bar appears."""

_ARE_SHOWN: ContextVar[bool] = ContextVar("rgflow_progress", default=False)


@contextmanager
def progress_bars() -> Iterator[None]:
    """Inside, long work shows a bar if stderr is a terminal; otherwise functions show none."""
    token = _ARE_SHOWN.set(True)
    try:
        yield
    finally:
        _ARE_SHOWN.reset(token)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar of how many are done, which goes with the last one.

    Args:
        items: What is worked on, one after another.
        what: What the items are, in a word or two.
        total: Their number, where they have no length.

    >>> list(progress([1, 2], "numbers"))
    [1, 2]
    """
    if not _ARE_SHOWN.get():
        return items
    return bar(iterable=items, desc=what, total=total, delay=DELAY, leave=False)


def bar(**settings: Any) -> Any:
    """A bar of tqdm that fits narrow terminals, and shows nothing where there is no terminal."""
    from tqdm import tqdm

    shape = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
    one = tqdm(disable=None, dynamic_ncols=True, bar_format=shape, **settings)
    if not one.disable:
        one.ncols, one.dynamic_ncols = min(COLUMNS, one.ncols or COLUMNS), None
    return one
