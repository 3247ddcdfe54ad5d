import pytest

from rgflow.energies import Ising
from rgflow.evaluation import evaluate_energy, reference_samples
from rgflow.models import conv_flow
from rgflow.summary import evaluation_summary, is_trustworthy, shown


def test_numbers_of_the_report_are_in_the_summary():
    energy = Ising(4, 0.1)
    flow = conv_flow(
        side=4, channels=1, couplings=(2,), hidden=8, smallest_side=2, prior="gaussian"
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
        (0.123456, 0.0123, "0.123 +- 0.012"),
        (-123456.789, 0.5, "-123456.79 +- 0.5"),
        (0.0, 0.1, "0 +- 0.1"),
        (1.0, 0.0, "1 +- 0"),
        (0.001, 5.0, "0.001 +- 5"),
        (12345.6, 321.0, "12346 +- 321"),
    ],
)
def test_digits_follow_the_error(value, error, text):
    assert shown(value, error) == text
