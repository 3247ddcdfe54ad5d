"""Draw a MERA: its levels along one row of the lattice, and the inference cone of a pixel."""

import argparse

from rgflow.models import BlockLevels, BlockNet, block_flow
from rgflow.plotting.images import save_figure
from rgflow.plotting.mera import mera_figure
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output, write_stdout

LARGEST_SIDE = 64  # sites of larger lattices cannot be told apart in the figure


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True, help="PNG file")
    parser.add_argument("--block", type=int, default=2, help="side K of the blocks")
    parser.add_argument(
        "--levels",
        type=int,
        default=4,
        help="number of levels; the lattice has side K 2^(levels-1)",
    )
    parser.add_argument(
        "--pixel", type=int, help="column of the pixel; near the middle if not given"
    )
    with one_line_errors():
        draw(parser.parse_args())


def draw(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    side = args.block * 2 ** (args.levels - 1) if 1 <= args.levels < LARGEST_SIDE else 0
    if not 2 <= side <= LARGEST_SIDE:
        raise ValueError(
            f"got --block {args.block} and --levels {args.levels}, expected at least one level "
            f"and a lattice of side K 2^(levels-1) from 2 to {LARGEST_SIDE}"
        )
    levels = BlockLevels(args.block, couplings=4)  # enough to couple all sites of a block
    flow = block_flow(side, 1, levels, BlockNet("mlp", hidden=(1,)))
    save_figure(mera_figure(flow.hierarchy, args.pixel), args.out)
    write_stdout(args.out)
