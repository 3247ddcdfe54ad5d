"""What cannot be measured is a dash that a sentence explains, or left out, and never nan."""

import math

import torch

from rgflow.analysis.bootstrap import Estimated
from rgflow.analysis.level_table import LevelTable
from rgflow.evaluation.independence import independence_text
from rgflow.evaluation.restoration import ROWS, restoration_text
from rgflow.evaluation.shown_factors import table_lines


def test_a_level_that_tells_nothing():
    def known(*values):
        return Estimated(torch.tensor(values), torch.full((len(values),), 0.1))

    nothing = Estimated(torch.tensor([0.4, math.nan]), torch.tensor([math.nan, math.nan]))
    table = LevelTable(
        ("level0", "level1"),
        ("colour", "angle"),
        Estimated(torch.eye(2), torch.full((2, 2), 0.1)),
        known(0.5, 0.6),
        known(0.5, 0.6),
        known(0.7, 0.8),
        known(0.9, 1.0),
        images=20,
    )
    assert "dash" not in "\n".join(table_lines(table))
    text = "\n".join(table_lines(table._replace(mean_level=nothing, disentanglement=nothing)))
    assert "nan" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("mean level")]
    assert line.split() == ["mean", "level", "0.4", "-"]  # no error without one
    assert "a dash: cannot be measured" in text


def test_levels_without_neighbours_among_the_latents():
    one = {"mean": [[1e-3, math.nan], [math.nan, 2e-3]], "error": [[1e-4, math.nan]] * 2}
    report = {"samples": 20, "latents": [3, 3], "nearest": {"values": one}}
    text = independence_text({"flow": report})
    assert "nan" not in text
    assert "a dash: no two neighbours" in text
    (row,) = [line for line in text.splitlines() if line.startswith("    level 1 ")]
    assert row.split() == ["level", "1", "-", "2.000"]
    one["mean"] = one["error"] = [[1e-3, 1e-3]] * 2
    assert "a dash" not in independence_text({"flow": report})


def test_blocks_of_a_flow_without_blocks_are_left_out():
    part = dict.fromkeys(ROWS, 1) | {"unit": "shades", "blocks": None, "acceptance": None}
    text = restoration_text({"prior": part, "posterior": part | {"acceptance": 0.5}})
    assert ROWS["blocks"] not in text
    (line,) = [line for line in text.splitlines() if line.startswith(ROWS["acceptance"])]
    assert line.split()[-2:] == ["-", "0.5"]
