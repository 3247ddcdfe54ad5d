"""Warnings of the package: how they are issued, and how commands and trainings show them."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rgflow.runtime.progress import above_bars

log = logging.getLogger(__name__)

Show = Callable[..., None]
"""Shows a warning: message, class, file name, line number."""
PACKAGE = str(Path(__file__).parents[1]) + os.sep


class PackageWarning(UserWarning):
    """Anything that the package warns of; filters of `warnings` apply to it and its kinds."""


def issue(warning: PackageWarning) -> None:
    """Issue a warning in the name of the line outside the package that called it.

    Args:
        warning: What to warn of; its class decides which filters apply.

    Raises:
        PackageWarning: The warning itself, if a filter turns it into an error.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


def _is_inside(path: str) -> bool:
    """Whether a file is of the package, or of the decorators in between."""
    return path.startswith(PACKAGE) or path == contextlib.__file__ or "_contextlib" in path


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Inside, each warning of the package is one plain line on stderr, once."""
    seen = set()

    def show(others: Show, message: Warning | str, *where: Any) -> None:
        text = _one_line(message)
        if text not in seen:
            seen.add(text)
            with above_bars():
                sys.stderr.write(f"warning: {text}\n")

    with _shown_by(show, PackageWarning):
        yield


@contextmanager
def logged_warnings() -> Iterator[None]:
    """Inside, warnings of the package go to the log, as a training's file has them."""
    with _shown_by(lambda _, message, *__: log.warning("%s", _one_line(message)), PackageWarning):
        yield


@contextmanager
def said_elsewhere(*kinds: type[PackageWarning]) -> Iterator[None]:
    """Inside, warnings of these kinds are not shown; filters may still make errors of them."""
    with _shown_by(lambda *_: None, *kinds):
        yield


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Inside, warnings of the package are shown with what they are about in front of their text.

    Args:
        subject: What they are about, such as one of several methods.
    """

    def show(others: Show, message: Warning | str, *where: Any) -> None:
        others(f"{subject}: {message}", *where)

    with _shown_by(show, PackageWarning):
        yield


@contextmanager
def _shown_by(show: Callable[..., None], *kinds: type[PackageWarning]) -> Iterator[None]:
    """Warnings of these kinds, as filters let them through, are shown by a function.

    It is given what would show them otherwise, the message, its class and its place. Other
    warnings look as ever.
    """
    with warnings.catch_warnings():
        others = warnings.showwarning

        def showwarning(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, kinds):
                show(others, message, category, *where)
            else:
                others(message, category, *where)

        warnings.showwarning = showwarning
        yield


def _one_line(message: Warning | str) -> str:
    return " ".join(str(message).split())
