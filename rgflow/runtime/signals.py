"""Signals while a run has nothing to lose: its process ends at once and leaves nothing behind.

No exception is raised for them: in the middle of the imports, which take most of that time, it
would come out as another error, or not at all.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from rgflow.runtime.command_line import is_first_process

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def early_exit(clean: Callable[[], None]) -> Iterator[None]:
    """Inside, a signal ends the process with one line on stderr and status 128 plus the signal.

    Whoever takes over the signals inside should give them back. Without effect outside of the main
    thread, which alone gets signals.

    Args:
        clean: Called first; removes what should not stay. Other processes of a run than the first
            neither clean nor say anything, and end with status 0, as if asked by the first.
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
