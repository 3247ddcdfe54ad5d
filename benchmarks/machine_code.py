"""Time of a training step with machine code for nets and splines, and with torch operations.

NeuralRG's readme flow on the Ising dual (`energy_speed.py`), and the flows of the presets
`ising_l8`, `ising_l16` and `ising_l32` without their Fourier map; reverse KL, float32, in one run.

python benchmarks/machine_code.py [--out machine_code.json] [--rounds 10]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from energy_speed import BATCH, readme_flow, training_step
from measure import interleaved_medians, machine, print_table, square_product

from rgflow import Flow
from rgflow.energies import Ising
from rgflow.models import ConvLevels, CouplingKind, DenseTop, LatticeNet, Outside, conv_flow
from rgflow.runtime.allocator import keep_freed_memory
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

PLACES = (
    "rgflow.ops.rational_quadratic",
    "rgflow.ops.perceptron_numba",
    "rgflow.ops.coupling_chain_numba",
)


@contextmanager
def without_machine_code() -> Iterator[None]:
    """Inside, the same functions run in torch operations with their hand-written gradients."""
    with ExitStack() as stack:
        for place in PLACES:
            stack.enter_context(patch(f"{place}.machine_code", lambda *_: False))
        yield


def preset_flow(side: int) -> Flow:
    """The flow of the presets of the Ising model, without their Fourier map."""
    return conv_flow(
        side,
        channels=1,
        levels=ConvLevels(
            6,
            hidden=48,
            pairings=("checkerboard", "rows", "columns"),
            predict=False,
            mixing="pairs",
        ),
        net=LatticeNet(kernels=(3, 1, 1)),
        kind=CouplingKind("spline", bins=6),
        top=DenseTop(top_couplings=6, top_hidden=64),
        outside=Outside(prior="gaussian"),
    )


CASES: dict[str, tuple[int, int, Callable[[], Flow]]] = {
    "NeuralRG readme": (16, BATCH, lambda: readme_flow(16)),
    "NeuralRG readme, one trunk": (16, BATCH, lambda: readme_flow(16, one_trunk=True)),
    "ising_l8": (8, 128, lambda: preset_flow(8)),
    "ising_l16": (16, 128, lambda: preset_flow(16)),
    "ising_l32": (32, 64, lambda: preset_flow(32)),
}


def measure_case(name: str, rounds: int) -> dict[str, Any]:
    """Row of the table for one flow."""
    torch.manual_seed(0)
    side, batch, make = CASES[name]
    step = training_step(make(), Ising(side), batch)

    def plainly() -> None:
        with without_machine_code():
            step()

    step()
    plainly()
    functions = {"machine code": step, "plain": plainly, "yardstick": square_product()}
    times = interleaved_medians(functions, rounds)
    return {
        "flow": name,
        "batch": batch,
        "plain operations ms": round(times["plain"], 1),
        "machine code ms": round(times["machine code"], 1),
        "ratio": round(times["plain"] / times["machine code"], 2),
        "1024^3 product ms": round(times["yardstick"], 1),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="machine_code.json")
    parser.add_argument("--rounds", type=int, default=10, help="timings of each step")
    args = parser.parse_args()
    check_output(args.out)
    keep_freed_memory()  # as training does
    rows = [measure_case(name, args.rounds) for name in CASES]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
