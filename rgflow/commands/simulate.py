"""Monte Carlo on an energy: rgflow-simulate energy=ising energy.side=16 --states 256.

The energies are those of conf/energy; your own is energy=user energy._target_=mypackage.MyEnergy.
With --flow CHECKPOINT the chains are on the energy of that training, and the flow makes them fast:
its samples are the proposals (--method metropolis), Hamiltonian Monte Carlo moves its latents
(--method latent_hmc), or its proposals alternate with cluster moves, or HMC where there are none
(--method hybrid). Without --precision, the hybrid draws chains by either alone as well, and prints
the autocorrelation times, what an independent sample costs in wall time on this machine, and when
the flow's training is paid for.
"""

import argparse
import copy
import os
import sys
from typing import Any

from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.asked_precision import add_precision, asked_precision
from rgflow.commands.strict import add_strict, heed_strict
from rgflow.energies import Energy, as_energy
from rgflow.energies.from_config import build_energy
from rgflow.evaluation.beside import numbers_beside
from rgflow.evaluation.fields import reference_report
from rgflow.evaluation.figure import reference_figure
from rgflow.evaluation.precision import Precision, check_name
from rgflow.evaluation.printed import chains_table
from rgflow.evaluation.to_precision import simulate_to_precision
from rgflow.montecarlo.growing import GrowingChains
from rgflow.montecarlo.hybrid import hybrid_chains
from rgflow.montecarlo.methods import method_of_moves
from rgflow.montecarlo.reference import Reference, flow_chains, reference_samples
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, refuse_options
from rgflow.runtime.config import build, compose_preset
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.package_warnings import about
from rgflow.runtime.progress import progress_bars

METHODS = ("auto", "exact", "cluster", "hmc")
METHODS_OF_FLOWS = ("metropolis", "latent_hmc", "hybrid")
Result = tuple[Energy, dict[str, Any], Reference]


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "overrides", nargs="*", help="energy=NAME energy.FIELD=VALUE ..., without --flow"
    )
    parser.add_argument(
        "--method",
        choices=METHODS + METHODS_OF_FLOWS,
        default="auto",
        help="auto takes exact samples where the energy has them, else clusters, else HMC; "
        "metropolis (auto with --flow), latent_hmc and hybrid need --flow",
    )
    parser.add_argument("--flow", help="checkpoint of a flow, for the methods of flows")
    parser.add_argument("--chains", type=int, default=64, help="number of chains")
    add_strict(parser)
    add_trust(parser)
    parser.add_argument("--device", help="device of a flow's chains, cpu if not given")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--states",
        type=int,
        default=256,
        help="states of each chain; with --precision those of the first round",
    )
    budget.add_argument("--seconds", type=float, help="draw states for so long after the warm-up")
    add_precision(parser, "m2=0.0005")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    add_json(parser)
    parser.add_argument("--out", help="PNG file for the figure")
    with one_line_errors(), progress_bars():
        simulate(parser.parse_args())


def simulate(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    check_json(args)
    heed_strict(args)
    sys.path.insert(0, os.getcwd())  # as for python -m rgflow.train: what a user names is trusted
    precision = asked_precision(args)
    if precision is not None:
        refuse_options(args, ("seconds",), "expected none with --precision")
    energy, report, states = (by_flow if args.flow else by_energy)(args, precision)
    if args.out:
        save_figure(reference_figure(energy, states), args.out)
    write_report(args, report, chains_table)


def by_energy(args: argparse.Namespace, asked: tuple[Precision, float] | None) -> Result:
    if args.method in METHODS_OF_FLOWS:
        raise ValueError(f"--method {args.method}: expected a checkpoint in --flow with it")
    refuse_options(args, ("device", "trust"), "expected a checkpoint in --flow with it")
    energy = as_energy(build(compose_preset("simulate", args.overrides)["energy"], "energy"))
    counts = {"states": args.states, "seed": args.seed}
    if asked is not None:
        check_name(asked[0], energy, of_flow=False)
        chains = GrowingChains.by_method(energy, args.chains, args.seed, args.method)
        return energy, *simulate_to_precision(chains, energy, *asked, **counts)
    states = reference_samples(
        energy, chains=args.chains, method=args.method, seconds=args.seconds, **counts
    )
    return energy, reference_report(energy, states, seed=args.seed), states


def by_flow(args: argparse.Namespace, asked: tuple[Precision, float] | None) -> Result:
    method = METHODS_OF_FLOWS[0] if args.method == "auto" else args.method
    if method not in METHODS_OF_FLOWS:
        raise ValueError(f"--method {method}: got a flow, expected {', '.join(METHODS_OF_FLOWS)}")
    if asked is not None and method != "hybrid":
        raise ValueError(
            f"--precision: got chains of a flow by {method}, expected --method hybrid"
        )
    refuse_options(args, ("seconds",), "expected --states with --flow")
    if args.overrides:
        raise ValueError(
            f"--flow: got {' '.join(args.overrides)} with it, expected no settings: the energy is "
            "that of the flow's training"
        )
    node = load_config(args.flow).get("energy")
    if not node:
        raise ValueError(f"{args.flow}: got a config without energy, expected a flow of fields")
    device = args.device or "cpu"
    flow = load_flow(args.flow, device, args.trust)
    energy = build_energy(node, args.trust).to(device)
    counts = {"states": args.states, "seed": args.seed}
    if asked is not None:
        check_name(asked[0], energy, of_flow=False)
        chains = hybrid_chains(flow, energy, chains=args.chains, seed=args.seed)
        on_cpu = copy.deepcopy(energy).cpu()  # the chains need it where it is
        report, states = simulate_to_precision(chains, on_cpu, *asked, **counts)
        return on_cpu, report, states
    counts["chains"] = args.chains
    states = flow_chains(flow, energy, method, **counts)
    if method != "hybrid":
        energy = energy.cpu()
        return energy, reference_report(energy, states, seed=args.seed), states
    proposals = flow_chains(flow, energy, "metropolis", **counts)
    energy = energy.cpu()
    moves = reference_samples(energy, method=method_of_moves(energy), **counts)
    reports = {}
    for one in (states, proposals, moves):
        with about(one.method):
            reports[one.method] = reference_report(energy, one, seed=args.seed)
    beside = {name: numbers_beside(report) for name, report in reports.items()}
    return energy, reports[method] | {"beside": beside}, states
