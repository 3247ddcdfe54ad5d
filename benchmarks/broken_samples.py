"""Share of broken samples of flows trained on MSDS, by temperature.

A sample counts as broken if more than three of its pixels are above 250 in all channels. Hardly an
ellipse is so bright. Beside it stands the share of cells that hold something else than an ellipse.

python benchmarks/broken_samples.py CHECKPOINT [...] [--samples 256] [--out broken_samples.json]
"""

from __future__ import annotations

import torch
from measure import print_table

from rgflow import load_flow
from rgflow.analysis import broken_samples
from rgflow.bijectors import to_image
from rgflow.data.ellipse_fit import measure_ellipses, unclear_share
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

TEMPERATURES = (1.0, 0.9, 0.8, 0.7)


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", help="checkpoints of the flows")
    parser.add_argument("--samples", type=int, default=256, help="samples at each temperature")
    parser.add_argument("--out", default="broken_samples.json")
    args = parser.parse_args()
    check_output(args.out)
    rows = []
    for path in args.checkpoints:
        flow, row = load_flow(path), {"checkpoint": path}
        for temperature in TEMPERATURES:
            torch.manual_seed(0)
            images = to_image(flow.sample(args.samples, temperature=temperature))
            row[str(temperature)] = float(broken_samples(images).float().mean())
            unclear = unclear_share(measure_ellipses(images))
            row[f"{temperature} unclear"] = float(unclear.mean())
        rows.append(row)
    print_table(rows)
    write_json(args.out, {"samples": args.samples, "rows": rows})


if __name__ == "__main__":
    with one_line_errors():
        main()
