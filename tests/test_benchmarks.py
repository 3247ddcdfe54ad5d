"""The measuring tools of the benchmarks measure what they say."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import measure
import speed


def test_products_of_a_step_are_found_and_repeated():
    layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.SiLU(), torch.nn.Linear(16, 4))
    x = torch.randn(32, 8)

    def step():
        layers(x).square().sum().backward()

    with measure._Recorder() as recorder:
        step()
    # two forward; in the backward pass two for the weights and one for the hidden layer
    assert len(recorder.calls) == 5
    gradients = [p.grad.clone() for p in layers.parameters()]
    measure.products_alone(step)()
    measure.products_alone(lambda: None)()
    assert not all(
        torch.equal(p.grad, g) for p, g in zip(layers.parameters(), gradients, strict=True)
    )  # the recorded step ran once more, its replay has no side effects


def test_the_small_block_model_is_that_of_its_preset():
    flow, batch = speed.preset("msds1_block_small")
    assert (flow.event_shape, batch) == ((3, 32, 32), 64)
    maker, _ = speed.CASES["block small, L=32, batch 64"]
    assert sum(p.numel() for p in maker()[0].parameters()) == 279_168


def test_medians_run_all_functions_in_turn():
    order = []
    times = measure.interleaved_medians(
        {name: (lambda name=name: order.append(name)) for name in "ab"}, rounds=3
    )
    assert "".join(order) == "ab" + "ababab"
    assert set(times) == {"a", "b"}
    assert min(times.values()) >= 0


def test_peak_memory_is_that_of_the_work():
    small, large = (measure.peak_memory_mib(torch.zeros, n * 2**18) for n in (1, 400))
    assert 250 < large - small < 600  # 400 MB against 1
