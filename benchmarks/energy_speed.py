"""Time and memory of a training step on the Ising dual, against the lattice side.

The flow is that of NeuralRG's readme (arXiv:1802.02840): blocks of side 2, ten couplings in each
block layer, conditioners with three hidden layers of width 10 (tanh and elu), trained by reverse
KL without symmetrisation, in float32. A conditioner is one trunk with two heads where theirs is
two nets (50,560 parameters at L = 16): as wide it has 23,520, with --width 16 it has 52,800.

python benchmarks/energy_speed.py [--out energy_speed.json] [--sides 8 16 ...] [--width 10]
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import (
    interleaved_medians,
    machine,
    peak_memory_mib,
    print_table,
    products_alone,
    square_product,
)

from rgflow import Flow
from rgflow.cli import Parser
from rgflow.energies import Ising
from rgflow.json_text import write_json
from rgflow.models import block_flow
from rgflow.objectives import reverse_kl
from rgflow.training.allocator import keep_freed_memory

BATCH = 512


def readme_flow(side: int, width: int = 10) -> Flow:
    """NeuralRG's architecture, with one trunk in place of its two networks."""
    return block_flow(
        side,
        channels=1,
        block=2,
        couplings=10,
        conditioner="mlp",
        hidden=(width, width, width),
        nonlinearity=("tanh", "elu", "tanh"),
        prior="gaussian",
    )


def training_step(flow: Flow, energy: Ising, batch: int) -> Callable[[], None]:
    """Reverse KL, gradient, clipping and AdamW."""
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        reverse_kl(flow, energy, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()

    return step


def two_steps(side: int, batch: int, width: int) -> None:
    """What the peak of memory is measured on."""
    step = training_step(readme_flow(side, width), Ising(side), batch)
    step()
    step()


def measure(side: int, batch: int, width: int, rounds: int) -> dict[str, float]:
    """One row of the table."""
    torch.manual_seed(0)
    flow = readme_flow(side, width)
    step = training_step(flow, Ising(side), batch)
    step()
    functions = {"step": step, "products": products_alone(step), "yardstick": square_product()}
    times = interleaved_medians(functions, rounds)
    return {
        "L": side,
        "batch": batch,
        "parameters": sum(p.numel() for p in flow.parameters()),
        "step ms": round(times["step"], 1),
        "its products ms": round(times["products"], 1),
        "us per site and sample": round(1e3 * times["step"] / side**2 / batch, 3),
        "peak MiB of the process": round(peak_memory_mib(two_steps, side, batch, width)),
        "1024^3 product ms": round(times["yardstick"], 1),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="energy_speed.json")
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--batch", type=int, default=BATCH, help="above L=32: a sixteenth of it")
    parser.add_argument("--width", type=int, default=10, help="of the hidden layers")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    keep_freed_memory()  # as training does
    rows = [
        measure(side, args.batch if side <= 32 else args.batch // 16, args.width, args.rounds)
        for side in args.sides
    ]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
