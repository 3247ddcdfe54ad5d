"""Write images of MSDS1 or MSDS2, uint8 (N, 3, L, L), and their labels (N, cells, 6) to a file."""

from pathlib import Path

import numpy as np

from rgflow.data import generate_msds
from rgflow.plotting.grids import Panel, grid_figure
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.files import check_output, write_atomically, write_stdout


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "kind",
        type=int,
        choices=(1, 2),
        help="1: one colour per image, 2: one angle",
    )
    parser.add_argument("--count", type=int, default=10_000, help="number of images")
    parser.add_argument("--side", type=int, default=32, help="side in pixels, a multiple of 8")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    parser.add_argument("--split", default="train", help="train, validation or test")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--preview", type=Path, help="a .png file with the first 64 images")
    with one_line_errors():
        arguments = parser.parse_args()
        check_output(arguments.out, ".npz")
        check_output(arguments.preview, ".png")
        images, labels = generate_msds(
            arguments.kind, arguments.count, arguments.side, arguments.seed, arguments.split
        )
        arrays = {"images": images.numpy(), "labels": labels.numpy()}
        write_atomically(arguments.out, lambda file: np.savez_compressed(file, **arrays))
        if arguments.preview is not None:
            shown = images[:64]
            what = f"the first {len(shown)} of {len(images)} images of MSDS{arguments.kind}"
            what += f", {arguments.split}, seed {arguments.seed}"
            save_figure(grid_figure([Panel(what, shown)], columns=8), arguments.preview)
        side = arguments.side
        write_stdout(f"{len(images)} images of {side}x{side} in {arguments.out}")
