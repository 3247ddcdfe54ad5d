"""Receptive fields of the latents of trained flows, level by level: how strongly each pixel
responds to each latent, how far, and how sparsely.

With --out DIR the folder gets the pictures of all levels with radii and sparsity (levels.png), and
for each flow a sheet of its strongest and one of its sparsest features; with --out FILE.png the
first of these. Several checkpoints, for instance with different priors, are drawn side by side.
"""

import argparse
import time
from pathlib import Path

from rgflow.analysis.generation_layers import SPACES
from rgflow.analysis.receptive_fields import ReceptiveFields, receptive_fields
from rgflow.analysis.sparsity import FEWEST
from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.commands.names import names_of
from rgflow.evaluation.held_out import held_out_latents
from rgflow.evaluation.receptive_fields import (
    feature_sheet,
    receptive_field_figure,
    receptive_field_report,
    receptive_field_table,
)
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.progress import progress_bars


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of the flows")
    parser.add_argument("--out", help="folder for all figures, or PNG file for that of the levels")
    parser.add_argument("--points", type=int, default=16, help="points z of the mean, 2 or more")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="temperature of these points"
    )
    parser.add_argument(
        "--space",
        choices=SPACES,
        default="data",
        help="derivatives of intensities or fields, or of what the levels give, before the "
        "inverse of the pixel logit or of the Fourier map",
    )
    parser.add_argument(
        "--events",
        type=int,
        default=1000,
        help="test images, or states of the target, whose latents' kurtosis is measured; 0: none",
    )
    add_data_root(parser)
    parser.add_argument("--features", type=int, default=12, help="features of a level on a sheet")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_arguments(args)
        measure(args)


def check_arguments(args: argparse.Namespace) -> None:
    check_json(args)
    if args.out is not None:
        is_picture = args.out.lower().endswith(".png")
        check_output(args.out if is_picture else Path(args.out) / "levels.png", ".png")
    for name, least in (("points", 2), ("features", 1), ("events", 0)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name}: got {getattr(args, name)}, expected at least {least}")
    if 0 < args.events < FEWEST:
        raise ValueError(f"--events: got {args.events}, expected 0 or at least {FEWEST}")
    if not 0 <= args.temperature < float("inf"):
        raise ValueError(f"--temperature: got {args.temperature:g}, expected a finite number >= 0")


def measure(args: argparse.Namespace) -> None:
    trust = trusted_modules(args)
    flows = [load_flow(path, args.device, trust) for path in args.checkpoints]
    names = names_of(args.checkpoints, flows)
    found, reports = {}, []
    for path, name, flow in zip(args.checkpoints, names, flows, strict=True):
        held_out = None
        if args.events:
            config = load_config(path)
            config["data"] = data_node(args, config)
            settings = {"seed": args.seed, "trust": trust}
            held_out = held_out_latents(flow, config, args.events, **settings)
        start = time.perf_counter()
        fields = receptive_fields(
            flow, n=args.points, seed=args.seed, temperature=args.temperature, space=args.space
        )
        seconds = time.perf_counter() - start
        found[name] = fields
        about = {"checkpoint": path, "name": name, "points": args.points, "seed": args.seed}
        about |= {"temperature": args.temperature, "space": args.space, "seconds": seconds}
        reports.append(about | receptive_field_report(flow, fields, held_out, args.seed))
    if args.out is not None:
        draw(args, found, reports)
    write_report(args, {"flows": reports}, receptive_field_table)


def draw(args: argparse.Namespace, found: dict[str, ReceptiveFields], reports: list) -> None:
    what = {"data": "intensities or field", "levels": "outputs of the levels"}[args.space]
    title = (
        f"mean |dx/dz| over {args.points} points at temperature {args.temperature:g}, x: {what}"
    )
    figure = receptive_field_figure(found, reports, title)
    if args.out.lower().endswith(".png"):
        save_figure(figure, args.out)
        return
    folder = Path(args.out)
    save_figure(figure, folder / "levels.png")
    for i, (name, fields) in enumerate(found.items()):
        of = f"_{i + 1}" if len(found) > 1 else ""
        for kind in ("strongest", "sparsest"):
            sheet = feature_sheet(
                fields, kind, args.features, f"{name}: {kind} features, each rolled to the centre"
            )
            save_figure(sheet, folder / f"{kind}{of}.png")
