import copy
import math

import pytest

from rgflow.evaluation.comparison import comparison_table, sampling_rates

FLOW = {
    "energy": {
        "name": "Ising",
        "event_shape": [1, 8, 8],
        "coupling": 0.4,
        "probe_energies": [-1.5, 30.25, 2.0],
    },
    "samples": 20_000,
    "seconds": 2.0,
    "ess": 0.5,
    "ess_error": 0.01,
    "acceptance": 0.7,
    "largest_share": 0.001,
    "log_z_exact": 12.75,
    "log_z_lower": 12.5,
    "log_z_lower_error": 0.25,
    "kl_nats": None,
    "kl_nats_error": None,
    "two_point": [{"r": 0, "value": 1.0, "error": 0.0}, {"r": 1, "value": 0.7, "error": 0.03}],
    "observables": {
        "m2": {"value": 0.50, "error": 0.03, "exact": 0.44, "sigmas": 2.0},
        "correlation_length": {"value": None, "error": None},
        "mine": {"value": 1.0, "error": 0.1},
    },
}
CHAINS = {
    "energy": dict(FLOW["energy"]),
    "method": "hmc",
    "acceptance": 0.8,
    "seconds": 4.0,
    "warmup_seconds": 1.0,
    "independent_samples_per_second": 1000.0,
    "two_point": [{"r": 0, "value": 1.0, "error": 0.0}, {"r": 1, "value": 0.6, "error": 0.04}],
    "observables": {
        "m2": {"value": 0.40, "error": 0.04, "tau": 2.0},
        "correlation_length": {"value": 3.0, "error": 0.1, "tau": 1.0},
    },
}


def changed(report, **values):
    return copy.deepcopy(report) | values


def test_an_error_that_is_not_known_is_no_obstacle():
    table = comparison_table(changed(FLOW, ess_error=None, pareto_k=0.8), CHAINS)
    assert "5000" in table
    assert "k = 0.80" in table


def test_rates_and_break_even():
    rates = sampling_rates(FLOW, CHAINS, training=98.0)
    assert rates.flow == 5000
    assert rates.flow_error == 100
    assert rates.flow_with_training == 100
    assert rates.chains == 1000
    assert rates.chains_with_training is None
    n = rates.break_even  # where both have taken equally long
    assert 98 + n / 5000 == pytest.approx(1 + n / 1000)


@pytest.mark.parametrize(("training", "seconds", "n"), [(5.0, 10.0, math.inf), (0.5, 2.0, 0.0)])
def test_training_that_is_never_paid_for_and_that_is_at_once(training, seconds, n):
    assert sampling_rates(changed(FLOW, seconds=seconds), CHAINS, training).break_even == n


@pytest.mark.parametrize("method", ["metropolis", "latent_hmc"])
def test_chains_that_need_the_flow_pay_for_its_training(method):
    rates = sampling_rates(FLOW, changed(CHAINS, method=method), training=96.0)
    assert rates.chains == 1000
    assert rates.chains_with_training == 40  # 4000 of them in 4 s, and 96 s before
    assert rates.break_even is None


def test_table():
    text = comparison_table(FLOW, CHAINS, 98.0)
    lines = {line[:31].strip(): line[31:].split() for line in text.splitlines()}
    assert lines["m2"] == ["0.5", "±", "0.03", "0.4", "±", "0.04", "2.0", "0.44"]
    assert lines["G(r = 0)"] == ["1", "±", "0", "1", "±", "0", "-"]
    assert lines["G(r = 1)"] == ["0.7", "±", "0.03", "0.6", "±", "0.04", "2.0"]
    assert lines["ln Z, exact"] == ["12.75"]
    assert lines["ln Z, lower bound"] == ["12.5", "±", "0.25"]
    assert lines["effective sample size"] == ["0.5", "±", "0.01"]
    assert lines["independent samples per second"] == ["5000", "±", "100", "1000"]
    assert "KL" not in text  # not known
    assert "mine" not in text
    assert "acceptance" not in text  # of proposals of different kinds
    assert "training is paid for after" in text
    assert "training" not in comparison_table(FLOW, CHAINS)
    assert "warning" not in text
    assert "warning" in comparison_table(changed(FLOW, ess=0.001), CHAINS)


def test_rates_from_other_hardware_are_marked():
    flow = changed(FLOW, device="cpu", threads=2)
    assert "warning" not in comparison_table(flow, changed(CHAINS, device="cpu", threads=2))
    assert "warning" not in comparison_table(flow, CHAINS)  # not told
    text = comparison_table(flow, changed(CHAINS, device="cpu", threads=1))
    assert (
        "warning: the rates cannot be compared, threads of the flow: 2, of the chains: 1" in text
    )
    assert "device of the flow: cpu" in comparison_table(flow, changed(CHAINS, device="cuda:0"))


def test_rows_of_the_auxiliary_field_are_told_once():
    assert "auxiliary" not in comparison_table(FLOW, CHAINS)
    more = {f"field_{name}": {"value": 1.0, "error": 0.1} for name in ("m2", "binder")}
    flow, chains = (
        changed(report, observables=report["observables"] | more) for report in (FLOW, CHAINS)
    )
    assert comparison_table(flow, chains).count("auxiliary") == 1


@pytest.mark.parametrize(
    ("method", "title"),
    [
        ("hmc", "Monte Carlo (hmc)"),
        ("cluster", "Monte Carlo (cluster)"),
        ("metropolis", "flow, Metropolis"),
        ("latent_hmc", "flow, latent HMC"),
    ],
)
def test_the_column_of_the_chains_is_named_by_their_method(method, title):
    lines = comparison_table(FLOW, changed(CHAINS, method=method), 96.0).splitlines()
    assert title in lines[0]
    (trained,) = (line.split() for line in lines if line.startswith("the same, training included"))
    assert (trained[-1] == "40") == title.startswith("flow")


@pytest.mark.parametrize(
    ("flow", "training", "words"),
    [
        (changed(FLOW, energy=FLOW["energy"] | {"event_shape": [1, 4, 4]}), None, "different"),
        (changed(FLOW, energy=FLOW["energy"] | {"coupling": 0.41}), None, "different"),
        (changed(FLOW, energy=FLOW["energy"] | {"probe_energies": [1, 3, 2]}), None, "different"),
        (changed(FLOW, ess=None), None, "10000"),
        (FLOW, -1.0, "-1.0"),
        (FLOW, math.nan, "nan"),
    ],
)
def test_what_cannot_be_compared_is_refused(flow, training, words):
    with pytest.raises(ValueError, match=words):
        comparison_table(flow, CHAINS, training)
