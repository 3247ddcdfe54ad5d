"""The geometry of the free field through Haar levels, where all informations are exact.

Two tables. The first has the exact laws: slopes of distance against ln r and curvature radii from
both directions. The second has what samples of several seeds make of them: pulls and bias of all
informations, and, for seed 0, both laws with their chi2 in the window of
`rgflow.analysis.geometry.windows`. Exact distances are fitted in the same window, with errors of
0.1. All distances are -ln I, that is xi = 1.

python benchmarks/geometry_exact.py [--sides 16 32 64] [--samples 20000] [--seeds 4]
    [--out geometry_exact.json]
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from measure import print_table
from torch import Tensor

from rgflow.analysis.geometry import (
    BulkInformation,
    Fit,
    along_boundary,
    along_scale,
    boundary_laws,
    bulk_cells,
    bulk_information,
    compare_laws,
    exact_bulk_information,
    gromov_delta,
    haar_flow,
    latent_covariance,
    massless_spectrum,
    sample_spectrum,
)
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import progress, progress_bars

MASSES = (0.0, 0.04, 0.25)
"""``m^2``: massless, and with correlation lengths of 5 and 2 sites."""


def exact_row(bulk: BulkInformation, side: int, m2: float) -> dict[str, Any]:
    """Slopes and radii of exact distances, all weighted alike; both chi2 for errors of 0.1."""
    near = along_boundary(bulk, 0)
    if len(near.step) < 4:
        raise ValueError(f"side: got {side}, expected at least 16")
    step, distance = near.step[1:], near.distance().distance[1:]
    within = distance.isfinite()  # below is rounding
    step, distance = step[within], distance[within]
    laws = compare_laws(step, distance, torch.full((len(distance),), 0.1), side // 2)
    per_level = along_scale(bulk, 0).distance().distance.diff()
    matrix = -bulk.matrix.clamp_min(1e-14).log()  # below is rounding
    points = (matrix - matrix[matrix.isfinite()].min()).nan_to_num().clamp_min(0)
    delta = gromov_delta((points + points.T) / 2)
    return {
        "side": side,
        "m2": m2,
        "cells r": f"{int(step[0])} to {int(step[-1])}",
        "slope of log": round(laws.logarithmic.slope.value, 3),
        "chi2 log": _chi2(laws.logarithmic),
        "chi2 line": _chi2(laws.linear),
        "preferred": laws.verdict,
        "R along boundary": round(laws.logarithmic.slope.value / 2, 3),
        "R by level": " ".join(f"{float(d) / math.log(2):.2f}" for d in per_level),
        "2 delta / diameter": round(delta.relative, 3),
    }


def sampled_row(
    exact: BulkInformation, side: int, m2: float, samples: int, seeds: int
) -> dict[str, Any]:
    """The same from samples of several seeds: pulls, bias, and both laws with their chi2.

    A pull divides by the error that the same samples tell. That error grows with the information,
    so that the mean pull is below zero also without a bias. The bias divides the same differences
    by the root mean square of the errors of all seeds; its own error comes from the seeds.
    """
    start = time.perf_counter()
    flow, steps = haar_flow(side), [2 << h for h in range(side.bit_length() - 2)]
    spectrum, truth = massless_spectrum(side, m2), exact.means.information
    bulks = []
    for seed in progress(range(seeds), "seeds"):
        generator = torch.Generator().manual_seed(seed)
        parts = [
            flow.encode(sample_spectrum(spectrum, len(part), generator=generator)).float()
            for part in torch.arange(samples).split(2000)
        ]
        bulks.append(bulk_information(exact.cells, torch.cat(parts), steps, seed=seed))
    off = torch.stack([one.means.information - truth for one in bulks])  # (seeds, informations)
    errors = torch.stack([one.means.error for one in bulks])
    pulls = off / errors
    laws = boundary_laws(bulks[0], 0)
    row = {
        "side": side,
        "m2": m2,
        "samples": samples,
        "seeds": seeds,
        "informations": len(truth),
        "least": f"{float(truth.min()):.1e}",
        "pull mean": _mean_with_error(pulls.mean(1)),
        "pull std": round(float(pulls.std()), 2),
        "within 1": round(float((pulls.abs() < 1).double().mean()), 2),
        "within 2": round(float((pulls.abs() < 2).double().mean()), 2),
        "bias": _mean_with_error((off / errors.square().mean(0).sqrt()).mean(1)),
        "cells r": "" if laws.window is None else f"{laws.window[0]} to {laws.window[1]}",
    }
    row |= dict.fromkeys(("slope of log", "exact", "chi2 log", "chi2 line", "preferred"), "")
    if laws.laws is not None and laws.window is not None:
        window = slice(laws.window[0] - 1, laws.window[1])
        expected = along_boundary(exact, 0).distance().distance[window]
        covariance = laws.distance.covariance[window, window]
        ideal = compare_laws(laws.step[window], expected, covariance, laws.cells)
        log, line = laws.laws.logarithmic, laws.laws.linear
        row |= {
            "slope of log": f"{log.slope.value:.3f} ± {log.slope.error:.3f}",
            "exact": round(ideal.logarithmic.slope.value, 3),
            "chi2 log": _chi2(log),
            "chi2 line": _chi2(line),
            "preferred": laws.laws.verdict,
        }
    return row | {"seconds": round(time.perf_counter() - start)}


def _chi2(fit: Fit) -> str:
    return f"{fit.chi2:.1f} / {fit.degrees}"


def _mean_with_error(by_seed: Tensor) -> str:
    """Mean over seeds, with its error where there are at least two."""
    if len(by_seed) < 2:
        return f"{float(by_seed.mean()):.3f}"
    return f"{float(by_seed.mean()):.3f} ± {float(by_seed.std()) / len(by_seed) ** 0.5:.3f}"


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--largest-sampled", type=int, default=32, help="side")
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds, from 0 on")
    parser.add_argument("--out", default="geometry_exact.json")
    args = parser.parse_args()
    check_output(args.out)
    exact_rows, sampled_rows = [], []
    cases = [(side, m2) for side in args.sides for m2 in MASSES]
    for side, m2 in progress(cases, "lattices"):
        flow = haar_flow(side)
        cells, steps = bulk_cells(flow.hierarchy), [2 << h for h in range(side.bit_length() - 2)]
        covariance = latent_covariance(flow, massless_spectrum(side, m2))
        bulk = exact_bulk_information(cells, covariance, steps)
        exact_rows.append(exact_row(bulk, side, m2))
        if side <= args.largest_sampled:
            sampled_rows.append(sampled_row(bulk, side, m2, args.samples, args.seeds))
    print_table(exact_rows)
    print()
    print_table(sampled_rows)
    write_json(args.out, {"exact": exact_rows, "sampled": sampled_rows, "seeds": args.seeds})


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
