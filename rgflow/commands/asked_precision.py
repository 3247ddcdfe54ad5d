"""The options ``--precision`` and ``--max-seconds`` of commands that draw samples."""

import argparse

from rgflow.evaluation.precision import Precision
from rgflow.runtime.command_line import refuse_options

MAX_SECONDS = 300.0


def add_precision(parser: argparse.ArgumentParser | argparse._ArgumentGroup, example: str) -> None:
    """Give a command both options.

    Args:
        parser: Of the command.
        example: What could be asked for.
    """
    parser.add_argument(
        "--precision",
        action="append",
        metavar="NAME=ERROR",
        help="draw until the standard error of NAME, a row of the table, is at most ERROR, such "
        f"as {example}",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        help="draw no longer for --precision, not counting warm-up, reference and the report; "
        f"{MAX_SECONDS:g} if not given",
    )


def asked_precision(args: argparse.Namespace) -> tuple[Precision, float] | None:
    """What is asked, and the most seconds for it; None where nothing is.

    Raises:
        ValueError: If the options are not a name with a positive error, and a positive time.
    """
    if args.precision is None:
        refuse_options(args, ("max_seconds",), "expected --precision with it")
        return None
    seconds = MAX_SECONDS if args.max_seconds is None else args.max_seconds
    if not 0 < seconds < float("inf"):
        raise ValueError(f"--max-seconds: got {seconds}, expected a positive number")
    if len(args.precision) > 1:
        raise ValueError(f"--precision: got {' and '.join(args.precision)}, expected one of them")
    return Precision.of_text(args.precision[0]), seconds
