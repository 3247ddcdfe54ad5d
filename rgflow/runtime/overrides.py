"""Settings as they are typed on a command line that Hydra reads."""

import os
import re
import shlex
from collections.abc import Sequence


def quoted(value: str) -> str:
    r"""A string in the quotes of Hydra's grammar, if it needs them.

    >>> quoted("runs/first"), quoted('my "first" run')
    ('runs/first', '"my \\"first\\" run"')
    """
    if re.fullmatch(r"[\w./:-]+", value, re.ASCII):
        return value
    escaped = re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + m[2].replace('"', '\\"'), value)
    return f'"{escaped}"'


def as_typed(name: str, value: object) -> str:
    """A setting as it is typed in a shell.

    >>> print(as_typed("ckpt_path", "my run/last.ckpt"), as_typed("seed", 3))
    'ckpt_path="my run/last.ckpt"' seed=3
    """
    return shlex.quote(f"{name}={quoted(str(value))}")


def with_quoted_paths(arguments: Sequence[str]) -> list[str]:
    """Quote values that are paths on this machine, which Hydra would take apart otherwise.

    What they name, or the folder that is to hold it, has to be there. The folder ``0_seed=1`` of
    a job in a sweep is such a value. A leading ``~`` is expanded.

    >>> with_quoted_paths(["seed=1,2", "data.root=/", "hydra.run.dir=~"])[:2]
    ['seed=1,2', 'data.root=/']
    """
    return [_with_quoted_path(argument) for argument in arguments]


def _with_quoted_path(argument: str) -> str:
    name, equals, value = argument.partition("=")
    path = os.path.expanduser(value)
    is_path = (os.sep in path or path != value) and "${" not in path
    is_path = is_path and (os.path.exists(path) or os.path.isdir(os.path.dirname(path)))
    return f"{name}{equals}{quoted(path)}" if is_path else argument
