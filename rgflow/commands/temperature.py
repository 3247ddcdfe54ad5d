"""Samples of a trained flow over a table of temperatures: T_low below a cut-off level, T_high
above it; or, with --by-level, one level after another at each temperature and the others at 1.

All cells have the same random numbers. For flows trained on MSDS the share of broken samples in
each cell is counted: more than three pixels above 250 in all channels.
"""

import argparse
import math

from rgflow.analysis.temperature import (
    level_count,
    one_level_at_a_time,
    temperature_sheet,
    two_temperatures,
)
from rgflow.checkpoint import load_config, load_flow
from rgflow.evaluation.msds_factors import is_msds
from rgflow.evaluation.temperature import (
    temperature_figure,
    temperature_report,
    temperature_table,
)
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.progress import progress_bars

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", help="PNG file for the sheet")
    factors = {"type": float, "nargs": "+", "metavar": "T"}
    parser.add_argument("--low", **factors, help="temperatures below the cut: columns")
    parser.add_argument("--high", **factors, help="temperatures from the cut on: rows")
    parser.add_argument("--cut", type=int, help="the cut-off level; the middle if not given")
    parser.add_argument("--by-level", **factors, help="temperatures of one level after another")
    parser.add_argument(
        "--samples",
        type=int,
        default=256,
        help="samples of each cell, for the share of broken ones",
    )
    parser.add_argument("--shown", type=int, default=3, help="samples that a cell shows")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        measure(parser.parse_args())


def measure(args: argparse.Namespace) -> None:
    check_json(args)
    check_output(args.out, ".png")
    for name in ("low", "high", "by_level"):
        wrong = [t for t in getattr(args, name) or [] if not 0 <= t < math.inf]
        if wrong:
            option = name.replace("_", "-")
            raise ValueError(f"--{option}: got {wrong[0]:g}, expected finite numbers >= 0")
    for name in ("samples", "shown"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name}: got {getattr(args, name)}, expected at least 1")
    if args.by_level is not None:
        refuse_options(args, ["low", "high", "cut"], "expected none with --by-level")
    flow = load_flow(args.checkpoint, args.device, trusted_modules(args))
    count = level_count(flow)
    if args.by_level is not None:
        table = one_level_at_a_time(flow, args.by_level)
        heads = [f"T = {t:g}" for t in args.by_level]
        labels = [f"level {h}" for h in range(count)]
        title = "one level at the temperature T, the others at 1"
    else:
        lows, highs = args.low or TEMPERATURES, args.high or TEMPERATURES
        cut = count // 2 if args.cut is None else args.cut
        table = two_temperatures(flow, lows, highs, cut)
        heads = [f"T_low = {t:g}" for t in lows]
        labels = [f"T_high = {t:g}" for t in highs]
        title = f"T_low at the levels below {cut}, T_high from level {cut} on"
    counts = is_msds(load_config(args.checkpoint).get("data"))
    sheet = temperature_sheet(
        flow, table, args.samples, shown=args.shown, count_broken=counts, seed=args.seed
    )
    if args.out is not None:
        save_figure(temperature_figure(flow, sheet, labels, heads, title), args.out)
    about = {"checkpoint": args.checkpoint, "seed": args.seed, "table": title}
    write_report(args, about | temperature_report(sheet), temperature_table)
