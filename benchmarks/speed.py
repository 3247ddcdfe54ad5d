"""Time of a training step over the time of its matrix products alone, measured in one run.

python benchmarks/speed.py [--out speed.json] [--rounds 20] [--only NAME ...] [--compile]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from measure import (
    interleaved_medians,
    machine,
    print_table,
    products_alone,
    square_product,
    training_step,
)

from rgflow import Flow
from rgflow.bijectors import dequantize
from rgflow.models import BlockNet, ConvLevels, Outside, block_flow, conv_flow
from rgflow.runtime.allocator import keep_freed_memory
from rgflow.runtime.command_line import Parser
from rgflow.runtime.config import build, compose_preset
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

PAPER_NET = BlockNet("residual", hidden=512, width=48, residual_blocks=4)
IMAGES = Outside(pixels=True)


def preset(name: str) -> tuple[Flow, int]:
    """The flow of a preset and its batch size."""
    config = compose_preset("config", [f"experiment={name}"])
    return build(config["flow"], "flow"), config["data"]["batch_size"]


# by name: function that makes the flow and its batch size, and number of rounds over --rounds
CASES: dict[str, tuple[Callable[[], tuple[Flow, int]], float]] = {
    "block small, L=32, batch 64": (lambda: preset("msds1_block_small"), 1.0),
    "block published, L=32, batch 8": (
        lambda: (block_flow(32, net=PAPER_NET, outside=IMAGES), 8),
        0.25,
    ),
    "conv default, L=32, batch 64": (
        lambda: (conv_flow(32, outside=IMAGES), 64),
        0.5,
    ),
    **{
        f"conv fixed width, L={side}, batch 16": (
            lambda side=side: (
                conv_flow(side, levels=ConvLevels(6, hidden=32), outside=IMAGES),
                16,
            ),
            0.25 if side > 64 else 1.0,
        )
        for side in (16, 32, 64, 128)
    },
}


def measure_case(name: str, rounds: int, compiled: bool) -> dict[str, Any]:
    """Row of the table for one flow."""
    make, share = CASES[name]
    torch.manual_seed(0)
    flow, batch = make()
    shape = (batch, *flow.event_shape)
    x = dequantize(torch.randint(256, shape, dtype=torch.uint8))
    step = training_step(flow, x)
    step()
    products = products_alone(step)
    if compiled:
        flow.compile()
        step()
    times = interleaved_medians(
        {"step": step, "products": products, "yardstick": square_product()},
        max(3, int(rounds * share)),
    )
    return {
        "model": name + (", compiled" if compiled else ""),
        "parameters": sum(p.numel() for p in flow.parameters()),
        "step ms": round(times["step"], 1),
        "its products ms": round(times["products"], 1),
        "ratio": round(times["step"] / times["products"], 2),
        "1024^3 product ms": round(times["yardstick"], 1),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="speed.json")
    parser.add_argument("--rounds", type=int, default=20, help="timings of each step")
    parser.add_argument("--only", nargs="*", help="texts; only flows whose name contains one")
    parser.add_argument(
        "--compile", action="store_true", help="compile the flows by torch.compile"
    )
    args = parser.parse_args()
    check_output(args.out)
    keep_freed_memory()  # as training does
    names = [n for n in CASES if not args.only or any(o in n for o in args.only)]
    rows = [measure_case(name, args.rounds, args.compile) for name in names]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
