"""Walk through the latents of a trained flow: along one latent, random directions within a level,
or the level's principal directions, to which the pixels respond most.

Without --direction the principal directions are shown, without --level those of every level. The
columns are the steps, v = 0 is the sample itself. One step is one unit along one latent or along a
principal direction; along a random direction every latent of the level moves by one standard
deviation on average. Rows are directions, or samples for a single latent.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from rgflow.analysis import encode_images
from rgflow.analysis.generation_layers import level_of_latents
from rgflow.analysis.walk import latent_direction, walk
from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.checkpoint import load_flow
from rgflow.data.image_files import read_image
from rgflow.evaluation.walks import Walk, principal_walks, random_walks, walk_figure
from rgflow.flow import Flow
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output, write_stdout
from rgflow.runtime.progress import progress, progress_bars

MOST_STEPS = 101
VALUES = {"latent": "-3:3:7", "principal": "-3:3:7", "random": "-1:1:7"}


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="PNG file for the grids")
    parser.add_argument("--level", type=int, help="level h, all levels if not given")
    parser.add_argument(
        "--direction",
        default="principal",
        metavar="principal|random|latent:C,Y,X",
        help="principal directions, random ones, or the latent of channel C at row Y, column X",
    )
    parser.add_argument(
        "--values",
        help="steps: first:last:number, or a list such as -1,0,1; -3:3:7 if not given, and "
        "-1:1:7 for random directions",
    )
    parser.add_argument("--rows", type=int, default=4, help="directions of a level, or samples")
    parser.add_argument("--points", type=int, default=16, help="points of principal directions")
    parser.add_argument(
        "--points-temperature",
        type=float,
        default=0.8,
        help="temperature of these points; at 1 single ones with huge responses may decide alone",
    )
    parser.add_argument(
        "--temperature", type=float, help="temperature of the sample, 1 if not given"
    )
    parser.add_argument("--image", help="image file to start from in place of a sample")
    parser.add_argument("--seed", type=int, default=0, help="seed of samples and directions")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_trust(parser)
    with one_line_errors(), progress_bars():
        draw(parser.parse_args(joined(sys.argv[1:])))


def joined(arguments: Sequence[str]) -> list[str]:
    """``--values -3:3:7`` as ``--values=-3:3:7``: steps that start with a minus are no option."""
    result = []
    for argument in arguments:
        if result and result[-1] == "--values":
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result


def draw(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    for name, least in (("rows", 1), ("points", 2)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name}: got {getattr(args, name)}, expected at least {least}")
    for name in ("temperature", "points_temperature"):
        factor = getattr(args, name)
        if factor is not None and not 0 <= factor < math.inf:
            raise ValueError(f"{name}: got {factor:g}, expected a finite number >= 0")
    kind, _, place = args.direction.partition(":")
    if kind not in VALUES or bool(place) != (kind == "latent"):
        raise ValueError(
            f"--direction: got {args.direction}, expected principal, random or latent:C,Y,X"
        )
    values = steps(args.values or VALUES[kind])
    flow = load_flow(args.checkpoint, args.device, trusted_modules(args))
    flow.requires_grad_(False)
    z = starts(flow, args, args.rows if kind == "latent" and args.image is None else 1)
    if kind == "latent":
        walks = list(along_latent(flow, args, z, place, values))
    else:
        walks = list(along_directions(flow, args, z, kind, values))
    start = args.image or f"sample of seed {args.seed} at temperature {args.temperature:g}"
    title = f"{args.direction}, start: {start}"
    save_figure(walk_figure(flow, walks, values, title), args.out)
    write_stdout(args.out)


def along_latent(
    flow: Flow, args: argparse.Namespace, z: Tensor, place: str, values: Sequence[float]
) -> Iterator[Walk]:
    try:
        latent = [int(part) for part in place.split(",")]
    except ValueError:
        latent = []
    if len(latent) != 3:
        raise ValueError(f"--direction: got latent:{place}, expected latent:C,Y,X")
    try:
        direction = latent_direction(flow, latent)
    except ValueError as error:
        raise ValueError(f"--direction: got latent:{place}; {error}") from error
    level = int(level_of_latents(flow)[latent[1], latent[2]])
    if args.level not in (None, level):
        raise ValueError(f"--level: got {args.level}, expected {level}, that of latent:{place}")
    for i, row in enumerate(walk(flow, z, direction, values).transpose(0, 1)):
        yield Walk(f"level {level}\nsample {i + 1}", row)


def along_directions(
    flow: Flow, args: argparse.Namespace, z: Tensor, kind: str, values: Sequence[float]
) -> Iterator[Walk]:
    count = int(level_of_latents(flow).max()) + 1
    for h in progress(range(count) if args.level is None else [args.level], "levels"):
        if kind == "random":
            yield from random_walks(flow, z, h, args.rows, values, args.seed)
        else:
            options = {"points": args.points, "temperature": args.points_temperature}
            yield from principal_walks(flow, z, h, args.rows, values, seed=args.seed, **options)


def starts(flow: Flow, args: argparse.Namespace, count: int) -> Tensor:
    """The latents at v = 0."""
    if args.image is not None:
        refuse_options(args, ["temperature"], "expected it only without --image")
        if not acts_on_pixels(flow.bijector):
            raise ValueError("--image: got a flow of fields, expected a flow of images")
        channels, side, _ = flow.event_shape
        return encode_images(flow, read_image(Path(args.image), side, channels)[None]).latents
    args.temperature = 1.0 if args.temperature is None else args.temperature
    generator = torch.Generator(args.device).manual_seed(args.seed)
    return flow.prior.sample(count, args.temperature, generator)


def steps(text: str) -> list[float]:
    """The numbers of ``first:last:number`` or of a list with commas."""
    try:
        if ":" in text:
            first, last, number = text.split(":")
            values = torch.linspace(
                float(first), float(last), int(number), dtype=torch.float64
            ).tolist()
        else:
            values = [float(part) for part in text.split(",")]
    except (ValueError, RuntimeError):
        values = []
    if not 1 <= len(values) <= MOST_STEPS or not all(map(math.isfinite, values)):
        raise ValueError(
            f"--values: got {text}, expected first:last:number or a list such as -1,0,1 with at "
            f"most {MOST_STEPS} finite numbers"
        )
    return values
