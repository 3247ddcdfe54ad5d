"""Geometry of a field theory's bulk: how far apart the latents of its flow are.

Monte-Carlo states of the energy that the flow was trained on are encoded, and the mutual
information that is left between latents of any two places and levels is read as a distance. The
same is done for Haar levels, which nobody has trained, and for the field itself. The folder --out
gets index.html, which opens without a network, its pictures, and one JSON file for each part:
states, collective mode, informations, other estimators, laws of distance, and the space.
"""

import argparse

from rgflow.commands.pages import add_page_options, page_setting, write_parts
from rgflow.evaluation.geometry import Bulks, geometry_parts
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.progress import progress_bars

CHAINS, STATES = 64, 256


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_page_options(parser, "the number of states and draws")
    parser.add_argument("--chains", type=int, default=CHAINS, help="number of Monte-Carlo chains")
    parser.add_argument(
        "--states", type=int, help=f"states of each chain, {STATES} times the effort if not given"
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out Haar levels and the field itself"
    )
    with one_line_errors(), progress_bars():
        geometry(parser.parse_args())


def geometry(args: argparse.Namespace) -> None:
    setting = page_setting(args)
    states = setting.count(STATES) if args.states is None else args.states
    bulks = Bulks(setting, args.chains, states, not args.no_baselines)
    bulks.check()
    write_parts(geometry_parts(bulks), setting, "The geometry of the bulk", args.checkpoint)
