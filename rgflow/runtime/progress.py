"""Progress bars on a terminal, for work that takes more than a few seconds."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

COLUMNS = 80
BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
SHARE = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
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
        total: Their number, where they have no length; without it they are only counted.

    >>> list(progress([1, 2], "numbers"))
    [1, 2]
    """
    if not _ARE_SHOWN.get():
        return items
    return bar(iterable=items, desc=what, total=total, delay=DELAY, leave=False)


def weighted_progress(items: Sequence[T], tasks: Sequence[tuple[str, float]]) -> Iterator[T]:
    """Items of unequal work, with a bar that says which one is worked on.

    Args:
        items: What is worked on, one after another.
        tasks: For each item what is done, in a word or two, and about how long it takes, in any
            unit; the bar tells the time that is left from these.

    >>> list(weighted_progress(["a", "b"], [("first", 1.0), ("second", 3.0)]))
    ['a', 'b']
    """
    if not _ARE_SHOWN.get():
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
