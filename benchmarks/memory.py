"""Peak memory of a training step by memory mode and depth, each in a process of its own.

python benchmarks/memory.py [--out memory.json]
"""

from __future__ import annotations

import itertools

import torch
from measure import machine, peak_memory_mib, print_table, training_step

from rgflow.bijectors import dequantize
from rgflow.models import BlockNet, ConvLevels, Outside, block_flow, conv_flow
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json


def train_conv(couplings: int, memory: str) -> None:
    """Train a conv flow for two steps; 0 couplings build the smallest flow and take no step."""
    flow = conv_flow(
        32,
        levels=ConvLevels(max(couplings, 1), hidden=64),
        outside=Outside(pixels=True),
        memory=memory,
    )
    x = dequantize(torch.randint(256, (128, 3, 32, 32), dtype=torch.uint8))
    step = training_step(flow, x)
    for _ in range(2 if couplings else 0):
        step()


def train_published(memory: str) -> None:
    """Train the published block configuration for two steps, with a batch of 8."""
    flow = block_flow(
        32,
        net=BlockNet(hidden=512, width=48, residual_blocks=4),
        outside=Outside(pixels=True),
        memory=memory,
    )
    x = dequantize(torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8))
    step = training_step(flow, x)
    for _ in range(2):
        step()


def growth(values: list[float]) -> str:
    """Relative growth from each value to the next, in percent."""
    return ", ".join(f"{100 * (b / a - 1):+.1f}%" for a, b in itertools.pairwise(values))


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="memory.json")
    args = parser.parse_args()
    check_output(args.out)
    idle = peak_memory_mib(train_conv, 0, "store")
    rows = []
    for memory in ("store", "recompute", "rebuild"):
        peaks = [peak_memory_mib(train_conv, n, memory) for n in (6, 12, 24)]
        rows.append(
            {
                "model": "conv, L=32, batch 128",
                "memory": memory,
                "MiB at 6, 12, 24 couplings": ", ".join(f"{p:.0f}" for p in peaks),
                "of which above the idle process": ", ".join(f"{p - idle:.0f}" for p in peaks),
                "growth of the peak": growth(peaks),
                "growth above the idle process": growth([p - idle for p in peaks]),
            }
        )
    for memory in ("store", "rebuild"):
        peak = peak_memory_mib(train_published, memory)
        rows.append(
            {
                "model": "block published, L=32, batch 8",
                "memory": memory,
                "MiB at 6, 12, 24 couplings": f"{peak:.0f}",
                "of which above the idle process": f"{peak - idle:.0f}",
                "growth of the peak": "",
                "growth above the idle process": "",
            }
        )
    print_table(rows)
    write_json(args.out, {"machine": machine(), "idle_mib": round(idle), "rows": rows})


if __name__ == "__main__":
    main()
