"""Which level of a flow of MSDS holds colour, orientation and position of the ellipses.

The first table says how much each factor changes where the latents of one level are drawn anew,
in units of the change between independent images; the second how well the latents of one level
alone tell it, as the R^2 of a ridge regression on held-out test images.
"""

import argparse

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.evaluation.level_factors import SOURCES, LevelFactors, level_factors
from rgflow.evaluation.shown_factors import level_factors_figure, level_factors_text
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, plain, write_report
from rgflow.runtime.progress import progress_bars


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of a flow that was trained on MSDS")
    parser.add_argument("--out", help="PNG file for both tables as heat maps")
    parser.add_argument("--samples", type=int, default=1000, help="images to redraw levels of")
    parser.add_argument(
        "--images",
        type=int,
        default=5000,
        help="test images of the regression, a fifth held out",
    )
    parser.add_argument(
        "--redraw",
        choices=SOURCES,
        default="samples",
        help="whether levels are redrawn of the flow's samples or of encoded test images",
    )
    add_data_root(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_json(args)
        check_output(args.out, ".png")
        report = tables(args)
        if args.out:
            save_figure(level_factors_figure(report), args.out)
        write_report(args, plain(report), lambda _: level_factors_text(report))


def tables(args: argparse.Namespace) -> LevelFactors:
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, args.device, trust)
    node = data_node(args, load_config(args.checkpoint))
    counts = {"samples": args.samples, "images": args.images, "seed": args.seed}
    return level_factors(flow, node, redrawn_from=args.redraw, trust=trust, **counts)
