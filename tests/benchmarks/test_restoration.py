"""The benchmarks of partial maps and of restoration run, on the smallest of cases."""

import argparse
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support import perturbed

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import partial_maps
import restoration

from rgflow.analysis.factors import Factor
from rgflow.models import (
    BlockLevels,
    BlockNet,
    Outside,
    RealNVPLayers,
    block_flow,
    realnvp_flow,
)


def test_exponents_are_slopes_of_logarithms():
    rows = [{"L": side, "ms": 3 * side**0.4, "n": 7} for side in (16, 32, 64, 128)]
    rows[0]["ms"] = 1e9  # below the sides that count
    assert partial_maps.exponent(rows, "ms") == pytest.approx(0.4)
    assert partial_maps.exponent(rows, "n") == pytest.approx(0)


def test_a_row_of_partial_maps(monkeypatch):
    monkeypatch.setattr(
        partial_maps, "make_flow", lambda side, levels: _blocks(side, levels).float()
    )
    row = partial_maps.measured("two of each", 16, 1, rounds=1)
    assert row["latents touched"] == 112  # 48 at each of two levels, and 16
    assert row["blocks"] < row["of all"]
    assert all(float(part) < 1e-5 for part in row["difference"].split(", "))


def _blocks(side, levels=BlockLevels(4, 2)):  # noqa: B008
    torch.manual_seed(0)
    outside = Outside(pixels=True)
    flow = block_flow(side, 3, levels, BlockNet("mlp", (4,)), outside=outside)
    return perturbed(flow, 0.1).requires_grad_(False)


def _measure(images):
    """The mean shade, as the three factors of the only cell."""
    values = images.double().mean((1, 2, 3))[:, None, None]
    shade = Factor(values, torch.ones_like(values[..., 0]))
    return {"orientation": shade, "colour": shade, "position": shade}


def test_the_table_of_restoration():
    torch.manual_seed(0)
    flat = realnvp_flow(8, 3, RealNVPLayers(2, 1, hidden=4), pixels=True).double()
    flows = {"blocks": _blocks(8), "flat": flat.requires_grad_(False)}
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    train = SimpleNamespace(parts=lambda: [images.flip(-1), images[:1]])
    data = SimpleNamespace(split=lambda _: train)
    args = argparse.Namespace(
        starts=1, search=2, draws=3, warmup=2, trajectories=2, seed=0, tolerance=4.0, out=None
    )
    args.methods = ["prior", "posterior"]
    rows = restoration.table(4, flows, images, data, args, _measure)
    assert [row["method"] for row in rows] == [
        "blocks: prior",
        "blocks: posterior",
        "flat: posterior, 64 latents",
        "nearest training image",
    ]
    assert [row["latent sites"] for row in rows] == [64, 64, 64, 0]
    moved = [float(row["around"].split(" ")[0]) for row in rows]
    assert moved[0] > 0
    assert moved[2] > 0
    assert moved[1] == 0
    errors = [float(row["colour"].split(" ")[0]) for row in rows]
    assert all(0 < error < math.inf for error in errors)


def test_factor_errors_are_in_units_of_independent_pictures():
    images = torch.randint(256, (500, 3, 8, 8), dtype=torch.uint8)
    unknown = restoration.square(8, 4)
    same, other = (
        restoration.factor_errors(_measure, given, images, unknown)["colour"]
        for given in (images, images.roll(1, 0))
    )
    assert float(same.split(" ")[0]) == 0
    value, error = map(float, other.split(" ± "))
    assert abs(value - 1) < 4 * error < 0.5


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([3.0, 4.0, 5.0], "4 ± 0.58"),
        ([3.0, 1300.0, 4.0, 5.0], "4 ± 0.58, and one of 1.3e+03"),
        ([0.0, 0.0, 0.0], "0 ± 0"),
    ],
)
def test_one_value_far_above_all_others_stands_apart(values, text):
    assert restoration._with_error(torch.tensor(values)) == text


def test_copies_are_of_the_image_nearest_by_known_pixels():
    flow = _blocks(8)
    images = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    unknown = restoration.square(8, 4)
    train = SimpleNamespace(parts=lambda: [torch.where(unknown, 255 - images, images)])
    data = SimpleNamespace(split=lambda _: train)
    found = restoration.copied(flow, images, unknown, data)
    assert torch.equal(found.images, torch.where(unknown, 255 - images, images))
    assert found.moved.tolist() == [0, 0]
