"""How a flow is best grown from one of half the side: what is copied, what is held, how fast.

    python benchmarks/growth.py CHECKPOINT --experiment ising_l16 [--steps 600] [--seeds 2]
        [--only TEXT] [--json FILE] [SETTING ...]

CHECKPOINT is a flow on half the side of the experiment. Each row is a run of ``python -m
rgflow.train experiment=NAME`` in a process of its own. All rows have equal steps, but for the
objective whose step is twice as dear, which has half of them. The columns are KL(q, p) of one
image of the lattice in nats, before the first step from 8,192 samples, and after the last from
32,768; errors are standard errors over the seeds of training.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import machine, print_table, rows_named, train_alone
from torch import nn

from rgflow.bijectors import MERA
from rgflow.checkpoint import load_flow
from rgflow.energies import Energy
from rgflow.energies.from_config import build_energy
from rgflow.flow import Flow
from rgflow.models.grow import grow
from rgflow.objectives import Batch, Loss, Objective, path_gradient
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.config import build, compose_preset
from rgflow.runtime.json_text import check_json, write_json
from rgflow.runtime.progress import progress, progress_bars
from rgflow.training.energy_setup import match_spectrum


class Held(Objective):
    """The path gradient of the reverse KL, from given weights, of which some are held at first.

    Args:
        start: File of the ``state_dict`` with which training begins.
        held_steps: For so many steps only the new level is trained.
    """

    monitor = "free_energy_bound"

    def __init__(self, start: str, held_steps: int = 0) -> None:
        self.start, self.held_steps, self.steps = start, held_steps, 0

    def loss(self, flow: Flow, energy: Energy, batch: Batch) -> Loss:
        """The bound ``mean(log q + E) >= -ln Z`` over samples of the flow."""
        if self.steps == 0:
            flow.load_state_dict(torch.load(self.start))
        if self.steps in (0, self.held_steps):
            free = {id(weight) for weight in new_level(flow).parameters()}
            for weight in flow.parameters():
                weight.requires_grad_(self.steps >= self.held_steps or id(weight) in free)
        self.steps += 1
        nats = path_gradient(flow, energy, batch.size, batch.generator).mean()
        return Loss(nats, {"free_energy_bound": nats.detach()})


def levels_of(flow: Flow) -> tuple[nn.Module, ...]:
    """The levels of the only hierarchy, the finest first."""
    (levels,) = (m.level_bijectors for m in flow.modules() if isinstance(m, MERA))
    return levels


def new_level(flow: Flow) -> nn.Module:
    """The second one of the two levels that `grow` makes of one, unless it is told which."""
    levels = levels_of(flow)
    return levels[min(2, len(levels) - 2)]


def candidates(smaller: Flow, lr: float, steps: int) -> dict[str, dict[str, Any]]:
    """What each row changes: the start (``doubled``, ``fresh``, ``held``), steps, settings."""
    levels = len(levels_of(smaller))
    ours = min(1, levels - 2)
    rows: dict[str, dict[str, Any]] = {f"level {ours} is doubled": {}}
    for level in set(range(levels - 1)) - {ours}:
        rows[f"level {level} is doubled"] = {"doubled": level}
    rows["the new level begins as the identity"] = {"fresh": True}
    rows["the new level alone for a quarter of the steps"] = {"held": steps // 4}
    for factor, name in ((0.5, "half of"), (2.0, "twice")):
        rows[f"{name} the learning rate"] = {"settings": [f"training.lr={factor * lr}"]}
    rows["half of each path gradient, half the steps"] = {
        "settings": ["objective=mixture"],
        "steps": steps // 2,
    }
    rows["path gradient of the forward KL"] = {"settings": ["objective=forward_path"]}
    rows["not grown"] = {"grown": False}
    return rows


@torch.no_grad()
def divergence(flow: Flow, energy: Energy, samples: int) -> float:
    """KL(q, p) in nats, or the bound on -ln Z where ln Z is not known."""
    generator = torch.Generator().manual_seed(0)
    values = []
    for _ in range(max(1, samples // 1024)):
        x, log_prob = flow.sample_and_log_prob(1024, generator=generator)
        values.append(log_prob + energy.energy(x))
    return float(torch.cat(values).double().mean()) + (energy.log_z or 0.0)


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """KL(q, p) before the first and after the last step of all rows, by seed."""
    common = [f"experiment={args.experiment}", "flow.average=none", *args.settings]
    config = compose_preset("config", common)
    if not config.get("energy"):
        raise ValueError(f"--experiment: got {args.experiment}, expected one of an energy")
    smaller, energy = load_flow(args.checkpoint), build_energy(config["energy"])
    rows = candidates(smaller, config["training"]["lr"], args.steps)
    rows = rows_named(rows, args.only)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    for seed, name in progress([(s, n) for s in range(args.seeds) for n in rows], "trainings"):
        row = rows[name]
        flow: Flow = build(config["flow"], "flow")
        match_spectrum(flow, energy)  # as a training does
        steps = row.get("steps", args.steps)
        settings = [*common, *row.get("settings", ()), f"seed={seed}"]
        settings += [f"max_steps={steps}", f"validation_every={steps}"]
        with tempfile.TemporaryDirectory() as folder:
            if row.get("grown", True):
                untrained = copy.deepcopy(new_level(flow).state_dict())
                grow(flow, smaller, row.get("doubled"))
                if "fresh" in row:
                    new_level(flow).load_state_dict(untrained)
                settings.append(f"grow_from={args.checkpoint}")
            if row.keys() & {"doubled", "fresh", "held"}:
                start = Path(folder) / "start.pt"
                torch.save(flow.state_dict(), start)
                settings += ["objective._target_=growth.Held", f"+objective.start={start}"]
                settings.append(f"+objective.held_steps={row.get('held', 0)}")
            before = divergence(flow, energy, 8192)
            train_alone(settings, Path(folder) / "run")
            trained = load_flow(Path(folder) / "run/checkpoints/best.ckpt")
            after = divergence(trained, energy, 32_768)
        results[name].append({"seed": seed, "steps": steps, "before": before, "after": after})
        print(name, json.dumps(results[name][-1]), file=sys.stderr, flush=True)
    return results


def row_of(name: str, runs: list[dict[str, float]]) -> dict[str, str]:
    """A row of the printed table."""
    before, after = (torch.tensor([run[k] for run in runs]) for k in ("before", "after"))
    error = f" ± {after.std() / len(runs) ** 0.5:.4f}" if len(runs) > 1 else ""
    return {
        "training": name,
        "steps": str(runs[0]["steps"]),
        "before": f"{before.mean():.3f}",
        "after": f"{after.mean():.4f}{error}",
    }


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="flow of half the side")
    parser.add_argument("--experiment", required=True, help="preset of an energy")
    parser.add_argument("--steps", type=int, default=600, help="steps of each training")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of the trainings, 0, 1, ...")
    parser.add_argument("--only", default="", help="text that the names of the rows contain")
    parser.add_argument("--json", default="growth.json", help="file of the numbers")
    parser.add_argument("settings", nargs="*", help="settings of all rows")
    args = parser.parse_intermixed_args()
    check_json(args)
    if args.seeds < 1 or args.steps < 2:
        raise ValueError(
            f"got --seeds {args.seeds} and --steps {args.steps}, expected at least 1 and 2"
        )
    results = measure(args)
    print_table([row_of(name, runs) for name, runs in results.items()])
    write_json(args.json, {"machine": machine(), **vars(args), "results": results})


if __name__ == "__main__":
    with one_line_errors(), progress_bars():
        main()
