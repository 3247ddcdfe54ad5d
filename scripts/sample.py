"""Draw samples of a trained flow: python scripts/sample.py CHECKPOINT --out FILE.png.

Images are shown as they are, fields in colours: blue below zero and red above.
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

MAX_SIDE = 4096  # pixels of a grid up to which small samples are enlarged


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="PNG file for the grid of samples")
    parser.add_argument("--count", type=int, default=64, help="number of samples")
    parser.add_argument(
        "--temperature",
        type=float,
        nargs="+",
        default=[1.0],
        help="one factor on the prior's standard deviation, or one per level, fine to coarse",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers")
    parser.add_argument(
        "--npz",
        help="NumPy file that also gets the samples: images, uint8 (count, C, L, L), or fields "
        "with their log_prob (count,) in nats at this temperature",
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
    # drawn in parts, so that memory does not grow with the number of samples
    parts = [min(256, args.count - start) for start in range(0, args.count, 256)]
    log_prob = None
    if args.npz and not acts_on_pixels(flow.bijector):
        drawn = [flow.sample_and_log_prob(n, temperature, generator) for n in parts]
        x, log_prob = (torch.cat(values).cpu() for values in zip(*drawn, strict=True))
    else:
        x = torch.cat([flow.sample(n, temperature, generator) for n in parts]).cpu()
    pictures = sample_image(flow, x)
    if args.npz:
        fields = {"fields": x, "log_prob": log_prob}
        arrays = {"images": pictures} if log_prob is None else fields
        write_atomically(args.npz, lambda file: np.savez(file, **arrays))
    side, columns = x.shape[-1], round(args.count**0.5)
    scale = max(1, min(max(2, 64 // side), MAX_SIDE // (columns * side)))
    save_image(tile(pictures, columns, scale), args.out)


if __name__ == "__main__":
    main()
