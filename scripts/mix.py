"""Mix two samples or images by scale: latents of A at the levels >= h, of B below."""

import argparse
import math
from pathlib import Path

import torch

from rgflow import Flow
from rgflow.analysis import mix, mixing_strip
from rgflow.bijectors.pixels import acts_on_pixels, dequantize
from rgflow.checkpoint import load_flow
from rgflow.data.image_files import read_image
from rgflow.plotting.images import labelled_grid, sample_image, save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="PNG file: A, B, mix and all cut-off levels")
    parser.add_argument("--level", type=int, required=True, help="level h; 0 gives A")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--seeds", type=int, nargs=2, metavar=("A", "B"), help="seeds of two samples"
    )
    source.add_argument("--images", nargs=2, metavar=("A", "B"), help="two image files")
    parser.add_argument("--temperature", type=float, help="temperature of two samples, default 1")
    add_trust(parser)
    with one_line_errors():
        draw(parser.parse_args())


@torch.no_grad()
def draw(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    if args.images:
        refuse_options(args, ["temperature"], "expected it only with --seeds")
    elif args.temperature is None:
        args.temperature = 1.0
    elif not 0 <= args.temperature < math.inf:
        raise ValueError(f"--temperature: got {args.temperature:g}, expected a finite number >= 0")
    flow = load_flow(args.checkpoint, trust=trusted_modules(args))
    z_a, z_b = latents(flow, args)
    h = args.level
    trio = torch.cat([z_a, z_b, mix(flow, z_a, z_b, h)])
    strip = mixing_strip(flow, z_a, z_b).flatten(0, 1)
    levels = [f"h = {level}" for level in range(len(strip))]
    pictures = sample_image(flow, flow.decode(torch.cat([trio, strip])))
    figure = labelled_grid(
        [pictures[:3], pictures[3:]],
        row_labels=[f"mixed at h = {h}", "all cut-offs h"],
        image_labels=[["A", "B", "mix"], levels],
        title="latents of A at levels >= h, of B below",
    )
    save_figure(figure, args.out)


def latents(flow: Flow, args: argparse.Namespace) -> list[torch.Tensor]:
    if args.images:
        if not acts_on_pixels(flow.bijector):
            raise ValueError(
                "--images: got a flow of fields, expected --seeds or a flow of images"
            )
        channels, side, _ = flow.event_shape
        images = [read_image(Path(path), side, channels)[None] for path in args.images]
        noisy = [dequantize(x, torch.Generator().manual_seed(0)) for x in images]
        weight = next(flow.parameters())  # the images take the precision of the weights
        return [flow.encode(x.to(weight)) for x in noisy]
    generators = [torch.Generator().manual_seed(seed) for seed in args.seeds]
    return [flow.prior.sample(1, args.temperature, generator) for generator in generators]


if __name__ == "__main__":
    main()
