"""Restore unknown pixels: rgflow-inpaint CHECKPOINT --test 6 --mask 12,12,8,8 --out FILE.png

Three ways, which --method chooses: redraw the latents of the mask's inference cone from the prior,
search the most probable completion, or sample from the law of the unknown pixels given the known
ones by HMC. The known pixels are kept in all of them.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rgflow import Flow
from rgflow.analysis.inpaint import METHODS, Effort
from rgflow.bijectors.pixels import SHADES, acts_on_pixels, to_image
from rgflow.checkpoint import load_config, load_flow
from rgflow.commands.data_root import add_data_root, data_node
from rgflow.data.image_files import read_image
from rgflow.evaluation.images import split_images
from rgflow.evaluation.restoration import restoration_text, restore
from rgflow.plotting.images import save_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    refuse_options,
    trusted_modules,
)
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import add_json, check_json, write_report
from rgflow.runtime.progress import progress_bars


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="PNG file: originals, known, restored")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", nargs="+", metavar="FILE", help="image files, cropped square")
    source.add_argument("--test", type=int, metavar="N", help="N images of the data's test set")
    source.add_argument("--samples", type=int, metavar="N", help="N samples of the flow itself")
    parser.add_argument(
        "--mask",
        required=True,
        help="what is unknown: left,top,width,height in pixels, or a PNG file of the flow's side "
        "in which the unknown pixels are white",
    )
    parser.add_argument(
        "--method",
        nargs="+",
        choices=METHODS,
        default=list(METHODS),
        help="latents redrawn from the prior, the most probable completion (mode), samples of the "
        "unknown pixels given the known ones (posterior)",
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="temperature of redrawn latents"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        help="search and sample in the latents, and hold known pixels to so many shades; without "
        "it they are held exactly",
    )
    effort = Effort()
    for name, what in (
        ("starts", "starts of the search for the most probable completion"),
        ("search", "steps of the search"),
        ("draws", "redrawn completions, the best of which HMC starts near"),
        ("warmup", "trajectories of HMC in which its step size is tuned"),
        ("trajectories", "trajectories of HMC after that"),
    ):
        default = getattr(effort, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=what)
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_data_root(parser)
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_output(args.out, ".png")
        check_json(args)
        write_report(args, restored(args), restoration_text)


def restored(args: argparse.Namespace) -> dict[str, Any]:
    if not 0 <= args.temperature < math.inf:
        raise ValueError(f"--temperature: got {args.temperature:g}, expected a finite number >= 0")
    if args.tolerance and args.method == ["prior"]:
        raise ValueError(
            f"--tolerance: got {args.tolerance:g} with --method prior, which holds no pixels; "
            "expected none"
        )
    if args.test is None:
        refuse_options(args, ("data_root",), "expected --test with it")
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, args.device, trust)
    unknown = read_mask(args.mask, flow.event_shape[-1])
    x = originals(flow, args, trust)
    names = ("starts", "search", "draws", "warmup", "trajectories")
    effort = Effort(**{name: getattr(args, name) for name in names})
    found = restore(
        flow,
        x,
        unknown,
        args.method,
        temperature=args.temperature,
        tolerance=args.tolerance,
        effort=effort,
        seed=args.seed,
    )
    save_figure(found.figure(), args.out)
    return found.report


def read_mask(given: str, side: int) -> Tensor:
    """The unknown pixels, ``(L, L)`` bool, from four numbers or an image file.

    Raises:
        ValueError: If the numbers do not lie inside the picture, or the file has another side.
        FileNotFoundError: If there is no such file.
    """
    parts = given.split(",")
    mask = torch.zeros(side, side, dtype=torch.bool)
    if len(parts) == 4 and all(part.strip().isdigit() for part in parts):
        left, top, width, height = map(int, parts)
        if not (width and height and left + width <= side and top + height <= side):
            raise ValueError(f"--mask: got {given}, expected a rectangle inside {side} x {side}")
        mask[top : top + height, left : left + width] = True
        return mask
    if not Path(given).is_file():
        raise FileNotFoundError(
            f"--mask: got {given}, expected left,top,width,height or an image file that is there"
        )
    from PIL import Image

    with Image.open(given) as picture:
        if picture.size != (side, side):
            got = " x ".join(map(str, picture.size))
            raise ValueError(f"--mask: got a picture of {got}, expected {side} x {side} pixels")
        shades = torch.frombuffer(bytearray(picture.convert("L").tobytes()), dtype=torch.uint8)
    return (shades >= SHADES // 2).view(side, side)


def originals(flow: Flow, args: argparse.Namespace, trust: list[str]) -> Tensor:
    """What is restored: uint8 images, or fields."""
    name = "test" if args.samples is None else "samples"
    count = getattr(args, name)
    if count is not None and count < 1:
        raise ValueError(f"--{name}: got {count}, expected at least 1")
    is_image = acts_on_pixels(flow.bijector)
    if args.samples is not None:
        generator = torch.Generator(args.device).manual_seed(args.seed)
        with torch.no_grad():
            x = flow.sample(count, generator=generator)
        return to_image(x) if is_image else x
    if not is_image:
        option = "--images" if args.images else "--test"
        raise ValueError(f"{option}: got a flow of fields, expected --samples")
    channels, side, _ = flow.event_shape
    if args.images:
        return torch.stack([read_image(Path(path), side, channels) for path in args.images])
    node = data_node(args, load_config(args.checkpoint))
    if "_target_" not in node:
        raise ValueError(f"{args.checkpoint}: got a config without data, expected --images")
    images = split_images(node, "test", limit=count, trust=trust)
    if len(images) < count:
        raise ValueError(f"--test: got {count}, expected at most {len(images)}, all test images")
    return images
