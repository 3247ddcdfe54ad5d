import warnings

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import ElementwiseAffine
from rgflow.energies import Ising, as_energy
from rgflow.evaluation.fields import evaluate_energy
from rgflow.evaluation.summary import (
    cautions,
    evaluation_summary,
    is_trustworthy,
    report_warnings,
    shown,
)
from rgflow.models import ConvLevels, DenseTop, Outside, conv_flow
from rgflow.montecarlo.reference import reference_samples
from rgflow.priors import Gaussian
from rgflow.statistics import (
    ExactValueWarning,
    FewSamplesWarning,
    ForwardWarning,
    HeavyTailWarning,
    WeightWarning,
)


def test_numbers_of_the_report_are_in_the_summary():
    energy = Ising(4, 0.1)
    flow = conv_flow(
        side=4,
        channels=1,
        levels=ConvLevels((2,), hidden=8),
        top=DenseTop(smallest_side=2),
        outside=Outside(prior="gaussian"),
    )
    reference = reference_samples(energy, chains=8, states=50)
    report = evaluate_energy(flow, energy, samples=20_000, reference=reference)
    text = evaluation_summary(report)
    for name in ("log_z_lower", "log_z_importance", "log_z_upper", "kl_nats", "ess"):
        assert shown(report[name], report[f"{name}_error"]) in text
    assert f"(exact {energy.log_z:.6f}"[:12] in text
    assert "Monte Carlo (cluster)" in text
    bounds = text.splitlines()[1]
    assert bounds.startswith("ln Z")
    assert bounds.count("<=") == 2
    without = evaluation_summary(evaluate_energy(flow, energy, samples=100))
    assert without.splitlines()[1].count("<=") == 1
    assert "Monte Carlo" not in without
    assert "ESS -" in without


@pytest.mark.parametrize(
    ("ess", "share", "trusted"),
    [(0.5, 1e-3, True), (0.009, 1e-3, False), (0.5, 0.11, False), (None, 1e-3, True)],
)
def test_weights_of_a_few_samples_are_not_to_be_trusted(ess, share, trusted):
    assert is_trustworthy({"ess": ess, "largest_share": share}) == trusted
    assert is_trustworthy({"ess": ess, "largest_share": share, "pareto_k": 0.6}) == trusted
    assert not is_trustworthy({"ess": ess, "largest_share": share, "pareto_k": 0.7})
    unknown = dict.fromkeys(
        f"{name}{end}"
        for name in (
            "log_z_importance",
            "log_z_upper",
            "kl_nats",
            "forward_kl_nats",
            "forward_ess",
        )
        for end in ("", "_error")
    )
    report = unknown | {
        "energy": {"name": "Mine", "event_shape": [1, 4, 4]},
        "samples": 100,
        "seconds": 1.0,
        "log_z_lower": 1.0,
        "log_z_lower_error": 0.1,
        "log_z_exact": None,
        "ess": ess,
        "ess_error": 0.001,
        "acceptance": 0.5,
        "largest_share": share,
        "observables": {"m2": {"value": 0.5, "error": 0.1}},
    }
    assert ("not to be trusted" in evaluation_summary(report)) != trusted


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.123456, 0.0123, "0.123 ± 0.012"),
        (-123456.789, 0.5, "-123456.79 ± 0.5"),
        (0.0, 0.1, "0 ± 0.1"),
        (1.0, 0.0, "1 ± 0"),
        (0.001, 5.0, "0.001 ± 5"),
        (12345.6, 321.0, "12346 ± 321"),
    ],
)
def test_digits_follow_the_error(value, error, text):
    assert shown(value, error) == text


QUIET = {
    "ess": 0.5,
    "largest_share": 1e-3,
    "forward_ess": 0.48,
    "forward_ess_error": 0.01,
    "log_z_exact": 10.0,
    "log_z_importance": 10.02,
    "log_z_importance_error": 0.01,
    "observables": {"m2": {"value": 1.0, "error": 0.1, "sigmas": -2.9}, "m4": {"value": 1.0}},
    "two_point": [{"r": 0, "sigmas": None}, {"r": 1, "sigmas": 2.0}],
}


@pytest.mark.parametrize(
    ("changes", "words", "category"),
    [
        (
            {"ess": 0.225, "forward_ess": 7e-6, "forward_ess_error": 1e-5},
            "forward ESS 7e-06",
            ForwardWarning,
        ),
        ({"largest_share": 0.2}, "a few samples have most of the weight", FewSamplesWarning),
        ({"ess": 0.045, "ess_error": 0.42}, "ESS 0.045 has an error of 0.42", FewSamplesWarning),
        ({"log_z_importance": 9.968}, "ln Z by -3.2", ExactValueWarning),
        (
            {"observables": {"m2": {"value": 1.0, "error": 0.1, "sigmas": 3.5}}},
            "m2 by +3.5",
            ExactValueWarning,
        ),
        ({"two_point": [{"r": 2, "sigmas": -4.0}]}, "G(r = 2) by -4.0", ExactValueWarning),
        (
            {"pareto_k": 0.36, "ess_error": None},
            "0.36: the ESS is not to be trusted",
            HeavyTailWarning,
        ),
        (
            {"pareto_k": 0.7},
            "0.70: ESS, importance estimate and reweighted observables are not",
            HeavyTailWarning,
        ),
        (
            {"forward_pareto_k": 0.8},
            "k = 0.80: the forward ESS is not to be trusted",
            HeavyTailWarning,
        ),
    ],
)
def test_contradictions_are_told(changes, words, category):
    assert [type(one) for one in report_warnings(QUIET | changes)] == [category]
    assert cautions(QUIET) == []
    (line,) = cautions(QUIET | changes)
    assert line.startswith("warning: ")
    assert words in line


@pytest.mark.parametrize(
    "changes",
    [
        {"ess_error": 0.1},
        {"pareto_k": 0.3, "forward_pareto_k": 0.6},
        {"pareto_k": None, "forward_pareto_k": None},
        {"forward_ess": 0.1, "forward_ess_error": 0.1},  # hardly known
        {"forward_ess": None, "forward_ess_error": None},
        {"log_z_importance": 10.000005, "log_z_importance_error": 1e-7},  # rounding
    ],
)
def test_what_is_no_contradiction(changes):
    assert cautions(QUIET | changes) == []


def test_a_flow_that_misses_a_phase_is_found_out_by_its_forward_ess():
    class Wells:
        event_shape = (1, 2, 2)

        def energy(self, x):  # two phases at all sites near +-2
            m = x.mean((1, 2, 3))
            return 0.5 * (x - m.view(-1, 1, 1, 1)).square().sum((1, 2, 3)) + 2 * (m**2 - 4) ** 2

        def sample(self, n, generator):
            x = torch.randn((n, 1, 2, 2), generator=generator)
            x = x - x.mean((1, 2, 3), keepdim=True)
            grid = torch.linspace(-4, 4, 8001)
            m = grid[
                torch.multinomial((-2 * (grid**2 - 4) ** 2).exp(), n, True, generator=generator)
            ]
            return x + m.view(-1, 1, 1, 1)

    energy = as_energy(Wells())
    one_phase = Flow(ElementwiseAffine((1, 2, 2), shift=2.0), Gaussian((1, 2, 2)))
    reference = reference_samples(energy, chains=64, states=200)
    counts = {"samples": 20_000, "reference": reference}
    with pytest.warns(ForwardWarning) as issued:
        report = evaluate_energy(one_phase, energy, **counts)
    assert issued[0].filename == __file__
    assert is_trustworthy(report)
    (line,) = cautions(report)
    assert "forward ESS" in line
    assert line == f"warning: {issued[0].message}"
    with warnings.catch_warnings():
        warnings.simplefilter("error", WeightWarning)
        with pytest.raises(ForwardWarning, match="forward ESS"):
            evaluate_energy(one_phase, energy, **counts)
        warnings.simplefilter("ignore", WeightWarning)
        assert cautions(evaluate_energy(one_phase, energy, **counts)) == [line]
