"""The tools of the benchmarks measure what they claim to measure."""

import sys
from pathlib import Path

import pytest
import torch
from support import perturbed

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import complex_phi4
import measure
import published
import speed


def test_products_of_a_step_are_found_and_repeated():
    layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.SiLU(), torch.nn.Linear(16, 4))
    x = torch.randn(32, 8)

    def step():
        layers(x).square().sum().backward()

    with measure._Recorder() as recorder:
        step()
    # two products forward; backward two for the weights and one for the hidden layer
    assert len(recorder.calls) == 5
    gradients = [p.grad.clone() for p in layers.parameters()]
    measure.products_alone(step)()
    measure.products_alone(lambda: None)()
    assert not all(
        torch.equal(p.grad, g) for p, g in zip(layers.parameters(), gradients, strict=True)
    )  # recording runs the step once more; the replay of its products has no side effects


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


PUBLISHED = {
    "RG-Flow": ((3, 8, 8), 4, 4, published.ResidualNet),
    "NeuralRG": ((1, 8, 8), 2, 10, published.perceptron),
}


@pytest.mark.parametrize("arguments", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_the_published_architectures_are_flows(arguments):
    flow = perturbed(published.published_flow(*arguments, "gaussian"))
    x = torch.rand(2, *arguments[0], dtype=torch.float64)
    z, log_det = flow.bijector(x)
    back, inverse_log_det = flow.bijector.inverse(z)
    assert (back - x).abs().max() < 1e-9
    assert (log_det + inverse_log_det).abs().max() < 1e-9
    size = x[0].numel()
    jacobian = torch.func.jacrev(lambda y: flow.bijector(y[None])[0][0])(x[0])
    expected = torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet
    assert torch.allclose(log_det[0], expected, rtol=1e-8)


def test_the_published_readme_flow_has_the_published_number_of_parameters():
    flow = published.published_flow((1, 16, 16), 2, 10, published.perceptron, "gaussian")
    assert sum(p.numel() for p in flow.parameters()) == 50_560  # arXiv:1802.02840's code


def test_the_table_of_complex_phi4_has_its_rows_and_the_exponent():
    few = complex_phi4.measure("massless", 4, states=8, chains=8, seed=0, method="hmc")
    row = complex_phi4.row(few)
    assert (row["phase"], row["L"], row["method"]) == ("massless", 4, "hmc")
    assert row["eta of G(r)"] == row["xi of rows"] == "-"  # one distance is no decay
    assert 0.05 < float(row["eta of stiffness"].split("(")[0]) < 0.2
    m2 = {"value": 1.0, "error": 0.01}
    sides = [
        {"side": side, "report": {"observables": {"m2": {**m2, "value": side**-0.1}}}}
        for side in (8, 16)
    ]
    assert complex_phi4.exponent(sides).value == pytest.approx(0.1)
