"""Draw the pictures of samples in benchmarks/README.md: samples, and pairs mixed by scale.

python benchmarks/pictures.py CHECKPOINT --out FILE.png
"""

from __future__ import annotations

import torch

from rgflow import load_flow
from rgflow.analysis import mixing_strip
from rgflow.bijectors import to_image
from rgflow.plotting.images import labelled_grid, save_figure
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output


@torch.no_grad()
def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of a flow of images")
    parser.add_argument("--out", required=True, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples")
    args = parser.parse_args()
    check_output(args.out, ".png")
    flow = load_flow(args.checkpoint)
    generator = torch.Generator().manual_seed(args.seed)
    columns = flow.hierarchy.levels + 1
    rows = [to_image(flow.sample(columns, 1.0, generator)) for _ in range(2)]
    names = ["samples", "samples"]
    for pair in range(2):
        z_a, z_b = flow.prior.sample(2, generator=generator).split(1)
        rows.append(to_image(flow.decode(mixing_strip(flow, z_a, z_b).flatten(0, 1))))
        names.append(f"mixing, pair {pair + 1}")
    cutoffs = ["cut-off h = 0 (A)", *(f"h = {h}" for h in range(1, columns - 1))]
    titles = [*cutoffs, f"h = {columns - 1} (B)"]
    figure = labelled_grid(rows, names, [[], [], titles, []], "latents at temperature 1")
    save_figure(figure, args.out)


if __name__ == "__main__":
    main()
