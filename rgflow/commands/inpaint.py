"""Restore unknown pixels: rgflow-inpaint CHECKPOINT --test 6 --mask 12,12,8,8 --out FILE.png

Three ways, which --method chooses: redraw the latents of the mask's inference cone from the prior,
search the most probable completion, or sample from the law of the unknown pixels given the known
ones by HMC. The known pixels are kept in all of them.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rgflow import Flow
from rgflow.analysis.inpaint import METHODS, Effort, Inpainted, inpaint
from rgflow.bijectors.pixels import SHADES, acts_on_pixels, bits_per_dim, to_image
from rgflow.checkpoint import load_config, load_flow
from rgflow.data.image_files import read_image
from rgflow.plotting.images import sample_image, save_figure
from rgflow.plotting.restoration import restoration_figure
from rgflow.runtime.command_line import (
    Parser,
    add_trust,
    one_line_errors,
    trusted_modules,
)
from rgflow.runtime.config import build, with_trusted
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
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--temperature", type=float, default=1.0, help="of the prior's latents")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        help="search and sample in the latents, and hold known pixels to so many shades; without "
        "it they are held exactly",
    )
    effort = Effort()
    for name, what in (
        ("starts", "starts of the search for each image"),
        ("search", "steps of the search"),
        ("warmup", "trajectories of HMC in which its step size is tuned"),
        ("trajectories", "trajectories of HMC after that"),
    ):
        default = getattr(effort, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what}, {default}")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness")
    parser.add_argument("--device", default="cpu")
    add_json(parser)
    add_trust(parser)
    with one_line_errors(), progress_bars():
        args = parser.parse_args()
        check_output(args.out, ".png")
        check_json(args)
        write_report(args, restored(args), table)


def restored(args: argparse.Namespace) -> dict[str, Any]:
    if not 0 <= args.temperature < math.inf:
        raise ValueError(f"--temperature: got {args.temperature:g}, expected a finite number >= 0")
    trust = trusted_modules(args)
    flow = load_flow(args.checkpoint, args.device, trust)
    unknown = read_mask(args.mask, flow.event_shape[-1])
    x = originals(flow, args, trust)
    effort = Effort(args.starts, args.search, warmup=args.warmup, trajectories=args.trajectories)
    report, pictures = {}, {}
    for method in args.method:
        begin = time.perf_counter()
        found = inpaint(
            flow,
            x,
            ~unknown,
            method,
            temperature=args.temperature,
            tolerance=0.0 if method == "prior" else args.tolerance,
            effort=effort,
            seed=args.seed,
        )
        seconds = time.perf_counter() - begin
        report[method] = numbers(flow, found, x, unknown) | {"seconds": round(seconds, 2)}
        pictures[method] = sample_image(flow, found.images).cpu()
    shown = x.cpu() if x.dtype == torch.uint8 else sample_image(flow, x).cpu()
    one = report[args.method[0]]
    title = f"{one['latents_touched']} of {one['latents_in_all']} latent sites may change"
    save_figure(restoration_figure(shown, unknown, pictures, title), args.out)
    return report


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
    count = args.test if args.samples is None else args.samples
    if count is not None and count < 1:
        raise ValueError(f"got {count} images, expected at least 1")
    is_image = acts_on_pixels(flow.bijector)
    if args.samples is not None:
        generator = torch.Generator(args.device).manual_seed(args.seed)
        with torch.no_grad():
            x = flow.sample(count, generator=generator)
        return to_image(x) if is_image else x
    if not is_image:
        raise ValueError("got a flow of fields, expected --samples")
    channels, side, _ = flow.event_shape
    if args.images:
        return torch.stack([read_image(Path(path), side, channels) for path in args.images])
    node = load_config(args.checkpoint).get("data") or {}
    if "_target_" not in node:
        raise ValueError(f"{args.checkpoint}: got a config without data, expected --images")
    data = build(node, "data", within=with_trusted(["rgflow.data"], trust))
    data.prepare_data()
    data.setup("test")
    return data.images("test")[:count]


def numbers(flow: Flow, found: Inpainted, x: Tensor, unknown: Tensor) -> dict[str, Any]:
    """A report in plain numbers: errors in shades for images, otherwise in the field's units."""
    images, given = found.images.cpu(), x.cpu()
    if given.dtype == torch.uint8:
        images, given = to_image(images).double(), given.double()
    inside = (images - given)[..., unknown].square().mean().sqrt()
    report = {
        "error_inside": float(inside),
        "known_pixels_moved": float(found.moved.square().mean().sqrt()),
        "tolerance": found.tolerance,
        "log_prob": found.log_prob.tolist(),
        "latents_touched": found.latents_touched,
        "latents_in_all": found.latents.numel(),
        "blocks": found.blocks,
        "blocks_in_all": found.all_blocks,
        "evaluations": found.evaluations,
        "acceptance": found.acceptance,
        "step_size": found.step_size,
    }
    if acts_on_pixels(flow.bijector):
        bits = bits_per_dim(found.log_prob, flow.event_shape).mean()
        report["bits_per_dim"] = float(bits)
    return report


def table(report: dict[str, Any]) -> str:
    """The report for a reader."""
    names = ("error_inside", "known_pixels_moved", "latents_touched", "blocks", "blocks_in_all")
    names += ("evaluations", "acceptance", "seconds")
    lines = ["method".ljust(20) + "".join(method.rjust(12) for method in report)]
    for name in names:
        cells = (_cell(part[name]).rjust(12) for part in report.values())
        lines.append(name.replace("_", " ").ljust(20) + "".join(cells))
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3g}"
