"""CPU time of all receptive fields of a flow, against one reverse-mode derivative for each pixel.

Both give the same numbers, whose largest difference is shown. The derivatives are batched and run
in machine code where the flow has it.

python benchmarks/receptive_fields.py CHECKPOINT [...] [--points 2] [--out receptive_fields.json]
"""

from __future__ import annotations

import time

import torch
from measure import print_table
from torch import Tensor

from rgflow import Flow, load_flow
from rgflow.analysis import receptive_fields
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json
from rgflow.runtime.seeds import generator_for

BATCH = 64  # derivatives at a time


def by_reverse_mode(flow: Flow, n: int) -> Tensor:
    """The mean of ``sum_c |d x_c(s) / d z_l|`` over n points, ``(C, L, L, L, L)``."""
    channels, side, _ = flow.event_shape
    latents = channels * side * side
    total = torch.zeros(latents, side * side)
    for z in flow.prior.sample(n, 1.0, generator_for("receptive fields", 0)):
        for pixels in torch.arange(latents).split(BATCH):
            points = z.expand(len(pixels), *z.shape).clone().requires_grad_()
            x = flow.decode(points).flatten(1)
            (rows,) = torch.autograd.grad(x.gather(1, pixels[:, None]).sum(), points)
            total.index_add_(1, pixels % side**2, rows.flatten(1).abs().T)
    return (total / n).view(*flow.event_shape, side, side)


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of the flows")
    parser.add_argument("--points", type=int, default=2, help="points z, at least 2")
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="receptive_fields.json")
    args = parser.parse_args()
    check_output(args.out)
    torch.set_num_threads(args.threads)
    rows = []
    for path in args.checkpoints:
        flow = load_flow(path).requires_grad_(False)
        receptive_fields(flow, torch.tensor([[0, 0, 0]]), n=2)  # compiles what is needed
        warm_up = flow.prior.sample(BATCH).requires_grad_()
        torch.autograd.grad(flow.decode(warm_up).sum(), warm_up)
        ours, theirs = [], []
        for _ in range(args.rounds):  # the machine may be busy with something else
            start = time.process_time()
            fields = receptive_fields(flow, n=args.points)
            middle = time.process_time()
            exact = by_reverse_mode(flow, args.points)
            theirs.append((time.process_time() - middle) / args.points)
            ours.append((middle - start) / args.points)
        c, i, j = fields.latents.T
        rows.append(
            {
                "checkpoint": path,
                "latents": len(fields.latents),
                "seconds_a_point": min(ours),
                "reverse_mode": min(theirs),
                "ratio": min(theirs) / min(ours),
                "difference": float((fields.mean - exact[c, i, j]).abs().max() / exact.max()),
            }
        )
    print_table(rows)
    write_json(args.out, {"points": args.points, "threads": args.threads, "rows": rows})


if __name__ == "__main__":
    with one_line_errors():
        main()
