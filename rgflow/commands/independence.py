"""Measure how independent the latents of held-out samples are, within and between levels.

Images are those of a split of the data of each checkpoint. For a flow trained on an energy they
are Monte-Carlo states.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rgflow.analysis import Independence, held_out_latents, latent_independence
from rgflow.checkpoint import load_config, load_flow
from rgflow.energies.from_config import build_energy
from rgflow.evaluation.images import split_images
from rgflow.flow import Flow
from rgflow.montecarlo.reference import reference_samples
from rgflow.plotting.images import save_figure
from rgflow.plotting.independence import DependenceTable, independence_figure
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.progress import progress, progress_bars

CHAINS = 64
KINDS = {"values": "copula of z", "sizes": "copula of |z|"}


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of the flows")
    parser.add_argument("--out", required=True, help="PNG file: levels, and distance in a level")
    parser.add_argument("--names", nargs="+", help="names of the flows in the figure")
    parser.add_argument("--samples", type=int, default=10_000, help="images or states, at most")
    parser.add_argument("--latents", type=int, default=1024, help="latents looked at, at most")
    parser.add_argument(
        "--split", choices=["train", "validation", "test"], default="test", help="of the images"
    )
    parser.add_argument("--data-root", help="folder of the data, that of training if not given")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and samples")
    parser.add_argument("--device", default="cpu")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_output(args.out, ".png")
        check_json(args)
        measure(args)


def measure(args: argparse.Namespace) -> None:
    names = args.names or names_of(args.checkpoints)
    if len(names) != len(args.checkpoints):
        raise ValueError(f"--names: got {len(names)}, expected {len(args.checkpoints)}")
    if min(args.samples // CHAINS, args.latents) < 2:
        raise ValueError(
            f"got --samples {args.samples} and --latents {args.latents}, expected at least "
            f"{2 * CHAINS} and 2"
        )
    trust = trusted_modules(args)
    flows = [load_flow(path, args.device, trust) for path in args.checkpoints]
    reports, tables = {}, {}
    for name, path, flow in progress(
        list(zip(names, args.checkpoints, flows, strict=True)), "flows"
    ):
        z = latents(flow, load_config(path), args, trust)
        blocks = CHAINS if load_config(path).get("energy") else None
        found = latent_independence(
            flow, z, most_latents=args.latents, blocks=blocks, seed=args.seed
        )
        reports[name] = found.report() | {"checkpoint": str(path), "seed": args.seed}
        tables[name] = {kind: table_of(found, key) for key, kind in KINDS.items()}
    title = "Residual mutual information of latents, baseline subtracted"
    save_figure(independence_figure(tables, title), args.out)
    write_report(args, reports, printed)


def latents(flow: Flow, config: dict, args: argparse.Namespace, trust: list[str]) -> Tensor:
    """Latents of held-out images, or of the states of Markov chains, chain after chain."""
    if config.get("energy"):
        energy = build_energy(config["energy"], trust)
        drawn = reference_samples(
            energy, chains=CHAINS, states=args.samples // CHAINS, seed=args.seed
        )
        states = drawn.samples.transpose(0, 1).flatten(0, 1)  # (chains T, C, L, L)
        with torch.no_grad():
            parts = progress(states.split(256), "states")
            return torch.cat([flow.encode(x.to(flow.device, flow.dtype)).cpu() for x in parts])
    node = config.get("data") or {}
    if "_target_" not in node:
        raise ValueError("got a checkpoint without data or energy, expected one of a training")
    node = node | ({"root": args.data_root} if args.data_root else {})
    images = split_images(node, args.split, limit=args.samples, trust=trust)
    return held_out_latents(flow, images, seed=args.seed)


def names_of(paths: list[str]) -> list[str]:
    """Short names that tell checkpoints apart: of the file, or of its run for best.ckpt."""
    found = []
    for path in map(Path, paths):
        parent = path.absolute().parent
        is_run = path.stem in ("best", "last") and parent.name == "checkpoints"
        found.append(parent.parent.name if is_run else path.stem)
    return found if len(set(found)) == len(found) else [str(path) for path in paths]


def table_of(found: Independence, measure: Any) -> DependenceTable:
    curves = [found.by_distance(measure, level) for level in range(found.levels)]
    return DependenceTable(*found.matrix(measure, nearest=True), curves)


def printed(reports: dict[str, Any]) -> str:
    """A table: mean informations of neighbours by level, in 1e-3 nats."""
    lines = []
    for name, report in reports.items():
        lines.append(f"{name}: {report['samples']} samples, latents by level {report['latents']}")
        lines.append("  mean information of neighbouring latents, 1e-3 nats, by levels")
        for measure in report["nearest"]:
            lines.append(f"  {measure}")
            table = report["nearest"][measure]
            for values, errors in zip(table["mean"], table["error"], strict=True):
                cells = (
                    f"{1e3 * v:8.3f} ± {1e3 * e:5.3f}" for v, e in zip(values, errors, strict=True)
                )
                lines.append("   " + "  ".join(cells))
    return "\n".join(lines)
