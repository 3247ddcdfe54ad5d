"""Settings as they are typed on a command line that Hydra reads."""

import re
import shlex


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
