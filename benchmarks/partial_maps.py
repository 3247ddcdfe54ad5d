"""What a partial map costs against a full one: latents, blocks and milliseconds over L.

A mask of 4 x 4 pixels in a block flow of K = 4 with perturbed weights: the picture inside the mask
is decoded from the latents of its inference cone, and the latents are found again from the pixels.
Both are compared with the full maps, which must give the same numbers. Milliseconds are those of
the processor, medians of interleaved rounds.

    python benchmarks/partial_maps.py [--json FILE]
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from measure import interleaved_medians, machine, print_table

from rgflow.bijectors.partial import decoding_plan, encoding_plan
from rgflow.flow import Flow
from rgflow.models import BlockLevels, BlockNet, Outside, block_flow
from rgflow.runtime.json_text import write_json
from rgflow.testing import perturbed

SIDES = (16, 32, 64, 128, 256)
FITTED = 32  # the side from which exponents are fitted
MASK = 4
ORDERS = {
    "two of each": BlockLevels(
        4, 2, ("disentangler", "disentangler", "decimator", "decimator"), mixing="layers"
    ),
    "both, twice": BlockLevels(4, 2, repeats=2, mixing="layers"),
}


def make_flow(side: int, levels: BlockLevels) -> Flow:
    """A flow of pictures with three colours whose weights are off their start."""
    torch.manual_seed(0)
    flow = block_flow(side, 3, levels, BlockNet("mlp", (128, 128)), outside=Outside(pixels=True))
    return perturbed(flow, 0.02).float().requires_grad_(False).eval()


def mask_at(side: int, row: int, column: int) -> torch.Tensor:
    """A square of unknown pixels, ``(L, L)``."""
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[row : row + MASK, column : column + MASK] = True
    return mask


def measured(order: str, side: int, batch: int, rounds: int) -> dict[str, Any]:
    """One row of the table."""
    flow = make_flow(side, ORDERS[order])
    bijector, hierarchy = flow.bijector, flow.hierarchy
    corner = side // 2 - 2  # the mask is one block of the shifted grid
    mask = mask_at(side, corner, corner)
    cone = hierarchy.inference_cone(mask)
    places = [mask_at(side, corner + i, corner + j) for i in range(4) for j in range(4)]
    touched = [int(hierarchy.inference_cone(place).sum()) for place in places]
    x = flow.decode(torch.randn(batch, *flow.event_shape))
    known = flow.trace(x)
    z = torch.where(cone, known.z + 0.1 * torch.randn_like(x), known.z)
    pixels = torch.where(mask, torch.rand_like(x), x)
    decoding = decoding_plan(bijector, cone, mask)
    encoding = encoding_plan(bijector, mask)
    times = interleaved_medians(
        {
            "partial decode": lambda: flow.decode_inside(z, known, decoding),
            "full decode": lambda: flow.decode(z),
            "partial encode": lambda: flow.encode_inside(pixels, known, encoding),
            "full encode": lambda: flow.encode(pixels),
            "plans": lambda: (decoding_plan(bijector, cone, mask), encoding_plan(bijector, mask)),
            "trace": lambda: flow.trace(x),
        },
        rounds,
        time.process_time,
    )
    inside = flow.decode_inside(z, known, decoding)
    full = flow.decode(z).flatten(2)[..., inside.sites]
    latents = flow.encode_inside(pixels, known, encoding).paste(known.z)
    all_latents = flow.encode(pixels)
    return {
        "order": order,
        "L": side,
        "batch": batch,
        "latents touched": int(cone.sum()),
        "at other places": f"{min(touched)} to {max(touched)}",
        "of": side * side,
        "blocks": decoding.blocks,
        "of all": decoding.all_blocks,
        **{f"{name} ms": round(value, 2) for name, value in times.items()},
        "difference": f"{_off(inside.values, full):.1g}, {_off(latents, all_latents):.1g}",
    }


def _off(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def exponent(rows: Sequence[dict[str, Any]], name: str) -> float:
    """The slope of ``ln(row[name])`` against ``ln L`` from `FITTED` on, by least squares."""
    used = [row for row in rows if row["L"] >= FITTED]
    x = torch.tensor([math.log(row["L"]) for row in used], dtype=torch.float64)
    y = torch.tensor([math.log(row[name]) for row in used], dtype=torch.float64)
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows, fits = [], []
    for order in ORDERS:
        for batch in args.batches:
            some = [measured(order, side, batch, args.rounds) for side in args.sides]
            names = [n for n in some[0] if n.endswith(" ms") and n != "plans ms"]
            counts = ["latents touched", "blocks", "of all"]
            slopes = {name: round(exponent(some, name), 2) for name in (*counts, *names)}
            fits.append({"order": order, "batch": batch, **slopes})
            rows += some
    print_table(rows)
    sys.stdout.write(f"\nExponents of L from {FITTED} on\n\n")
    print_table(fits)
    if args.json:
        write_json(args.json, {"machine": machine(), "rows": rows, "exponents": fits})


if __name__ == "__main__":
    main()
