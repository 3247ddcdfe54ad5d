"""What Ctrl-C and SIGTERM do to a run: before it has anything to lose, and afterwards."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from rgflow.runtime.command_line import is_first_process

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The user or the system asked the run to stop.

    It is not an `Exception`, as KeyboardInterrupt is none: no handler of errors may swallow it.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


class StopRequest:
    """A handler of signals that may note the first one, for an orderly end of the run.

    A signal raises `Interrupted` at once, except for a first one that comes while the run can
    wait for the end of a step: it is only noted.

    Attributes:
        can_wait: Whether the run looks at `signum` before long.
        signum: The signal that was noted, or None.
    """

    def __init__(self) -> None:
        self.can_wait = False
        self.signum: int | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self.can_wait or self.signum is not None:
            raise Interrupted(signum)
        self.signum = signum
        name = signal.Signals(signum).name
        log.warning("%s: stopping after this step; a second one stops at once", name)


def take_signals(handler: Callable[[int, FrameType | None], Any]) -> dict[int, Any]:
    """Let a function handle SIGINT and SIGTERM from now on.

    Returns:
        The handlers of before; none outside of the main thread, which alone gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {signum: signal.signal(signum, handler) for signum in SIGNALS}


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Inside, a function handles SIGINT and SIGTERM."""
    previous = take_signals(handler)
    try:
        yield
    finally:
        for signum, before in previous.items():
            signal.signal(signum, before)


def early_exit(clean: Callable[[], None]) -> AbstractContextManager[None]:
    """Inside, a signal ends the process with one line on stderr and status 128 plus the signal.

    No exception is raised for it: in the middle of imports, which take most of the time before
    training, it would come out as another error, or not at all.

    Args:
        clean: Called first; it removes what should not stay. Only the first process of a run
            cleans and says something; the others end with status 0, as if the first had asked.
    """

    def leave(signum: int, frame: FrameType | None) -> NoReturn:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        status = 0
        if is_first_process():
            status = 128 + signum
            with suppress(Exception):
                clean()
            with suppress(Exception):
                sys.stdout.flush()
            os.write(2, f"error: interrupted by {signal.Signals(signum).name}\n".encode())
        os._exit(status)

    return handling_signals(leave)
