"""Restoration of test images: error inside and around the mask, log density, time, latents.

    python benchmarks/restoration.py flow.ckpt realnvp.ckpt [--sizes 4 8] [--json FILE]

All checkpoints are of one data set. Flows with levels restore in three ways. Flows without, such
as Real NVP, find the most probable completion with all latents; and they find and sample one with
as many latent sites as the first flow with levels may change, chosen at random, the known pixels
held to a tolerance.
Beside them, the pixels of the training image that is nearest by the known pixels are copied.
On MSDS the factors of the restored pictures are measured as well, of those ellipses whose cells
the mask touches: mean squared differences from the original, in units of those between the
ellipses of independent pictures, so that 1 is no better than chance.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measure import machine, print_table
from torch import Tensor

from rgflow import Flow
from rgflow.analysis import nearest_images
from rgflow.analysis.factors import (
    Factor,
    Measure,
    independent_difference,
    squared_difference,
)
from rgflow.analysis.inpaint import METHODS, Effort, inpaint
from rgflow.bijectors.pixels import bits_per_dim, dequantize, to_image
from rgflow.checkpoint import load_config, load_flow
from rgflow.data.msds import CELL
from rgflow.evaluation.msds_factors import measured_factors, msds_kind
from rgflow.plotting.images import save_figure
from rgflow.plotting.restoration import restoration_figure
from rgflow.runtime.config import build
from rgflow.runtime.json_text import write_json
from rgflow.runtime.progress import progress, progress_bars

EFFORT = ("starts", "search", "draws", "warmup", "trajectories")
PART = 4  # images that are restored at a time


class Restored(NamedTuple):
    """Images ``(N, C, L, L)`` uint8, numbers by image ``(N,)``, and costs."""

    images: Tensor
    moved: Tensor
    bits: Tensor
    latents: int
    blocks: int | None
    seconds: float
    acceptance: float | None = None


def square(side: int, size: int) -> Tensor:
    """A square about 3/8 of the side, ``(L, L)``: the place of an ellipse in MSDS of 32 x 32."""
    mask = torch.zeros(side, side, dtype=torch.bool)
    start = side * 3 // 8 - size // 2
    if start < 0:
        raise ValueError(f"--sizes: got {size}, expected at most {side * 3 // 4}")
    mask[start : start + size, start : start + size] = True
    return mask


def restored(
    flow: Flow, images: Tensor, unknown: Tensor, method: str, args: argparse.Namespace, **how: Any
) -> Restored:
    """All images, a few at a time; the first call compiles and is not timed."""
    effort = Effort(**{name: getattr(args, name) for name in EFFORT})
    first = "prior" if method == "prior" else "mode"
    short = Effort(args.starts, search=3)
    inpaint(flow, images[:PART], ~unknown, first, effort=short, **how)
    if method == "posterior" and not how:  # its start is searched in the latents
        inpaint(flow, images[:PART], ~unknown, "mode", effort=short, tolerance=4.0)
    found, begin = [], time.perf_counter()
    for i, part in enumerate(progress(images.split(PART), method)):
        seed = args.seed + i
        found.append(inpaint(flow, part, ~unknown, method, effort=effort, seed=seed, **how))
    seconds = time.perf_counter() - begin
    log_prob = torch.cat([one.log_prob for one in found])
    return Restored(
        to_image(torch.cat([one.images for one in found])),
        torch.cat([one.moved for one in found]),
        bits_per_dim(log_prob, flow.event_shape),
        found[0].latents_touched,
        found[0].blocks,
        seconds / len(images),
        None if found[0].acceptance is None else sum(f.acceptance for f in found) / len(found),
    )


def copied(flow: Flow, images: Tensor, unknown: Tensor, data: Any) -> Restored:
    """Pixels of the training images that are nearest by the known pixels."""
    begin = time.perf_counter()
    near = nearest_images(images, data.split("train").parts(), ~unknown)
    seconds = time.perf_counter() - begin
    copies = torch.where(unknown, near.images, images)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        log_prob = flow.log_prob(dequantize(copies, noise).to(flow.dtype))
    bits = bits_per_dim(log_prob, flow.event_shape)
    return Restored(copies, near.differences, bits, 0, None, seconds / len(images))


def factor_errors(
    measure: Measure | None, images: Tensor, truth: Tensor, unknown: Tensor
) -> dict[str, str]:
    """Errors of the factors of the ellipses under the mask, with standard errors over images."""
    if measure is None:
        return {}
    side = unknown.shape[0]
    cells = unknown.view(side // CELL, CELL, side // CELL, CELL).any(3).any(1).flatten()
    ours, theirs = measure(images), measure(truth)
    errors = {}
    for name in ("orientation", "colour", "position"):
        a, b = (
            Factor(one[name].values[:, cells], one[name].weights[:, cells])
            for one in (ours, theirs)
        )
        squares, weights = squared_difference(a, b)
        chance, of_chance = independent_difference(b)
        off = squares / weights / (chance.sum() / of_chance.sum())  # NaN where nothing is seen
        seen = off[off.isfinite()]
        errors[name] = _with_error(seen) if len(seen) > 1 else "-"
        if len(seen) < len(off):
            errors[name] += f" ({len(seen)} of {len(off)})"
    return errors


def row(name: str, size: int, result: Restored, images: Tensor, unknown: Tensor) -> dict[str, Any]:
    """One row of the table; errors are means over images with their standard errors."""
    off = (result.images.double() - images.double())[..., unknown].flatten(1)
    return {
        "mask": f"{size} x {size}",
        "method": name,
        "inside": _with_error(off.square().mean(1).sqrt()),
        "around": _with_error(result.moved.double()),
        "bits per dim": _with_error(result.bits.double()),
        "latent sites": result.latents,
        "blocks": "-" if result.blocks is None else result.blocks,
        "acceptance": "-" if result.acceptance is None else f"{result.acceptance:.2f}",
        "s an image": f"{result.seconds:.2g}",
    }


def _with_error(values: Tensor) -> str:
    """The mean and its standard error; a value ten times all others together stands apart."""
    order = values.sort().values
    if len(values) > 2 and order[-1] > 10 * order[:-1].sum():
        return f"{_with_error(order[:-1])}, and one of {float(order[-1]):.3g}"
    return f"{float(values.mean()):.3g} ± {float(values.std() / len(values) ** 0.5):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--count", type=int, default=16, help="test images")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--tolerance", type=float, default=4.0, help="shades, constrained Real NVP"
    )
    for name in EFFORT:
        parser.add_argument(f"--{name}", type=int, default=getattr(Effort(), name))
    parser.add_argument("--data-root", help="folder of the data, that of training if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="folder for a picture of each mask")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    flows = {Path(path).stem: load_flow(path) for path in args.checkpoints}
    node = load_config(args.checkpoints[0])["data"]
    is_msds = node["dataset"] in ("msds1", "msds2")
    measure = partial(measured_factors, kind=msds_kind(node)) if is_msds else None
    data = build(node | ({"root": args.data_root} if args.data_root else {}), "data")
    data.prepare_data()
    data.setup("test")
    images = data.images("test")[: args.count]
    with progress_bars():
        rows = [
            line for size in args.sizes for line in table(size, flows, images, data, args, measure)
        ]
    print_table(rows)
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k != "json"}
        write_json(args.json, {"machine": machine(), "settings": settings, "rows": rows})


def table(
    size: int,
    flows: dict[str, Flow],
    images: Tensor,
    data: Any,
    args: argparse.Namespace,
    measure: Measure | None,
) -> list[dict[str, Any]]:
    """All rows of one size of the mask."""
    side = images.shape[-1]
    unknown = square(side, size)
    results: dict[str, Restored] = {}
    leading = next((f for f in flows.values() if f.hierarchy is not None), None)
    for name, flow in flows.items():
        if flow.hierarchy is not None:
            for method in args.methods:
                results[f"{name}: {method}"] = restored(flow, images, unknown, method, args)
            continue
        if "mode" in args.methods:
            results[f"{name}: mode"] = restored(flow, images, unknown, "mode", args)
        if leading is not None:
            count = int(leading.hierarchy.inference_cone(unknown).sum())
            order = torch.randperm(side * side, generator=torch.Generator().manual_seed(args.seed))
            chosen = torch.zeros(side * side, dtype=torch.bool)
            chosen[order[:count]] = True
            how = {"latents": chosen.view(side, side), "tolerance": args.tolerance}
            for method in ("mode", "posterior"):
                if method in args.methods:
                    results[f"{name}: {method}, {count} latents"] = restored(
                        flow, images, unknown, method, args, **how
                    )
    results["nearest training image"] = copied(next(iter(flows.values())), images, unknown, data)
    if args.out:
        Path(args.out).mkdir(parents=True, exist_ok=True)
        shown = {name: result.images[:8] for name, result in results.items()}
        save_figure(restoration_figure(images[:8], unknown, shown), Path(args.out) / f"{size}.png")
    return [
        row(name, size, result, images, unknown)
        | factor_errors(measure, result.images, images, unknown)
        for name, result in results.items()
    ]


if __name__ == "__main__":
    main()
