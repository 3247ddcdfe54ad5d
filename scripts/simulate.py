"""Monte Carlo on an energy: python scripts/simulate.py energy=ising energy.side=16 --states 256.

The energies are those of conf/energy; your own: energy=user energy._target_=mypackage.MyEnergy.
"""

import argparse
import json
import os
import sys

from rgflow.cli import one_line_errors
from rgflow.config import compose_preset
from rgflow.energies.nodes import build_energy
from rgflow.evaluation import reference_report, reference_samples
from rgflow.evaluation_figure import reference_figure
from rgflow.files import write_atomically
from rgflow.plotting import check_png, save_figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", help="energy=NAME energy.FIELD=VALUE ...")
    parser.add_argument("--method", choices=["auto", "exact", "cluster", "hmc"], default="auto")
    parser.add_argument("--chains", type=int, default=64)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--states", type=int, default=256, help="of each chain")
    budget.add_argument("--seconds", type=float, help="draw for so long after the warm-up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="also write the report here")
    parser.add_argument("--out", help="PNG file of the figure")
    with one_line_errors():
        simulate(parser.parse_args())


def simulate(args: argparse.Namespace) -> None:
    if args.out:
        check_png(args.out)
    node = compose_preset("simulate", args.overrides)["energy"]
    sys.path.insert(0, os.getcwd())  # as for python -m rgflow.train: what a user names is trusted
    energy = build_energy(node, trust=True)
    states = reference_samples(
        energy,
        chains=args.chains,
        states=args.states,
        seed=args.seed,
        method=args.method,
        seconds=args.seconds,
    )
    text = json.dumps(reference_report(energy, states, seed=args.seed), indent=2)
    if args.out:
        save_figure(reference_figure(states), args.out)
    if args.json:
        write_atomically(args.json, lambda file: file.write(text.encode() + b"\n"))
    print(text)


if __name__ == "__main__":
    main()
