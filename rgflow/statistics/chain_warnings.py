"""How many warnings about chains are let through, and how they are collected."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rgflow.runtime.package_warnings import issue
from rgflow.statistics.warning_classes import ChainWarning

_LIMITS: ContextVar[tuple[list[int], ...]] = ContextVar("rgflow_chain_warnings", default=())
_COLLECTED: ContextVar[list[ChainWarning] | None] = ContextVar("rgflow_collected", default=None)


@contextmanager
def few_warnings(most: int) -> Iterator[None]:
    """Lets at most ``most`` warnings about chains through, see `ChainWarning`.

    Tables use it with 1, since all their rows are measured on the same chains; pilot runs with 0.
    Inside another one the stricter of the two decides.
    """
    token = _LIMITS.set((*_LIMITS.get(), [most]))
    try:
        yield
    finally:
        _LIMITS.reset(token)


@contextmanager
def collected_warnings() -> Iterator[list[ChainWarning]]:
    """Gives a list of the warnings about chains that arise inside; none of them is shown.

    Limits of `few_warnings` and filters outside do not count: what is not shown is collected too.
    """
    found: list[ChainWarning] = []
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


def warn_of_chains(warning: ChainWarning) -> None:
    """Issue a warning about chains, unless it is collected or there were enough of them."""
    if (found := _COLLECTED.get()) is not None:
        found.append(warning)
        return
    limits = _LIMITS.get()
    if all(left > 0 for (left,) in limits):
        for limit in limits:
            limit[0] -= 1
        issue(warning)
