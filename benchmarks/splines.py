"""Time of our rational-quadratic spline and of zuko's, forward and with the backward pass.

python benchmarks/splines.py [--out splines.json]     (needs: pip install zuko)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import interleaved_medians, machine, print_table
from torch import Tensor
from zuko.transforms import MonotonicRQSTransform

from rgflow.ops import FastSpline
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

BINS, BOUND = 8, 4.0
# 98,304 elements: a batch of 64, half of a 3 x 32 x 32 image
SHAPE = (64, 6, 16, 16)


def ours(x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    return FastSpline(BINS, BOUND).elementwise(x, parameters, inverse=False)


def theirs(x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    last = parameters.movedim(0, -1)
    widths, heights, slopes = last.split([BINS, BINS, BINS - 1], -1)
    return MonotonicRQSTransform(widths, heights, slopes, bound=BOUND).call_and_ladj(x)


def forward(transform: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[], None]:
    x, parameters = torch.randn(SHAPE), torch.randn(3 * BINS - 1, *SHAPE)

    def run() -> None:
        with torch.no_grad():
            transform(x, parameters)

    return run


def forward_and_backward(transform: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[], None]:
    x = torch.randn(SHAPE, requires_grad=True)
    parameters = torch.randn(3 * BINS - 1, *SHAPE, requires_grad=True)

    def run() -> None:
        y, log_slope = transform(x, parameters)
        (y.sum() + log_slope.sum()).backward()

    return run


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="splines.json")
    args = parser.parse_args()
    check_output(args.out)
    times = interleaved_medians(
        {
            f"{name}, {direction}": make(transform)
            for name, transform in (("ours", ours), ("zuko", theirs))
            for direction, make in (
                ("forward", forward),
                ("forward and backward", forward_and_backward),
            )
        },
        15,
    )
    rows = [{"spline of 98,304 elements, 8 bins": k, "ms": round(v, 1)} for k, v in times.items()]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
