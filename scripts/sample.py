"""Draw samples of a trained flow: python scripts/sample.py CHECKPOINT --out FILE.png.

Images as they are; fields in colours, blue below zero and red above.
"""

import argparse
import math

import numpy as np
import torch

from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.checkpoint import load_flow
from rgflow.plotting.images import sample_image, save_image, tile
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output, write_atomically

LARGEST = 4096  # pixels, beyond which small samples are not enlarged


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--out", required=True, help="PNG file of the grid")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument(
        "--temperature",
        type=float,
        nargs="+",
        default=[1.0],
        help="one factor on the prior's standard deviation, or one per level, fine to coarse",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--npz",
        help="also write arrays here: images, uint8 (count, C, L, L); of a flow of fields the "
        "fields and their log_prob (count,) in nats, at that temperature",
    )
    parser.add_argument("--device", default="cpu")
    add_trust(parser)
    with one_line_errors():
        draw(parser.parse_args())


@torch.no_grad()
def draw(args: argparse.Namespace) -> None:
    check_output(args.out, ".png")
    check_output(args.npz, ".npz")
    if args.count < 1:
        raise ValueError(f"--count: got {args.count}, expected at least 1")
    wrong = [t for t in args.temperature if not 0 <= t < math.inf]
    if wrong:
        raise ValueError(f"--temperature: got {wrong[0]:g}, expected finite numbers >= 0")
    flow = load_flow(args.checkpoint, args.device, trusted_modules(args))
    generator = torch.Generator(args.device).manual_seed(args.seed)
    temperature = args.temperature[0] if len(args.temperature) == 1 else args.temperature
    # in parts, so that memory does not grow with the count
    parts = [min(256, args.count - start) for start in range(0, args.count, 256)]
    log_prob = None
    if args.npz and not acts_on_pixels(flow.bijector):
        drawn = [flow.sample_and_log_prob(n, temperature, generator) for n in parts]
        x, log_prob = (torch.cat(values).cpu() for values in zip(*drawn, strict=True))
    else:
        x = torch.cat([flow.sample(n, temperature, generator) for n in parts]).cpu()
    pictures = sample_image(flow, x)
    if args.npz:
        of_fields = {"fields": x, "log_prob": log_prob}
        arrays = {"images": pictures} if log_prob is None else of_fields
        write_atomically(args.npz, lambda file: np.savez(file, **arrays))
    side, columns = x.shape[-1], round(args.count**0.5)
    scale = max(1, min(max(2, 64 // side), LARGEST // (columns * side)))
    save_image(tile(pictures, columns, scale), args.out)


if __name__ == "__main__":
    main()
