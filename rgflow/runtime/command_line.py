"""How a command tells its user about a mistake: one line on stderr and a non-zero exit status."""

import argparse
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from rgflow.runtime.package_warnings import PackageWarning, plain_warnings

USER_MISTAKES: tuple[type[Exception], ...] = (ValueError, OSError)
"""What the package raises when the user asked for something impossible: bad numbers, bad files."""


_OPTIONS: ContextVar[Collection[str]] = ContextVar("rgflow_options", default=())
"""The options of the command that is running."""


class StoppedError(RuntimeError):
    """A run that has begun cannot go on; one line says why, and what is left of it."""


class DivergedError(StoppedError):
    """Training has diverged."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose help tells the defaults, and whose errors are one line, status 2.

    >>> Parser().parse_args(["--nope"])
    Traceback (most recent call last):
    SystemExit: 2
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Expand a leading ``~`` of a value, also in ``--out=~/x.png``, where a shell does not."""
        _OPTIONS.set(self._option_string_actions.keys())
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args([_expanded(value) for value in given], namespace)

    def format_help(self) -> str:
        """The help, which says of an option with a default what holds if it is not given."""
        for action in self._actions:
            if action.option_strings and not (action.help or "").endswith("if not given"):
                default = action.default if isinstance(action.default, list) else [action.default]
                if any(value not in (None, False, "", argparse.SUPPRESS) for value in default):
                    shown = " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in default)
                    parts = filter(None, (action.help, f"{shown} if not given"))
                    action.help = "; ".join(parts)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End the program without the usage, which is several lines.

        Raises:
            SystemExit: Always, with status 2.
        """
        fail(ValueError(f"{message}; --help says what is expected"), 2)


def _expanded(argument: str) -> str:
    name, equals, value = argument.rpartition("=")
    return f"{name}{equals}{os.path.expanduser(value)}"


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Give a script that reads checkpoints the option ``--trust MODULE``."""
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="MODULE",
        help="also call what a checkpoint names in this module of yours, such as mypackage; more "
        "than once for several",
    )


def trusted_modules(args: argparse.Namespace) -> list[str]:
    """The modules of ``--trust``, which may then be in the current folder.

    ``python -m rgflow.train`` finds them there as well.
    """
    if args.trust:
        sys.path.insert(0, os.getcwd())
    return args.trust


def refuse_options(args: argparse.Namespace, names: Iterable[str], expected: str) -> None:
    """Refuse, with a ValueError, options that were given although they have no effect here."""
    for name in names:
        value = getattr(args, name)
        if not (value is None or value is False or value == []):
            raise ValueError(f"--{name.replace('_', '-')}: got {value}, {expected}")


def one_line(error: BaseException) -> str:
    """Squash the message of an error, which may hold line breaks, into one line.

    >>> one_line(ValueError("got 3,\\n   expected 4"))
    'got 3, expected 4'
    """
    return " ".join(str(error).split()) or type(error).__name__


def fail(error: BaseException, status: int = 1) -> NoReturn:
    """End the program with one line on stderr; with its traceback if ``RGFLOW_TRACEBACK`` is set.

    Args:
        error: What went wrong.
        status: The exit status, not zero.

    Raises:
        SystemExit: Always, unless ``RGFLOW_TRACEBACK`` is set, when `error` itself is raised.
    """
    if os.environ.get("RGFLOW_TRACEBACK"):
        raise error
    sys.stderr.write(f"error: {_with_option(one_line(error))}\n")
    raise SystemExit(status)


def _with_option(message: str) -> str:
    """The message of a function about its arguments, with the options from which they come."""
    name, got, rest = message.partition(": got ")
    if got and _option(name) in _OPTIONS.get():
        return f"{_option(name)}{got}{rest}"
    return re.sub(r"(?<![\w.-])(\w+)=(?=\S)", _as_typed, message)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _as_typed(setting: re.Match[str]) -> str:
    option = _option(setting[1])
    return f"{option} " if option in _OPTIONS.get() else setting[0]


@contextmanager
def one_line_errors(*also: type[Exception]) -> Iterator[None]:
    """Turn a user's mistake inside the block into one line and exit status 1.

    The line names the option where a function names an argument that the option has set.
    Ctrl-C becomes one line and exit status 130. A warning of the package becomes one plain line,
    and a mistake if a filter makes an error of it.

    Args:
        also: Further types of exception to treat so; anything else keeps its traceback.

    Raises:
        SystemExit: In place of the mistake.
    """
    token = _OPTIONS.set(())
    try:
        with plain_warnings():
            yield
    except (*USER_MISTAKES, PackageWarning, *also) as error:
        fail(error)
    except KeyboardInterrupt:
        fail(KeyboardInterrupt("interrupted by SIGINT"), 130)
    finally:
        _OPTIONS.reset(token)


def is_first_process() -> bool:
    """Whether this is the first process of its run, or the only one.

    The variables that torchrun, Lightning and Slurm set tell it before processes have met.
    """
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return all(rank == "0" for rank in ranks)
