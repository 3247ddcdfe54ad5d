"""Seeds of training are combined into their mean and its standard error."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import level_factors as benchmark

from rgflow.analysis.level_table import Sums, level_table
from rgflow.evaluation.level_factors import LevelFactors


def report(value, blocks=("level0", "level1")):
    one = torch.ones(5, len(blocks), 2)
    table = level_table(blocks, ["f", "g"], Sums(value * one, one, one, one))
    return LevelFactors("msds1", table, "samples", table, 0)


def test_mean_and_standard_error_of_seeds():
    mean = benchmark.combined([report(0.2), report(0.3), report(0.7)])
    importance = mean.redrawn.importance
    torch.testing.assert_close(importance.value, torch.full((2, 2), 0.4).double())
    expected = torch.tensor([0.2, 0.3, 0.7]).std().item() / 3**0.5
    torch.testing.assert_close(importance.error, torch.full((2, 2), expected).double())
    single = report(0.2)
    assert benchmark.combined([single]) is single


def test_flows_of_other_levels_are_not_combined():
    with pytest.raises(ValueError, match="different levels"):
        benchmark.combined([report(0.2), report(0.2, ("level0",))])


def test_kinds_of_flows():
    node = {"_target_": "rgflow.models.block_flow", "prior": "laplace"}
    assert benchmark.kind_of({"flow": node}) == "block levels, laplace prior"
