import math

import pytest
import torch
from torch import nn

from rgflow.models import BlockLevels, BlockNet, ConvLevels, block_flow, conv_flow
from rgflow.training.callbacks.averaging import ExponentialAverage
from rgflow.training.optimizer import (
    OptimizerSettings,
    adamw,
    learning_rate_factor,
    parameter_groups,
)


def test_learning_rate_warms_up_and_falls():
    settings = OptimizerSettings(warmup_steps=4, final_lr_fraction=0.1)
    factor = learning_rate_factor(settings, total_steps=44)
    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert factor(4) == 1.0
    assert math.isclose(factor(24), 0.1 + 0.9 * 0.5)  # half-way down
    assert math.isclose(factor(44), 0.1)
    assert math.isclose(factor(99), 0.1)


@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (9, 0), (300, 30), (999, 99), (5000, 100)])
def test_warm_up_is_at_most_a_tenth_of_the_training(total, warmup):
    factor = learning_rate_factor(OptimizerSettings(warmup_steps=100), total)
    assert sum(factor(step) < factor(step + 1) for step in range(total)) == max(0, warmup - 1)
    assert factor(warmup) == 1
    assert all(factor(step) >= factor(step + 1) for step in range(warmup, total))


def test_only_matrices_of_layers_decay():
    model = nn.Sequential(nn.Linear(3, 5), nn.Conv2d(2, 4, 3), nn.LayerNorm(5), nn.Embedding(7, 2))
    model.register_parameter("scale", nn.Parameter(torch.ones(4, 4)))
    decaying, others = parameter_groups(model, 0.1)
    assert {id(p) for p in decaying["params"]} == {id(model[0].weight), id(model[1].weight)}
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(others["params"]) == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda: conv_flow(side=8, channels=1, levels=ConvLevels(2, hidden=8)),
        lambda: block_flow(
            side=8, channels=1, levels=BlockLevels(couplings=2), net=BlockNet(hidden=8)
        ),
        lambda: block_flow(
            side=8, channels=1, levels=BlockLevels(couplings=2), net=BlockNet(hidden=8, width=6)
        ),
    ],
)
def test_groups_of_flows_hold_every_parameter_once(make):
    flow = make()
    groups = parameter_groups(flow, 0.1)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in flow.parameters())
    decaying = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    for name, parameter in flow.named_parameters():
        assert (id(parameter) in decaying) == name.endswith(("weight", "weights")), name


def test_a_step_without_gradients_changes_nothing():
    layer = nn.Linear(3, 3)
    optimizer = adamw(layer, OptimizerSettings(lr=0.1))
    before = layer.weight.clone()
    optimizer.zero_grad(set_to_none=True)
    optimizer.step()
    assert torch.equal(layer.weight, before)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(layer.weight, before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": -1},
        {"lr": 0},
        {"lr": math.nan},
        {"lr": math.inf},
        {"lr": "fast"},
        {"lr": True},
        {"ema_decay": 1.5},
        {"max_nonfinite": 0},
        {"max_nonfinite": 2.5},
        {"warmup_steps": None},
        {"gradient_clip": 0.0},
        {"gradient_clip": math.inf},
        {"betas": 0.9},
        {"betas": [0.9]},
        {"betas": [0.9, 1.0]},
        {"betas": "09"},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}: got .*, expected"):
        OptimizerSettings(**wrong)


def test_average_forgets_the_start_and_then_decays():
    average = ExponentialAverage(0.9)
    update = average._kwargs["multi_avg_fn"]
    for count, decay in ((1, 2 / 11), (8, 0.5), (1000, 0.9)):
        mean, weight = torch.tensor([1.0]), torch.tensor([0.0])
        update([mean], [weight], torch.tensor(count))
        torch.testing.assert_close(mean, torch.tensor([decay]))
