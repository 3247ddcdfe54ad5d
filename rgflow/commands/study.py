"""Study a trained flow: what its scales know, as pictures, tables and one HTML page.

The folder --out gets index.html, which opens without a network, its pictures, and one JSON file
for each part: samples, temperatures of the levels, walks, receptive fields, levels and factors (of
MSDS), mixing, restoration, and the independence of the latents.
"""

import argparse

from rgflow.commands.data_root import add_data_root
from rgflow.commands.pages import add_page_options, page_setting, write_parts
from rgflow.evaluation.study import PARTS
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.progress import progress_bars


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_page_options(parser, "the numbers of samples and images")
    names = [part.name for part in PARTS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names, help="parts to do")
    add_data_root(parser)
    with one_line_errors(), progress_bars():
        study(parser.parse_args())


def study(args: argparse.Namespace) -> None:
    setting = page_setting(args)
    if setting.is_of_images and "_target_" not in setting.data:
        raise ValueError(f"{args.checkpoint}: got no data set, expected one of a training on data")
    if not setting.is_of_images and not setting.config.get("energy"):
        raise ValueError(f"{args.checkpoint}: got no energy, expected one of a training on one")
    chosen = [part for part in PARTS if part.name in args.parts]
    write_parts(chosen, setting, "What the scales know", args.checkpoint)
