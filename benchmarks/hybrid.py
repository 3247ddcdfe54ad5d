"""Clusters alone, proposals of a flow alone, and both in turn: autocorrelation, cost, break-even.

    python benchmarks/hybrid.py CHECKPOINT ... [--json FILE] [--seeds 6] [--states 256]

The checkpoints are flows of energies; where an energy has no clusters, HMC takes their place. The
methods take turns with every seed. Means and their standard errors are over the seeds, each with
its own chains. tau is in states of a chain: a cluster update, a proposal, or both. An independent
sample is 2 tau states, with the larger tau of m^2 and the energy. Its cost is processor time after
the warm-up, of all threads together, so that other work on the machine matters little. The last
column says after how many independent samples the flow has paid for a second of its training, by
the time that it saves against the first row.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import machine, print_table

from rgflow.checkpoint import load_config, load_flow
from rgflow.energies.from_config import build_energy
from rgflow.evaluation.beside import numbers_beside, samples_per_training_second
from rgflow.evaluation.fields import reference_report
from rgflow.evaluation.summary import shown
from rgflow.montecarlo.growing import GrowingChains, Reference
from rgflow.montecarlo.hybrid import hybrid_chains
from rgflow.montecarlo.methods import method_of_moves
from rgflow.montecarlo.reference import flow_chains
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors
from rgflow.runtime.json_text import check_json, write_json
from rgflow.runtime.progress import progress, progress_bars


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    add_trust(parser)
    parser.add_argument("--chains", type=int, default=64, help="number of chains")
    parser.add_argument("--states", type=int, default=256, help="states of each chain")
    parser.add_argument("--seeds", type=int, default=6, help="seeds of the chains, 0, 1, ...")
    parser.add_argument("--json", default="hybrid.json", help="file of the numbers")
    args = parser.parse_args()
    check_json(args)
    if min(args.chains, args.states, args.seeds) < 2:
        raise ValueError(
            f"got --chains {args.chains}, --states {args.states} and --seeds {args.seeds}, "
            "expected at least 2 of each"
        )
    results = [result for path in args.checkpoints for result in measure_checkpoint(path, args)]
    print_table([row_of(result) for result in results])
    write_json(args.json, {"machine": machine(), **vars(args), "results": results})


def measure_checkpoint(path: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Numbers of all methods for one flow, those of the moves alone first."""
    node = load_config(path).get("energy")
    if node is None:
        raise ValueError(f"{path}: got the checkpoint of a run without an energy, expected one")
    flow, energy = load_flow(path, trust=args.trust), build_energy(node, args.trust)
    methods = {
        method_of_moves(energy): lambda seed: grown(
            lambda: GrowingChains.by_method(energy, args.chains, seed, method_of_moves(energy)),
            args.states,
        ),
        "metropolis": lambda seed: proposed(flow, energy, args, seed),
        "hybrid": lambda seed: grown(
            lambda: hybrid_chains(flow, energy, chains=args.chains, seed=seed), args.states
        ),
    }
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    for seed in progress(range(args.seeds), "seeds"):
        for name, draw in methods.items():
            reference, seconds = draw(seed)
            report = reference_report(energy, reference, seed=seed)
            measured[name].append(numbers_of(report, seconds))
    about = {"checkpoint": Path(path).stem, "energy": type(energy).__name__}
    about["side"] = energy.event_shape[-1]
    results = [
        about | {"method": name} | over_seeds(numbers) for name, numbers in measured.items()
    ]
    alone = results[0]["seconds_per_independent_sample"]
    for result in results[1:]:
        samples = samples_per_training_second(result["seconds_per_independent_sample"], alone)
        result["samples_per_training_second"] = samples if math.isfinite(samples) else None
    return results


def grown(make: Callable[[], GrowingChains], states: int) -> tuple[Reference, float]:
    """States of chains, and the processor time in which they were drawn."""
    chains = make()
    start = time.process_time()
    chains.extend(states)
    return chains.reference(), time.process_time() - start


def proposed(
    flow: torch.nn.Module, energy: Any, args: argparse.Namespace, seed: int
) -> tuple[Reference, float]:
    """The same of proposals of the flow alone, whose warm-up costs as much by state."""
    start = time.process_time()
    run = flow_chains(
        flow, energy, "metropolis", chains=args.chains, states=args.states, seed=seed
    )
    seconds = time.process_time() - start
    return run, seconds * run.seconds / (run.seconds + run.warmup_seconds)


def numbers_of(report: dict[str, Any], seconds: float) -> dict[str, float]:
    """What is averaged over the seeds, with processor time in the place of the wall's."""
    states = report["states"] * report["chains"]
    row = numbers_beside(report)
    return {
        "tau_m2": row["tau_m2"],
        "tau_energy": row["tau_energy"],
        "acceptance": row["acceptance"],
        "m2": report["observables"]["m2"]["value"],
        "seconds_per_state": seconds / states,
        "seconds_per_independent_sample": 2 * report["tau"] * seconds / states,
    }


def over_seeds(numbers: list[dict[str, float]]) -> dict[str, float]:
    """Means, and their standard errors under the names with ``_error``."""
    found = {}
    for name in numbers[0]:
        values = torch.tensor([row[name] for row in numbers], dtype=torch.float64)
        found[name] = float(values.mean())
        found[f"{name}_error"] = float(values.std()) / math.sqrt(len(values))
    return found


def row_of(result: dict[str, Any]) -> dict[str, str]:
    """A row of the printed table."""

    def cell(name: str, unit: float = 1.0) -> str:
        return shown(unit * result[name], unit * result[f"{name}_error"])

    samples = result.get("samples_per_training_second", 0.0)
    return {
        "checkpoint": result["checkpoint"],
        "L": str(result["side"]),
        "method": result["method"],
        "m2": cell("m2"),
        "tau of m2": cell("tau_m2"),
        "tau of energy": cell("tau_energy"),
        "acceptance": f"{result['acceptance']:.2f}",
        "ms per state": cell("seconds_per_state", 1e3),
        "ms per independent sample": cell("seconds_per_independent_sample", 1e3),
        "samples that pay a second of training": (
            "never" if samples is None else f"{samples:.3g}" if samples else ""
        ),
    }


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
