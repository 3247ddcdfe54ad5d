"""Whether quoted errors are right: pulls of a flow's estimates against exact values, over seeds.

    python benchmarks/pulls.py CHECKPOINT ... [--seeds 40] [--samples 8192] [--json FILE]

A pull is the difference of an estimate from its exact value in units of its quoted error. Over
seeds of the samples it should have mean 0 and standard deviation 1. For every flow of an energy
and every estimate whose exact value is known there is a row, with the standard errors of both, and
the probability that a normal law has a larger sum of squared pulls.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from measure import machine, print_table
from scipy.stats import chi2

from rgflow.checkpoint import load_config, load_flow
from rgflow.energies.from_config import build_energy
from rgflow.evaluation import evaluate_energy
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.json_text import check_json, write_json
from rgflow.runtime.progress import progress, progress_bars


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--seeds", type=int, default=40, help="seeds of the samples, 0, 1, ...")
    parser.add_argument("--samples", type=int, default=8192, help="samples of each seed")
    parser.add_argument("--json", default="pulls.json", help="file of the numbers")
    add_trust(parser)
    args = parser.parse_args()
    check_json(args)
    if min(args.seeds, args.samples) < 2:
        raise ValueError(f"got --seeds {args.seeds} and --samples {args.samples}, expected >= 2")
    results = {path: pulls(path, args) for path in args.checkpoints}
    print_table(
        [
            {"flow": name_of(Path(path)), **row_of(name, values)}
            for path, found in results.items()
            for name, values in found.items()
        ]
    )
    write_json(args.json, {"machine": machine(), **vars(args), "pulls": results})


def name_of(path: Path) -> str:
    """The name of the run, or of a checkpoint that lies elsewhere."""
    return path.parent.parent.name if path.stem in ("best", "last") else path.stem


def pulls(path: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """The pulls of each estimate, over the seeds."""
    trust = trusted_modules(args)
    node = load_config(path).get("energy")
    if not node:
        raise ValueError(f"{path}: got a flow of images, expected one of an energy")
    flow, energy = load_flow(path, trust=trust), build_energy(node, trust)
    found: dict[str, list[float]] = {}
    for seed in progress(range(args.seeds), "seeds"):
        report = evaluate_energy(flow, energy, samples=args.samples, seed=seed)
        for name, pull in _pulls_of(report).items():
            found.setdefault(name, []).append(pull)
    if not found:
        raise ValueError(f"{path}: got an energy without exact values, expected one with some")
    return found


def _pulls_of(report: dict[str, Any]) -> dict[str, float]:
    found = {}
    if report["log_z_exact"] is not None and report["log_z_importance_error"]:
        difference = report["log_z_importance"] - report["log_z_exact"]
        found["ln Z"] = difference / report["log_z_importance_error"]
    of_distances = {f"G(r = {row['r']})": row for row in report["two_point"]}
    for name, row in {**report["observables"], **of_distances}.items():
        if row.get("sigmas") is not None and row["error"]:
            found[name] = row["sigmas"]
    return found


def row_of(name: str, values: list[float]) -> dict[str, str]:
    """Mean and spread of the pulls, with their errors, and how likely larger ones are."""
    pulls = torch.tensor(values, dtype=torch.float64)
    n = len(pulls)
    return {
        "estimate": name,
        "mean": f"{pulls.mean():.2f} ± {1 / math.sqrt(n):.2f}",
        "spread": f"{pulls.std():.2f} ± {1 / math.sqrt(2 * (n - 1)):.2f}",
        "largest": f"{pulls.abs().max():.1f}",
        "probability": f"{chi2.sf(float(pulls.square().sum()), n):.2f}",
        "seeds": str(n),
    }


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
