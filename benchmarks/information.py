"""Bias and coverage of the estimators of mutual information on pairs for which it is known.

Coverage is the share of repetitions in which the quoted error covers the truth: 0.68 for one error
and 0.95 for two, if estimate and error are right.

python benchmarks/information.py [--samples 10000] [--repeats 200 40 8] [--out information.json]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from information_laws import LAWS, Draw
from measure import print_table

from rgflow.analysis import latent_mutual_information
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import progress, progress_bars
from rgflow.runtime.seeds import derived_seed
from rgflow.statistics.information import Estimate

ESTIMATORS: dict[str, Callable[..., Estimate]] = {
    "gaussian_copula": lambda a, b, seed: latent_mutual_information(a, b, seed=seed),
    "copula of |z|": lambda a, b, seed: latent_mutual_information(a.abs(), b.abs(), seed=seed),
    "nearest_neighbours": lambda a, b, seed: latent_mutual_information(
        a, b, "nearest_neighbours", seed=seed
    ),
    "neural_bound": lambda a, b, seed: latent_mutual_information(a, b, "neural_bound", seed=seed),
}


def calibrate(draw: Draw, exact: float, estimator: str, samples: int, repeats: int) -> dict:
    """One row of the table: what an estimator makes of one law, over repetitions."""
    start = time.perf_counter()
    values, errors, baselines = [], [], []
    for i in progress(range(repeats), estimator):
        seed = derived_seed("calibration", estimator, i)
        pair = draw(samples, torch.Generator().manual_seed(seed))
        estimate = ESTIMATORS[estimator](*pair, seed=seed % 2**31)
        values.append(estimate.value)
        errors.append(estimate.error)
        baselines.append(estimate.baseline)
    value, error = torch.tensor(values).double(), torch.tensor(errors).double()
    off = (value - exact).abs()
    return {
        "exact": exact,
        "bias": float(value.mean() - exact),
        "bias_error": float(value.std() / repeats**0.5),
        "scatter": float(value.std()),
        "quoted_error": float(error.mean()),
        "within_1": float((off < error).double().mean()),
        "within_2": float((off < 2 * error).double().mean()),
        "baseline": float(torch.tensor(baselines).mean()),
        "repeats": repeats,
        "seconds_each": (time.perf_counter() - start) / repeats,
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument(
        "--repeats",
        type=int,
        nargs=3,
        default=[200, 40, 8],
        help="repetitions of copula, nearest neighbours and neural bound",
    )
    parser.add_argument("--out", default="information.json")
    args = parser.parse_args()
    check_output(args.out)
    counts = dict(zip(ESTIMATORS, [args.repeats[0], *args.repeats], strict=True))
    rows = []
    for law, (make, informations) in LAWS.items():
        for exact in informations:
            draw = make(exact)
            for estimator, repeats in counts.items():
                if repeats < 2 or (estimator == "copula of |z|" and law != "scale mixture"):
                    continue
                numbers = calibrate(draw, exact, estimator, args.samples, repeats)
                rows.append({"law": law, "estimator": estimator, **numbers})
    digits = ("bias", "bias_error", "scatter", "quoted_error", "baseline")
    shown = [
        row
        | {name: f"{row[name]:.1e}" for name in digits}
        | {name: round(row[name], 2) for name in ("within_1", "within_2", "seconds_each")}
        for row in rows
    ]
    print_table(shown)
    write_json(args.out, {"samples": args.samples, "rows": rows})


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
