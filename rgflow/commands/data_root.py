"""The data of a checkpoint, which may now lie in another folder."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_data_root(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Give a script, or a group of its options, the option ``--data-root FOLDER``."""
    parser.add_argument("--data-root", help="folder of the data, that of training if not given")


def data_node(args: argparse.Namespace, config: Mapping[str, Any]) -> dict[str, Any]:
    """The node ``data`` of a configuration with the folder of ``--data-root``.

    Raises:
        ValueError: If there is no such folder.
    """
    node = dict(config.get("data") or {})
    if not args.data_root:
        return node
    if not Path(args.data_root).is_dir():
        raise ValueError(f"--data-root: got {args.data_root}, expected a folder that is there")
    return node | {"root": args.data_root}
