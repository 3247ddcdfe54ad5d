"""Complex phi^4 in its massless and in a gapped phase, by Monte Carlo alone.

The law is that of `rgflow.energies.ComplexPhi4` at t = 1, lam = 1: with mu = -2 its correlations
decay as a power of the distance, with mu = 0 exponentially. For each lattice side the table has
both fits of the decay, the exponent that follows from the stiffness of the phase, and the
autocorrelation time in kept states; then the exponent from <m^2> of all sides. A kept state comes
after ``thin`` rounds of a trajectory of HMC and one update of all embedded clusters, where thin is
about one autocorrelation time. `--check` compares HMC alone with clusters on the smallest lattice.

python benchmarks/complex_phi4.py [--out complex_phi4.json] [--sides 8 16 32] [--states 256]
"""

from __future__ import annotations

import math
import time
from typing import Any

from measure import machine, print_table

from rgflow.energies import ComplexPhi4
from rgflow.evaluation.decay import exponential, finite_size_exponent, power_law
from rgflow.evaluation.fields import reference_report
from rgflow.montecarlo.reference import Method, reference_samples
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import progress_bars
from rgflow.statistics import Measured

T, LAM = 1.0, 1.0
PHASES = {"massless": -2.0, "gapped": 0.0}
"""mu of both phases."""


def measure(
    phase: str, side: int, states: int, chains: int, seed: int, method: Method = "auto"
) -> dict[str, Any]:
    """Observables, both fits and the sampler's autocorrelation time, in plain numbers."""
    start = time.perf_counter()
    model = ComplexPhi4(side, T, PHASES[phase], LAM)
    run = reference_samples(model, chains=chains, states=states, seed=seed, method=method)
    report = reference_report(model, run)
    fits = {}
    for name, fit in (("power_law", power_law), ("exponential", exponential)):
        try:
            fits[name] = fit(run.samples)._asdict()
        except ValueError as error:  # such as correlations below the noise
            fits[name] = {"error": str(error)}
    seconds = time.perf_counter() - start
    return {"phase": phase, "side": side, **fits, "report": report, "seconds": seconds}


def row(result: dict[str, Any]) -> dict[str, Any]:
    """One line of the table."""
    report = result["report"]
    rows = report["observables"]
    stiffness = rows["helicity_modulus"]
    eta = 1 / (2 * math.pi * stiffness["value"])
    eta_error = eta * stiffness["error"] / abs(stiffness["value"])
    return {
        "phase": result["phase"],
        "L": result["side"],
        "method": report["method"],
        "|phi|": _number(rows["amplitude"]),
        "m2": _number(rows["m2"]),
        "eta of G(r)": _fitted(result["power_law"]),
        "eta of stiffness": f"{eta:.4f}({eta_error:.4f})" if 0 < eta < 1 else "-",
        "xi of rows": _fitted(result["exponential"]),
        "xi, 2nd moment": _number(rows["correlation_length"]),
        "tau": f"{report['tau']:.2f}",
        "s": f"{report['warmup_seconds']:.0f} + {report['seconds']:.0f}",
    }


def exponent(results: list[dict[str, Any]]) -> Measured:
    """``eta`` of ``<m^2> ~ L^-eta`` over the sides of one phase."""
    m2 = [one["report"]["observables"]["m2"] for one in results]
    values = [Measured(one["value"], one["error"]) for one in m2]
    return finite_size_exponent([one["side"] for one in results], values)


def _number(measured: dict[str, float]) -> str:
    return f"{measured['value']:.4f}({measured['error']:.4f})"


def _fitted(fit: dict[str, Any]) -> str:
    """Parameter, error, and chi^2 per point in brackets."""
    if "parameter" not in fit:
        return "-"
    return f"{fit['parameter']:.4f}({fit['error']:.4f}) [{fit['chi_squared']:.1f}]"


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="complex_phi4.json")
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=PHASES)
    parser.add_argument("--states", type=int, default=256, help="states of each chain")
    parser.add_argument("--chains", type=int, default=64, help="number of chains")
    parser.add_argument("--seed", type=int, default=0, help="seed of the chains")
    parser.add_argument("--check", action="store_true", help="HMC alone beside clusters")
    args = parser.parse_args()
    check_output(args.out)
    budget = (args.states, args.chains, args.seed)
    with one_line_errors(), progress_bars():
        results = [measure(phase, side, *budget) for phase in args.phases for side in args.sides]
        checks = []
        if args.check:
            smallest = min(args.sides)
            checks = [measure(phase, smallest, *budget, method="hmc") for phase in args.phases]
    print_table([row(result) for result in (*results, *checks)])
    exponents = {}
    if len(args.sides) > 1 and "massless" in args.phases:
        eta = exponent([one for one in results if one["phase"] == "massless"])
        exponents = {"eta_of_m2": eta.value, "eta_of_m2_error": eta.error}
        print(f"massless: <m^2> ~ L^-eta with eta = {eta.value:.4f}({eta.error:.4f})")
    write_json(
        args.out,
        {
            "machine": machine(),
            "t": T,
            "lam": LAM,
            "mu": PHASES,
            **vars(args),
            **exponents,
            "results": results,
            "hmc_alone": checks,
        },
    )


if __name__ == "__main__":
    main()
