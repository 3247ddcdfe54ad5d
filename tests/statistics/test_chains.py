import math
import warnings

import pytest
import torch
from gaussian_target import seeded

from rgflow.statistics import (
    ChainWarning,
    Measured,
    ShortChainWarning,
    StatisticsWarning,
    StuckChainWarning,
    derived_with_error,
    integrated_autocorrelation_time,
    mean_with_error,
)
from rgflow.statistics.chain_warnings import collected_warnings, few_warnings


def ar1(steps, chains, phi, generator):
    """Equilibrated chains of unit variance with ``rho(t) = phi^t``."""
    noise = torch.randn(steps, chains, generator=generator, dtype=torch.float64)
    x = [noise[0]]
    for kick in noise[1:]:
        x.append(phi * x[-1] + math.sqrt(1 - phi**2) * kick)
    return torch.stack(x)


@pytest.mark.parametrize("phi", [-0.3, 0.0, 0.5, 0.9])
@pytest.mark.parametrize(("steps", "chains"), [(20000, 1), (2000, 16), (200, 200)])
def test_autocorrelation_time_of_ar1_is_exact_within_its_error(phi, steps, chains):
    tau, error, window = integrated_autocorrelation_time(ar1(steps, chains, phi, seeded(1)))
    exact = 0.5 * (1 + phi) / (1 - phi)
    assert abs(tau - exact) < 4 * error + 0.02 * exact  # the window leaves out exp(-W / tau)
    assert error < 0.15 * exact
    assert window < 20 * max(exact, 1)


@pytest.mark.parametrize(("steps", "chains"), [(4000, 1), (250, 16), (60, 100)])
def test_the_quoted_interval_covers_as_often_as_it_says(steps, chains):
    x = ar1(steps, 200 * chains, 0.8, seeded()).view(steps, 200, chains)
    estimates = [mean_with_error(x[:, i]) for i in range(200)]
    hits = sum(abs(e.value) < e.error for e in estimates)
    assert 120 <= hits <= 152


def test_derived_error_covers_too_and_keeps_correlations():
    x = ar1(250, 200 * 16, 0.8, seeded(3)).view(250, 200, 16) + 2
    hits = 0
    for i in range(200):
        one = x[:, i]
        variance = derived_with_error(lambda m, m2: m2 - m**2, one, one**2)
        hits += abs(variance.value - 1) < variance.error
    assert 120 <= hits <= 152
    # neglecting the correlation of m and m2 would quote several times the error
    naive = math.hypot(mean_with_error(one**2).error, 4 * mean_with_error(one).error)
    assert variance.error < naive / 3


def test_a_derived_identity_is_the_mean():
    x = ar1(300, 5, 0.5, seeded())
    assert derived_with_error(lambda m: m, x) == mean_with_error(x)
    with torch.no_grad():
        assert derived_with_error(lambda m: 2 * m, x).error == 2 * mean_with_error(x).error


def test_a_shift_or_scale_changes_neither_tau_nor_the_relative_error():
    x = ar1(500, 4, 0.7, seeded())
    a, b = mean_with_error(x), mean_with_error(1000 - 3 * x)
    assert b.error == pytest.approx(3 * a.error, rel=1e-9)
    assert b.tau == pytest.approx(a.tau, rel=1e-9)


def test_one_state_of_many_chains_is_independent_samples():
    x = torch.randn(1, 500, generator=seeded(), dtype=torch.float64)
    value, error, tau = mean_with_error(x)
    assert tau == pytest.approx(0.5, rel=0.01)
    assert error == pytest.approx(float(x.std()) / 500**0.5, rel=1e-5)
    assert value == pytest.approx(float(x.mean()))


def test_a_constant_has_no_error():
    assert mean_with_error(torch.full((50, 3), 0.1)) == (pytest.approx(0.1), 0.0, 0.5)


def test_stuck_chains_are_told_and_do_not_look_converged():
    stuck = torch.tensor([1.0, -1.0, 1.0, 1.0]).expand(100, 4) + 1e-3 * torch.randn(
        100, 4, generator=seeded()
    )
    with pytest.warns(ShortChainWarning, match="run longer chains"):
        value = mean_with_error(stuck)
    assert value.error > 0.3  # of the order of the spread of four numbers


def test_a_function_without_derivative_has_no_error():
    x = torch.randn(100, generator=seeded()) - 5
    value, error, tau = derived_with_error(lambda m: m.sqrt(), x)
    assert all(map(math.isnan, (value, error, tau)))


@pytest.mark.parametrize(
    "series",
    [torch.tensor([1.0, math.nan, 2.0]), torch.ones(1), torch.ones(2, 2, 2), torch.tensor(1.0)],
)
def test_wrong_series_are_refused(series):
    for estimate in (mean_with_error, integrated_autocorrelation_time):
        with pytest.raises(ValueError, match="series"):
            estimate(series)


def test_derived_quantities_need_series_of_one_shape():
    with pytest.raises(ValueError, match="equal shape"):
        derived_with_error(lambda a, b: a + b, torch.ones(5), torch.ones(6))
    with pytest.raises(ValueError, match="equal shape"):
        derived_with_error(lambda: torch.ones(()))


def test_a_table_warns_once_and_a_pilot_never(recwarn):
    warnings.simplefilter("always")
    drift = torch.linspace(0, 1, 50)
    for most in (0, 1):
        with few_warnings(most):
            for _ in range(3):
                mean_with_error(drift)
        assert len(recwarn) == most
    mean_with_error(drift)
    assert len(recwarn) == 2
    recwarn.clear()
    with few_warnings(2), few_warnings(1):  # the stricter one
        for _ in range(3):
            mean_with_error(drift)
    assert len(recwarn) == 1
    assert recwarn[0].filename == __file__  # whose line called the package


def test_warnings_are_collected_whatever_is_shown(recwarn):
    with few_warnings(0), collected_warnings() as found:
        mean_with_error(torch.linspace(0, 1, 50))
    assert [type(one) for one in found] == [ShortChainWarning]
    assert not len(recwarn)


def test_warnings_about_chains_can_be_filtered_and_raised(recwarn):
    drift, still = torch.linspace(0, 1, 50), torch.ones(50)
    for category in (ChainWarning, StatisticsWarning):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category)
            mean_with_error(drift)
    assert not len(recwarn)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StuckChainWarning)
        mean_with_error(drift)
        with pytest.raises(StuckChainWarning, match="never moved"):
            mean_with_error(still)
    assert [one.category for one in recwarn] == [ShortChainWarning]


def test_by_how_many_errors_a_value_is_off():
    assert Measured(1.5, 0.25).sigmas(1.0) == 2
    assert Measured(1.0, 0.0).sigmas(1.0) is None
    assert Measured(math.nan, 0.1).sigmas(1.0) is None
    assert Measured(1.0, math.nan).sigmas(1.0) is None


@pytest.mark.parametrize("value", [0.1, 0.0, 1.0])
def test_a_series_that_never_moved_is_told(value, recwarn):
    text = f"never moved: all of its 150 values are {value:g}"
    with pytest.warns(StuckChainWarning, match=text):
        assert mean_with_error(torch.full((50, 3), value)).error == 0
    recwarn.clear()
    mean_with_error(value + 1e-6 * torch.randn(50, 3, generator=seeded()))
    assert not len(recwarn)


def test_short_chains_are_told_and_long_ones_are_not(recwarn):
    """A tau of 30 on 300 states covers 55% instead of 68%."""
    warnings.simplefilter("always")  # the same text again as well
    told = 0
    for x in ar1(300, 100, 59 / 61, seeded()).unbind(1):
        recwarn.clear()
        mean_with_error(x)
        told += any("run longer chains" in str(one.message) for one in recwarn)
    assert told >= 96
    recwarn.clear()
    for x in ar1(300, 200, 0.0, seeded()).unbind(1):
        mean_with_error(x)
    mean_with_error(ar1(300, 64, 59 / 61, seeded()))
    assert not len(recwarn)


def test_complex_series_are_refused_and_not_cut():
    series = torch.randn(100, generator=seeded(), dtype=torch.complex128)
    for estimate in (mean_with_error, integrated_autocorrelation_time):
        with pytest.raises(ValueError, match="complex128, expected real"):
            estimate(series)
