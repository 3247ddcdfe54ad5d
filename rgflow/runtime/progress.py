"""Progress bars on a terminal, lines in a log, for work that takes more than a few seconds."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

COLUMNS = 80
BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
SHARE = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
DELAY = 2.0
"""Seconds after which a bar appears."""

SILENCE = 20.0
"""Seconds after which a line says what is being done, where there is no terminal."""


class _Lines:
    """When the work has begun, and when the latest line was written."""

    def __init__(self) -> None:
        self.begin = self.latest = time.monotonic()


_LINES: ContextVar[_Lines | None] = ContextVar("rgflow_progress", default=None)


@contextmanager
def progress_bars() -> Iterator[None]:
    """Inside, long work shows a bar if stderr is a terminal, and else a line now and then.

    Outside, functions show nothing.
    """
    token = _LINES.set(_Lines())
    try:
        yield
    finally:
        _LINES.reset(token)


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar or lines of how many are done; the bar goes with the last one.

    Args:
        items: What is worked on, one after another.
        what: What the items are, in a word or two.
        total: Their number, where they have no length; without it they are only counted.

    >>> list(progress([1, 2], "numbers"))
    [1, 2]
    """
    if _LINES.get() is None:
        return items
    if not sys.stderr.isatty():
        return _told(items, what, total)
    return bar(iterable=items, desc=what, total=total, delay=DELAY, leave=False)


def still(what: str) -> None:
    """Says in a log that something is still being done, if nothing was said for a while.

    It is for work whose steps are not the items of a loop; `progress` calls it for those of one.
    """
    lines = _LINES.get()
    if lines is None or sys.stderr.isatty():
        return
    now = time.monotonic()
    if now - lines.latest >= SILENCE:
        lines.latest = now
        sys.stderr.write(f"{what}, after {now - lines.begin:.0f} s\n")
        sys.stderr.flush()


def _told(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    if total is None and isinstance(items, Sized):
        total = len(items)
    for done, item in enumerate(items):
        still(f"{what}: {done}" + ("" if total is None else f" of {total}"))
        yield item


def weighted_progress(items: Sequence[T], tasks: Sequence[tuple[str, float]]) -> Iterator[T]:
    """Items of unequal work, with a bar that says which one is worked on.

    Args:
        items: What is worked on, one after another.
        tasks: For each item what is done, in a word or two, and about how long it takes, in any
            unit; the bar tells the time that is left from these.

    >>> list(weighted_progress(["a", "b"], [("first", 1.0), ("second", 3.0)]))
    ['a', 'b']
    """
    if _LINES.get() is None:
        yield from items
        return
    total = sum(weight for _, weight in tasks)
    with bar(total=100, leave=False, bar_format=SHARE) as one:
        for item, (what, weight) in zip(items, tasks, strict=True):
            one.set_description(what)
            yield item
            one.update(100 * weight / total)


def above_bars() -> AbstractContextManager[None]:
    """Inside, what is written to the terminal stands above the bars instead of in them."""
    from tqdm import tqdm

    return tqdm.external_write_mode()


def bar(**settings: Any) -> Any:
    """A bar of tqdm that fits narrow terminals, and shows nothing where there is no terminal."""
    from tqdm import tqdm

    is_known = settings.get("total") is not None or hasattr(settings.get("iterable"), "__len__")
    shape = {"bar_format": BAR if is_known else None} | settings
    one = tqdm(disable=None, dynamic_ncols=True, **shape)
    if not one.disable:
        one.ncols, one.dynamic_ncols = min(COLUMNS, one.ncols or COLUMNS), None
    return one
