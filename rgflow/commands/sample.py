"""Draw samples of a trained flow: rgflow-sample CHECKPOINT --out FILE.png.

Images are shown as they are, fields in colours: blue below zero and red above.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
import torch

from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.checkpoint import load_flow
from rgflow.plotting.grids import most_shown, samples_figure
from rgflow.plotting.images import sample_image, save_figure
from rgflow.runtime.array_files import write_npz
from rgflow.runtime.command_line import Parser, add_trust, one_line_errors, trusted_modules
from rgflow.runtime.files import check_output, write_stdout
from rgflow.runtime.progress import progress, progress_bars

PART = 256  # samples drawn at a time


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint of the flow")
    parser.add_argument("--out", required=True, help="PNG file for a grid of up to 1024 samples")
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
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_trust(parser)
    with one_line_errors(), progress_bars():
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
    if len(args.temperature) > 1:
        levels = 1 if flow.hierarchy is None else flow.hierarchy.levels
        if len(args.temperature) != levels:
            raise ValueError(
                f"--temperature: got {len(args.temperature)} numbers, expected one"
                + (f", or one for each of {levels} levels" if levels > 1 else "")
            )
    generator = torch.Generator(args.device).manual_seed(args.seed)
    temperature = args.temperature[0] if len(args.temperature) == 1 else args.temperature
    shown: list[torch.Tensor] = []
    side = flow.event_shape[-1]
    count = min(args.count, most_shown(side))

    def parts(number: int) -> Iterator[dict[str, np.ndarray]]:
        """Samples in parts, of which only those in the picture stay in memory."""
        for start in progress(range(0, number, PART), "samples"):
            n = min(PART, number - start)
            if args.npz and not acts_on_pixels(flow.bijector):
                x, log_prob = flow.sample_and_log_prob(n, temperature, generator)
                arrays = {"fields": x.cpu().numpy(), "log_prob": log_prob.cpu().numpy()}
            else:
                x = flow.sample(n, temperature, generator)
                arrays = {"images": sample_image(flow, x).cpu().numpy()}
            if start < count:
                shown.append(x[: count - start].cpu())
            yield arrays

    if args.npz:
        write_npz(args.npz, args.count, parts(args.count))
    else:
        list(parts(count))
    number = f"{count} samples" if count == args.count else f"the first {count} of {args.count}"
    several = len(args.temperature) > 1
    factors = ", ".join(f"{t:g}" for t in args.temperature)
    title = f"{number}, {'temperatures by level' if several else 'temperature'} {factors}"
    save_figure(samples_figure(flow, torch.cat(shown), title), args.out)
    write_stdout("\n".join(filter(None, (args.out, args.npz))))
