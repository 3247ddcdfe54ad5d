"""Mix two samples or images by scale: latents of A at the levels >= h, of B below.

Images are cropped to their central squares, and encoded and decoded in float64. With --pairs, many
pairs of MSDS images are mixed at every level, and the factors of the results are measured.
"""

import argparse
import math
from pathlib import Path

import torch

from rgflow import Flow
from rgflow.analysis import encode_images, mix, mixing_strip
from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.checkpoint import load_flow
from rgflow.commands.mix_pairs import OPTIONS, add_pairs, mix_many
from rgflow.data.image_files import read_image
from rgflow.plotting.images import labelled_grid, sample_image, save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output, write_stdout
from rgflow.runtime.progress import progress_bars


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument(
        "--out", required=True, help="PNG file: A, B, the mix at level h, and at all others"
    )
    parser.add_argument(
        "--level",
        type=int,
        help="cut-off level h, needed without --pairs: 0 gives A, the number of levels gives B",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--seeds", type=int, nargs=2, metavar=("A", "B"), help="seeds of two samples"
    )
    source.add_argument("--images", nargs=2, metavar=("A", "B"), help="two image files")
    source.add_argument(
        "--pairs", type=int, metavar="N", help="number of pairs, which are mixed at all levels"
    )
    parser.add_argument(
        "--temperature", type=float, help="temperature of two samples, 1 if not given"
    )
    add_pairs(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_temperature(args)
        if args.pairs is not None:
            mix_many(args)
            return
        refuse_options(args, OPTIONS, "expected it only with --pairs")
        if args.level is None:
            parser.error("the following arguments are required: --level")
        draw(args)


@torch.no_grad()
def draw(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    if args.images:
        refuse_options(args, ["temperature"], "expected it only with --seeds")
    elif args.temperature is None:
        args.temperature = 1.0
    flow = load_flow(args.checkpoint, trust=trusted_modules(args))
    originals, z_a, z_b = encoded(flow, args) if args.images else sampled(flow, args)
    h = args.level
    trio = torch.cat([z_a, z_b, mix(flow, z_a, z_b, h)])
    strip = mixing_strip(flow, z_a, z_b).flatten(0, 1)
    others = [cut for cut in range(1, len(strip) - 1) if cut != h]  # h = 0 is A, the last one B
    pictures = sample_image(flow, flow.decode(torch.cat([trio, strip[others]])))
    rows, names, labels = [pictures[:3]], [f"cut-off h = {h}"], [["A", "B", "mix"]]
    if originals is not None:
        rows, names = [originals, *rows], ["originals", *names]
        labels = [["A", "B"], ["A, decoded", "B, decoded", "mix"]]
    if others:
        rows, names = [*rows, pictures[3:]], [*names, "other cut-offs"]
        labels.append([f"h = {cut}" for cut in others])
    what = "images" if args.images else f"samples at temperature {args.temperature:g}"
    title = f"{what}\nlatents of A at levels >= h, of B below"
    save_figure(labelled_grid(rows, names, labels, title), args.out)
    write_stdout(args.out)


def check_temperature(args: argparse.Namespace) -> None:
    if args.temperature is not None and not 0 <= args.temperature < math.inf:
        raise ValueError(f"--temperature: got {args.temperature:g}, expected a finite number >= 0")


def encoded(flow: Flow, args: argparse.Namespace) -> tuple[torch.Tensor, ...]:
    if not acts_on_pixels(flow.bijector):
        raise ValueError("--images: got a flow of fields, expected --seeds or a flow of images")
    channels, side, _ = flow.event_shape
    images = torch.stack([read_image(Path(path), side, channels) for path in args.images])
    # with the digits of float32, drawings unlike the training set would not come back
    return images, *encode_images(flow.double(), images).latents.split(1)


def sampled(flow: Flow, args: argparse.Namespace) -> tuple[torch.Tensor | None, ...]:
    generators = [torch.Generator().manual_seed(seed) for seed in args.seeds]
    return None, *(flow.prior.sample(1, args.temperature, generator) for generator in generators)
