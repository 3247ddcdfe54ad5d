"""The effect of single settings: a preset, trained with one change at a time.

All trainings take the same number of steps. Each row is a run of ``python -m rgflow.train`` in a
process of its own, with its usual evaluation: the KL divergence of a flow of fields, the bits per
dim on the test images of a flow of images.

python benchmarks/choices.py [--experiment ising_l8 | msds1_block] [--steps 1500] [--only TEXT]
    [--out FILE] [SETTING ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import machine, print_table, rows_named

from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

FIELDS: dict[str, tuple[str, ...]] = {
    "none": (),
    "reverse KL, no path gradient": ("objective=reverse",),
    "forward KL on Monte-Carlo states": ("objective=forward",),
    "path gradient of the reverse KL alone": ("objective=path",),
    "coupling annealed from 0.8 in 500 steps": (
        "training.anneal_from=0.8",
        "training.anneal_steps=500",
    ),
    "batch 32": ("training.batch_size=32",),
    "batch 512": ("training.batch_size=512",),
    "learning rate halved": ("training.lr=4e-3",),
    "no Fourier map": ("flow.fourier=none",),
    "learnt Fourier map": ("flow.fourier=learnable",),
    "no symmetry": ("flow.symmetry=none",),
    "affine couplings": ("flow.coupling=affine",),
    "equivariant affine couplings": ("flow.coupling=affine", "flow.symmetry=equivariant"),
    "blocks of side 2 as levels": ("flow=field_block", "flow.fourier=fixed"),
    "no mixing of cells": ("flow.mixing=none",),
    "kernels (3, 1)": ("flow.kernels=[3,1]",),
    "kernels (3, 1, 1, 1)": ("flow.kernels=[3,1,1,1]",),
    "kernels (3, 3)": ("flow.kernels=[3,3]",),
    "4 couplings a level": ("flow.couplings=4",),
    "6 couplings a level": ("flow.couplings=6",),
    "8 couplings a level": ("flow.couplings=8",),
    "96 channels": ("flow.hidden=96",),
    "10 bins": ("flow.bins=10",),
    "Laplace prior": ("flow.prior=laplace",),
}

ONE_OF_EACH = "flow.order=[disentangler,decimator]"
RESIDUAL = ("flow.conditioner=residual", "flow.hidden=64", "flow.residual_blocks=1")
BLOCKS: dict[str, tuple[str, ...]] = {
    "none": (),
    "no mixing of cells": ("flow.mixing=none",),
    "mixing in front of each level only": ("flow.mixing=first",),
    "no scale and shift of each site": ("flow.site_affine=false",),
    "two couplings a layer": ("flow.couplings=2",),
    "four couplings a layer": ("flow.couplings=4",),
    "one disentangler and one decimator of six couplings": (ONE_OF_EACH, "flow.couplings=6"),
    "layers in turn, larger cones": (ONE_OF_EACH, "flow.repeats=2"),
    "residual nets of 64": RESIDUAL,
    "the former small blocks": (
        *RESIDUAL,
        ONE_OF_EACH,
        "flow.mixing=none",
        "flow.site_affine=false",
        "flow.couplings=4",
    ),
    "two hidden layers of 64": ("flow.hidden=[64,64]",),
    "two hidden layers of 192": ("flow.hidden=[192,192]",),
    "three hidden layers of 128": ("flow.hidden=[128,128,128]",),
    "spline couplings of 8 bins": ("flow.coupling=spline",),
    "Gaussian prior": ("flow.prior=gaussian",),
    "log-scales bounded by 2": ("flow.scale_bound=2",),
    "learning rate 2e-3": ("training.lr=2e-3",),
    "learning rate 8e-3": ("training.lr=8e-3",),
    "batch 64": ("data.batch_size=64",),
}
"""Changes of a preset of mixed block levels."""


def train(experiment: str, steps: int, changes: Sequence[str], seed: int) -> dict[str, object]:
    """Train once and return the numbers of the evaluation, or the last line of the error."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rgflow.train", f"experiment={experiment}"]
        command += [f"max_steps={steps}", f"validation_every={steps}", f"seed={seed}"]
        command += ["training.ema_decay=0.99", f"hydra.run.dir={folder}", *changes]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return {"error": done.stderr.strip().splitlines()[-1][:80]}
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
    if "bits_per_dim" in metrics:
        numbers = {"bits per dim": metrics["bits_per_dim"]}
    else:
        numbers = {
            "KL nats": metrics["kl_nats"],
            "error": metrics["kl_nats_error"],
            "ESS": metrics["ess"],
            "forward ESS": metrics["forward_ess"],
        }
    rounded = {k: v if v is None else round(v, 4) for k, v in numbers.items()}
    milliseconds = 1e3 * metrics["training_seconds"] / metrics["steps"]
    return rounded | {"parameters": metrics["parameters"], "ms a step": round(milliseconds)}


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--experiment", default="ising_l8", help="name of the preset")
    parser.add_argument("--steps", type=int, default=1500, help="training steps of each run")
    parser.add_argument("--seed", type=int, default=0, help="seed of each run")
    parser.add_argument("--only", default="", help="text that the names of the changes contain")
    parser.add_argument("--out", default="choices.json")
    parser.add_argument(
        "settings", nargs="*", help="settings of all rows, such as flow.couplings=4"
    )
    args = parser.parse_args()
    check_output(args.out)
    rows = []
    changes_by_name = BLOCKS if args.experiment.endswith("_block") else FIELDS
    for name, changes in rows_named(changes_by_name, args.only).items():
        overrides = (*args.settings, *changes)
        numbers = train(args.experiment, args.steps, overrides, args.seed)
        rows.append({"change": name, **numbers})
        print(f"{name}: {next(iter(numbers.values()))}", file=sys.stderr, flush=True)
    print_table(rows)
    write_json(args.out, {"machine": machine(), **vars(args), "rows": rows})


if __name__ == "__main__":
    with one_line_errors():
        main()
