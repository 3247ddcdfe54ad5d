"""Independent states per second of phi^4 with L about 4 xi: embedded clusters beside HMC alone.

Independent states are counted by the slower of energy and squared magnetization. The last column
is the time of a cluster update in leapfrog steps, with which the warm-up compares chains.

python benchmarks/monte_carlo.py [--out monte_carlo.json] [--sides 14 32 64] [--states 128]
"""

from __future__ import annotations

import torch
from measure import interleaved_medians, machine, print_table

from rgflow.energies import Phi4
from rgflow.evaluation.fields import reference_report
from rgflow.montecarlo import embedded_clusters
from rgflow.montecarlo.integrator import Kinetic, leapfrog
from rgflow.montecarlo.reference import reference_samples
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json


def update_in_leapfrog_steps(model: Phi4, x: torch.Tensor) -> float:
    """Time of a cluster update over the time of a leapfrog step."""
    generator, kinetic = torch.Generator().manual_seed(0), Kinetic(None)
    p = kinetic.momenta(x, generator)
    times = interleaved_medians(
        {
            "update": lambda: embedded_clusters(x, generator, hopping=2.0),
            "steps": lambda: leapfrog(model.force, x, p, 0.01, 10, kinetic.velocity),
        },
        20,
    )
    return 10 * times["update"] / times["steps"]


def measure_side(side: int, states: int, chains: int, seed: int) -> list[dict[str, object]]:
    """Rows of the table for one lattice side, one for each method."""
    model = Phi4(side, m2=-4.0, lam=Phi4.LADDER[side])
    rows = []
    for method in ("hmc", "cluster"):
        run = reference_samples(model, chains=chains, states=states, seed=seed, method=method)
        report = reference_report(model, run)
        m2 = report["observables"]["m2"]
        rows.append(
            {
                "L": side,
                "method": method,
                "m2": f"{m2['value']:.5f}({m2['error']:.5f})",
                "tau": round(report["tau"], 2),
                "warm-up s": round(report["warmup_seconds"], 1),
                "independent states per s": round(report["independent_samples_per_second"], 1),
                "update in leapfrog steps": "",
            }
        )
    rows[-1]["update in leapfrog steps"] = round(update_in_leapfrog_steps(model, run.samples[-1]))
    return rows


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="monte_carlo.json")
    parser.add_argument("--sides", type=int, nargs="+", default=[14, 32, 64], choices=Phi4.LADDER)
    parser.add_argument("--states", type=int, default=128, help="states of each chain")
    parser.add_argument("--chains", type=int, default=32, help="number of chains")
    parser.add_argument("--seed", type=int, default=0, help="seed of the chains")
    args = parser.parse_args()
    check_output(args.out)
    rows = [
        row
        for side in args.sides
        for row in measure_side(side, args.states, args.chains, args.seed)
    ]
    print_table(rows)
    write_json(args.out, {"machine": machine(), **vars(args), "rows": rows})


if __name__ == "__main__":
    main()
