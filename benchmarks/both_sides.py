"""Which training holds from both sides: one preset, several objectives, equal time.

    python benchmarks/both_sides.py [--experiment ising_l8] [--seconds 60] [--seeds 3]
        [--states 65536] [--only TEXT] [--json FILE] [SETTING ...]

Each row is a run of ``python -m rgflow.train`` in a process of its own. Two short trials tell how
much processor time a step takes, which other work on the machine hardly changes, and so how many
steps fit into the time. All flows are judged on the same states of the target, and on a quarter as
many samples of their own: by both divergences, both effective sample sizes, and by how many nats
the rarest state has too little density. Each flow is judged three times: one image of the lattice
alone; averaged over the eight rotations and mirror images; and with a guard, a mixture of 95% of
the flow and 5% of the same flow whose latents are wider by a quarter, by which no weight is larger
than 20 times that towards the wider flow. Errors are standard errors over the seeds; of the rarest
states the worst of all seeds is given.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import machine, print_table, rows_named, train_alone
from torch import Tensor

from rgflow.checkpoint import load_config, load_flow
from rgflow.energies import Energy
from rgflow.energies.from_config import build_energy
from rgflow.flow import Flow
from rgflow.montecarlo.moves import Moves, moves_of
from rgflow.montecarlo.reference import Reference, reference_samples
from rgflow.objectives import Batch, Loss, Objective, forward_path_gradient
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.config import compose_preset
from rgflow.runtime.json_text import check_json, write_json
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

WIDE, SHARE = 1.25, 0.05
"""Temperature and share of the guard."""


class AlphaTwo(Objective):
    """Minimises the mean of w = p / q over states of p; weights are cut at ten times their mean.

    Reference: FAB, arXiv:2208.01893.
    """

    monitor = "cross_entropy"
    needs_states = True

    def loss(self, flow: Flow, energy: Energy, batch: Batch) -> Loss:
        """The path gradient of the forward divergence, weighted."""
        x = batch.states()
        values = forward_path_gradient(flow, energy, x, batch.generator)
        log_w = values.detach() - energy.energy(x)
        weights = (log_w - log_w.logsumexp(0) + math.log(len(x))).exp().clamp_max(10)
        return Loss((weights * values).mean(), {"cross_entropy": values.detach().mean()})


class HybridStates(Objective):
    """Learns from chains that go on while it trains: a cluster move, then a proposal of the flow.

    Each of the B chains accepts the proposal by its weight, as `rgflow.montecarlo.hybrid` does.
    """

    monitor = "cross_entropy"
    needs_states = True

    def __init__(self) -> None:
        self.moves: Moves | None = None
        self.x: Tensor | None = None

    def loss(self, flow: Flow, energy: Energy, batch: Batch) -> Loss:
        """The path gradient of the forward divergence."""
        if self.moves is None:
            self.moves = moves_of(energy, batch.size, generator_for("bench", 0))
            self.x = self.moves.start.to(flow.dtype)
        with torch.no_grad():
            x = self.moves.move(self.x)
            both = torch.cat([x, flow.sample(batch.size, generator=batch.generator)])
            log_w = (-energy.energy(both) - flow.log_prob(both)).view(2, -1)
            uniform = torch.rand(batch.size, generator=batch.generator)
            accepted = (log_w[1] > log_w[0] + uniform.log()).view(-1, 1, 1, 1)
            self.x = torch.where(accepted, both[batch.size :], x)
        values = forward_path_gradient(flow, energy, self.x, batch.generator)
        return Loss(values.mean(), {"cross_entropy": values.detach().mean()})


EQUAL = ("training.lr=4e-3", "training.reference_states=20000")
"""What is alike in all rows that do not change it, whatever the preset has."""

CANDIDATES: dict[str, tuple[str, ...]] = {
    "path gradient of the reverse KL": ("objective=path",),
    "the same, twice the learning rate": ("objective=path", "training.lr=8e-3"),
    "likelihood of states": ("objective=forward",),
    "path gradient of the forward KL": ("objective=forward_path",),
    "of the forward KL, twice the learning rate": ("objective=forward_path", "training.lr=8e-3"),
    "the same, batch 512": ("objective=forward_path", "training.batch_size=512"),
    "half of each path gradient": ("objective=mixture",),
    "half of each, twice the learning rate": ("objective=mixture", "training.lr=8e-3"),
    "states of hybrid chains": (
        "objective=forward_path",
        "objective._target_=both_sides.HybridStates",
    ),
    "alpha = 2 on states": ("objective=forward_path", "objective._target_=both_sides.AlphaTwo"),
}


def steps_in(seconds: float, changes: list[str]) -> int:
    """As many steps as two trials say that the processor time allows."""
    took = {}
    for count in (20, 220):
        trial = [*changes, f"max_steps={count}", f"validation_every={count}"]
        with tempfile.TemporaryDirectory() as folder:
            took[count] = train_alone(trial, Path(folder) / "run")
    return max(100, round(200 * seconds / (took[220] - took[20])))


@torch.no_grad()
def judge(flow: Flow, energy: Energy, target: Reference, seed: int) -> dict[str, dict[str, float]]:
    """The numbers of a flow, of its average over the square, and of the flow with a guard."""
    count = len(target.samples.flatten(0, 1))
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(1024, count // 4)] * max(1, count // 4096)
    states = target.samples.flatten(0, 1).float().split(1024)
    log_p = -target.energies.flatten() - energy.log_z

    def compare(samples: list[Tensor], density: Any) -> dict[str, float]:
        ours = torch.cat([density(x).double() for x in samples])
        log_w = torch.cat([-energy.energy(x.double()) for x in samples]) - energy.log_z - ours
        of_target = log_p - torch.cat([density(x).double() for x in states])
        n, m = math.log(count), math.log(len(log_w))
        return {
            "KL(q,p)": -log_w.mean().item(),
            "KL(p,q)": of_target.mean().item(),
            "ESS": (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0) - m).exp().item(),
            "forward ESS": (2 * n - of_target.logsumexp(0) - (-of_target).logsumexp(0))
            .exp()
            .item(),
            "rarest (nats)": of_target.max().item(),
        }

    def at(x: Tensor, temperature: float) -> Tensor:
        _, by_sign = flow.by_sign(x, temperature)
        return by_sign.logsumexp(0) - math.log(len(by_sign))

    def guarded(x: Tensor) -> Tensor:
        parts = (at(x, 1.0) + math.log(1 - SHARE), at(x, WIDE) + math.log(SHARE))
        return torch.logaddexp(*parts)

    flow = Flow(flow.bijector, flow.prior, flow.z2, square=True)
    one = [flow.one_image.sample(n, generator=generator) for n in sizes]
    turned = [flow.sample(n, generator=generator) for n in sizes]
    wide = [flow.one_image.sample(n, WIDE, generator) for n in sizes]
    mixed = []
    for narrow, other in zip(one, wide, strict=True):
        is_wide = torch.rand(len(narrow), 1, 1, 1, generator=generator) < SHARE
        mixed.append(torch.where(is_wide, other, narrow))
    return {
        "one image": compare(one, flow.one_image.log_prob),
        "averaged": compare(turned, flow.log_prob),
        "guarded": compare(mixed, guarded),
    }


def row_of(name: str, judged: str, runs: list[dict[str, Any]]) -> dict[str, str]:
    """Means over the seeds with their standard errors; of the rarest states the worst."""
    row = {"training": name, "judged": judged}
    for column in runs[0]["judged"][judged]:
        values = torch.tensor([run["judged"][judged][column] for run in runs]).double()
        if column.startswith("rarest"):
            row[column] = f"{values.max():.1f}"
            continue
        digits = 4 if column.startswith("KL") else 3
        row[column] = f"{values.mean():.{digits}f}"
        if len(runs) > 1:
            row[column] += f" ± {values.std() / len(runs) ** 0.5:.{digits}f}"
    row["steps"] = str(runs[0]["steps"])
    return row


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="ising_l8", help="preset of an energy")
    parser.add_argument(
        "--seconds", type=float, default=60, help="processor time of each training"
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the trainings, 0, 1, ...")
    parser.add_argument("--states", type=int, default=65_536, help="states of the target")
    parser.add_argument("--only", default="", help="text that the names of the rows contain")
    parser.add_argument("--json", default="both_sides.json", help="file of the numbers")
    parser.add_argument("settings", nargs="*", help="settings of all rows")
    args = parser.parse_args()
    check_json(args)
    if args.seeds < 1 or args.states < 4096:
        raise ValueError(
            f"got --seeds {args.seeds} and --states {args.states}, expected at least 1 and 4096"
        )
    results = measure(args)
    print_table(
        [
            row_of(name, judged, runs)
            for name, runs in results.items()
            for judged in runs[0]["judged"]
        ]
    )
    write_json(args.json, {"machine": machine(), **vars(args), "results": results})


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """All runs of all candidates."""
    config = compose_preset("config", [f"experiment={args.experiment}", *args.settings])
    if not config.get("energy") or build_energy(config["energy"]).log_z is None:
        raise ValueError(
            f"--experiment: got {args.experiment}, expected one of an energy whose ln Z is known, "
            "such as ising_l8"
        )
    chosen = rows_named(CANDIDATES, args.only)
    target: Reference | None = None
    common = [f"experiment={args.experiment}", *EQUAL, *args.settings]
    with tempfile.TemporaryDirectory() as folder:  # compiles what will be used, once
        train_alone([*common, "max_steps=2", "validation_every=2"], Path(folder) / "run")
    steps = {
        name: steps_in(args.seconds, [*common, *changes])
        for name, changes in progress(chosen.items(), "trials")
    }
    print(steps, file=sys.stderr, flush=True)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    tasks = [(name, seed) for seed in range(args.seeds) for name in chosen]
    for name, seed in progress(tasks, "trainings"):
        with tempfile.TemporaryDirectory() as folder:
            count = steps[name]
            changes = [*common, *chosen[name], f"seed={seed}", f"max_steps={count}"]
            train_alone([*changes, f"validation_every={count}"], Path(folder) / "run")
            path = Path(folder) / "run/checkpoints/best.ckpt"
            flow, energy = load_flow(path), build_energy(load_config(path)["energy"])
        if target is None:
            target = reference_samples(energy, chains=128, states=args.states // 128, seed=1)
        judged = judge(flow, energy, target, seed)
        results[name].append({"seed": seed, "steps": steps[name], "judged": judged})
        print(name, seed, steps[name], judged, file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    with one_line_errors():
        main()
