"""The option ``--strict`` of commands whose numbers may not be trusted."""

import argparse
import warnings

from rgflow.statistics import StatisticsWarning


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Give a command the option."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with an error, and write nothing, where a warning says that numbers are not to "
        "be trusted",
    )


def heed_strict(args: argparse.Namespace) -> None:
    """Make errors of such warnings, if it is given, until the command ends."""
    if args.strict:
        warnings.simplefilter("error", StatisticsWarning)
