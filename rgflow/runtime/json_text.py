"""Reports as JSON, which has no infinity and nothing that is not a number."""

import argparse
import json
import math
import os
from collections.abc import Callable
from typing import Any

from rgflow.runtime.files import check_output, write_atomically, write_stdout

STDOUT = "-"


def json_text(report: Any) -> str:
    """A report as indented text; numbers in it that are not finite become null.

    >>> " ".join(json_text({"a": [1.5, float("nan")]}).split())
    '{ "a": [ 1.5, null ] }'
    """
    return json.dumps(_finite(report), indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """Named tuples as dicts and tensors or arrays as lists, in containers of any depth.

    >>> from typing import NamedTuple
    >>> class Point(NamedTuple):
    ...     x: float
    >>> plain([Point(1.0)])
    [{'x': 1.0}]
    """
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def write_json(path: str | os.PathLike[str], report: Any) -> None:
    """Write a report so that the file is there whole or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    text = json_text(report) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def add_json(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Give a script the option ``--json FILE``."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="file for the report with all its numbers; - prints it in place of the table",
    )


def check_json(args: argparse.Namespace) -> None:
    """Refuse a file of ``--json`` that could not be written, before any work is done.

    Raises:
        OSError: See `check_output`.
    """
    if args.json != STDOUT:
        check_output(args.json)


def write_report(args: argparse.Namespace, report: Any, table: Callable[[Any], str]) -> None:
    """Print a report as a table, or as JSON with ``--json -``; write it to a file of ``--json``.

    Args:
        args: With the option of `add_json`.
        report: In plain numbers.
        table: Makes a text for a reader out of the report.
    """
    if args.json not in (None, STDOUT):
        write_json(args.json, report)
    write_stdout(json_text(report) if args.json == STDOUT else table(report))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
