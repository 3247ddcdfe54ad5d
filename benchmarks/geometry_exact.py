"""The geometry of the free field through Haar levels, where all informations are exact.

Two tables. The first has the exact laws: slopes of distance against ln r and curvature radii from
both directions. The second has what samples make of them: pulls of all informations, and the same
slopes with errors. All distances are -ln I, that is xi = 1.

python benchmarks/geometry_exact.py [--sides 16 32 64] [--samples 20000] [--seed 0]
    [--out geometry_exact.json]
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from measure import print_table

from rgflow.analysis.geometry import (
    BulkInformation,
    along_boundary,
    along_scale,
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
FIRST = 2
"""Neighbouring cells touch, so that the fits begin with the next ones."""


def exact_row(bulk: BulkInformation, side: int, m2: float) -> dict[str, Any]:
    """Slopes and radii of exact distances, all weighted alike; preference for errors of 0.1."""
    near = along_boundary(bulk, 0)
    window = slice(FIRST - 1, max(FIRST + 2, len(near.step) // 2))
    distance = near.distance().distance[window]
    laws = compare_laws(near.step[window], distance, torch.full((len(distance),), 0.1))
    per_level = along_scale(bulk, 0).distance().distance.diff()
    matrix = -bulk.matrix.clamp_min(1e-14).log()  # below is rounding
    points = (matrix - matrix[matrix.isfinite()].min()).nan_to_num().clamp_min(0)
    delta = gromov_delta((points + points.T) / 2)
    return {
        "side": side,
        "m2": m2,
        "cells r": f"{int(near.step[window][0])} to {int(near.step[window][-1])}",
        "slope of ln r": round(laws.logarithmic.slope.value, 3),
        "log - linear": round(laws.preference, 1),
        "R along boundary": round(laws.logarithmic.slope.value / 2, 3),
        "R by level": " ".join(f"{float(d) / math.log(2):.2f}" for d in per_level),
        "2 delta / diameter": round(delta.relative, 3),
    }


def sampled_row(
    exact: BulkInformation, side: int, m2: float, samples: int, seed: int
) -> dict[str, Any]:
    """The same from samples: pulls of all informations and of fitted slopes."""
    start = time.perf_counter()
    flow, steps = haar_flow(side), [2 << h for h in range(side.bit_length() - 2)]
    generator = torch.Generator().manual_seed(seed)
    spectrum = massless_spectrum(side, m2)
    parts = [
        flow.encode(sample_spectrum(spectrum, len(part), generator=generator)).float()
        for part in torch.arange(samples).split(2000)
    ]
    found = bulk_information(exact.cells, torch.cat(parts), steps, seed=seed)
    means, truth = found.means, exact.means.information
    pulls = (means.information - truth) / means.error
    near, expected = along_boundary(found, 0), along_boundary(exact, 0)
    count = max(FIRST + 2, len(near.significant().step))
    window = slice(FIRST - 1, count)
    distance = near.distance()
    covariance = distance.covariance[window, window]
    laws = compare_laws(near.step[window], distance.distance[window], covariance)
    ideal = compare_laws(near.step[window], expected.distance().distance[window], covariance)
    off = distance.distance - expected.distance().distance
    return {
        "side": side,
        "m2": m2,
        "samples": samples,
        "informations": len(pulls),
        "least": f"{float(truth.min()):.1e}",
        "pull mean": round(float(pulls.mean()), 2),
        "pull std": round(float(pulls.std()), 2),
        "within 1": round(float((pulls.abs() < 1).double().mean()), 2),
        "within 2": round(float((pulls.abs() < 2).double().mean()), 2),
        "distances' largest pull": round(float((off / distance.error)[:count].abs().max()), 2),
        "slope": f"{laws.logarithmic.slope.value:.3f} ± {laws.logarithmic.slope.error:.3f}",
        "exact slope": round(ideal.logarithmic.slope.value, 3),
        "log - linear": round(laws.preference),
        "seconds": round(time.perf_counter() - start),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--largest-sampled", type=int, default=32, help="side")
    parser.add_argument("--seed", type=int, default=0)
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
            sampled_rows.append(sampled_row(bulk, side, m2, args.samples, args.seed))
    print_table(exact_rows)
    print()
    print_table(sampled_rows)
    write_json(args.out, {"exact": exact_rows, "sampled": sampled_rows, "seed": args.seed})


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
