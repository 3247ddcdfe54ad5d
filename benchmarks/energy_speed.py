"""Time and memory of a training step on the Ising dual, against the lattice side.

The flow is that of NeuralRG's readme (arXiv:1802.02840): blocks of side 2, ten couplings in each
block layer, conditioners with three hidden layers of width 10 (tanh and elu), trained by reverse
KL without symmetrisation, in float32. Scale and shift have separate networks, as in NeuralRG. At
L = 16 our flow has 43,520 parameters. NeuralRG's has 50,560, which include those of masked inputs
and outputs, which have no effect, and 160 factors of the scales. With --width 11 ours has 51,360.
--one-trunk takes one network with two heads for scale and shift (23,520 parameters).

python benchmarks/energy_speed.py [--out energy_speed.json] [--sides 8 16 ...] [--width 10]
    [--one-trunk]
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import (
    interleaved_medians,
    machine,
    peak_memory_mib,
    print_table,
    square_product,
)

from rgflow import Flow
from rgflow.energies import Ising
from rgflow.models import BlockLevels, BlockNet, Outside, block_flow
from rgflow.objectives import reverse_kl
from rgflow.runtime.allocator import keep_freed_memory
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

BATCH = 512


def readme_flow(side: int, width: int = 10, one_trunk: bool = False) -> Flow:
    """The architecture of NeuralRG's readme, with couplings on compact halves."""
    return block_flow(
        side,
        channels=1,
        levels=BlockLevels(2, 10),
        net=BlockNet(
            "mlp",
            hidden=(width, width, width),
            nonlinearity=("tanh", "elu", "tanh"),
            separate_heads=not one_trunk,
        ),
        outside=Outside(prior="gaussian"),
    )


def training_step(flow: Flow, energy: Ising, batch: int) -> Callable[[], None]:
    """A training step: reverse KL, gradient, clipping and AdamW."""
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        reverse_kl(flow, energy, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()

    return step


def two_steps(side: int, batch: int, width: int, one_trunk: bool) -> None:
    """The work whose peak memory is measured."""
    step = training_step(readme_flow(side, width, one_trunk), Ising(side), batch)
    step()
    step()


def measure_side(
    side: int, batch: int, width: int, one_trunk: bool, rounds: int
) -> dict[str, float]:
    """Row of the table for one lattice side."""
    torch.manual_seed(0)
    flow = readme_flow(side, width, one_trunk)
    step = training_step(flow, Ising(side), batch)
    step()
    times = interleaved_medians({"step": step, "yardstick": square_product()}, rounds)
    peak = peak_memory_mib(two_steps, side, batch, width, one_trunk)
    return {
        "L": side,
        "batch": batch,
        "parameters": sum(p.numel() for p in flow.parameters()),
        "step ms": round(times["step"], 1),
        "us per site and sample": round(1e3 * times["step"] / side**2 / batch, 3),
        "peak MiB of the process": round(peak),
        "1024^3 product ms": round(times["yardstick"], 1),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="energy_speed.json")
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="batch size up to L=32; a sixteenth of it above"
    )
    parser.add_argument("--width", type=int, default=10, help="width of the hidden layers")
    parser.add_argument(
        "--one-trunk", action="store_true", help="one network with two heads for scale and shift"
    )
    parser.add_argument("--rounds", type=int, default=10, help="timings of each step")
    args = parser.parse_args()
    check_output(args.out)
    keep_freed_memory()  # as training does
    rows = [
        measure_side(
            side,
            args.batch if side <= 32 else args.batch // 16,
            args.width,
            args.one_trunk,
            args.rounds,
        )
        for side in args.sides
    ]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
