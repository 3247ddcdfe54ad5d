"""What Ctrl-C and SIGTERM do to a run: before it has anything to lose, and afterwards."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

from rgflow.runtime.command_line import is_first_process

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


class StopSignals:
    """Takes SIGINT and SIGTERM while a run has something to lose; a context manager.

    A signal raises `Interrupted` at once, except for a first one that comes while the run can
    wait for the end of a step: it is only noted.

    Args:
        noted: Called with a first signal that is noted.

    Attributes:
        can_wait: Whether the run looks at `requested` before long.
        requested: The signal that was noted, or None.
    """

    def __init__(self, noted: Callable[[signal.Signals], Any]) -> None:
        self.can_wait = False
        self.requested: signal.Signals | None = None
        self._noted = noted
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        self.take()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.can_wait = False
        for signum, previous in self._previous.items():
            signal.signal(signum, previous)
        self._previous = {}

    def take(self) -> None:
        """Take the signals, again if somebody has put other handlers in between.

        Only the main thread gets signals; elsewhere nothing happens.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in SIGNALS:
            previous = signal.signal(signum, self._handle)
            self._previous.setdefault(signum, previous)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if not self.can_wait or self.requested is not None:
            raise Interrupted(signum)
        self.requested = signal.Signals(signum)
        self._noted(self.requested)


@contextmanager
def early_exit(clean: Callable[[], None]) -> Iterator[None]:
    """Inside, a signal ends the process with one line on stderr and status 128 plus the signal.

    No exception is raised for it: in the middle of imports, which take most of the time before
    training, it would come out as another error, or not at all. Whoever takes over the signals
    inside should give them back. Outside of the main thread, which alone gets signals, nothing
    happens.

    Args:
        clean: Called first; it removes what should not stay. Only the first process of a run
            cleans and says something; the others end with status 0, as if the first had asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

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

    previous = {signum: signal.signal(signum, leave) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
