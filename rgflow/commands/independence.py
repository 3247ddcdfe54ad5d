"""Measure how independent the latents of held-out samples are, within and between levels.

Images are those of a split of the data of each checkpoint. For a flow trained on an energy they
are Monte-Carlo states.
"""

import argparse

from rgflow.analysis import latent_independence
from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.commands.names import names_of
from rgflow.evaluation.held_out import CHAINS, held_out_latents
from rgflow.evaluation.independence import TITLE, dependence_tables, independence_text
from rgflow.plotting.images import save_figure
from rgflow.plotting.independence import independence_figure
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.progress import progress, progress_bars


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of the flows")
    parser.add_argument("--out", required=True, help="PNG file: levels, and distance in a level")
    parser.add_argument("--names", nargs="+", help="names of the flows in the figure")
    parser.add_argument("--samples", type=int, default=10_000, help="images or states, at most")
    parser.add_argument("--latents", type=int, default=1024, help="latents looked at, at most")
    parser.add_argument(
        "--split",
        choices=["train", "validation", "test"],
        default="test",
        help="split of the images",
    )
    add_data_root(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and samples")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_output(args.out, ".png")
        check_json(args)
        measure(args)


def measure(args: argparse.Namespace) -> None:
    if args.names and len(args.names) != len(args.checkpoints):
        raise ValueError(f"--names: got {len(args.names)}, expected {len(args.checkpoints)}")
    if min(args.samples // CHAINS, args.latents) < 2:
        raise ValueError(
            f"got --samples {args.samples} and --latents {args.latents}, expected at least "
            f"{2 * CHAINS} and 2"
        )
    trust = trusted_modules(args)
    flows = [load_flow(path, args.device, trust) for path in args.checkpoints]
    names = args.names or names_of(args.checkpoints, flows)
    reports, tables = {}, {}
    for name, path, flow in progress(
        list(zip(names, args.checkpoints, flows, strict=True)), "flows"
    ):
        config = load_config(path)
        config["data"] = data_node(args, config)
        settings = {"split": args.split, "seed": args.seed, "trust": trust}
        z, chains = held_out_latents(flow, config, args.samples, **settings)
        found = latent_independence(
            flow, z, most_latents=args.latents, blocks=chains, seed=args.seed
        )
        reports[name] = found.report() | {"checkpoint": str(path), "seed": args.seed}
        tables[name] = dependence_tables(found)
    save_figure(independence_figure(tables, TITLE), args.out)
    write_report(args, reports, independence_text)
