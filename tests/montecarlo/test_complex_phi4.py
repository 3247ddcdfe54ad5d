"""Monte Carlo of complex phi^4 on four sites against the exact law, by angular momenta."""

import pytest
import torch
from numpy.polynomial.legendre import leggauss
from scipy.special import iv

from rgflow.energies import ComplexPhi4
from rgflow.evaluation.fields import reference_report
from rgflow.montecarlo.reference import reference_samples


def exact_two_point(model, nodes=80, largest=3.0, momenta=30):
    """G at distances 0, 1 and sqrt 2 on 2 x 2 sites, a ring whose bonds are double.

    ``exp(2 t r r' cos(a - a')) = sum_m I_m(2 t r r') exp(i m (a - a'))``, so that the partition
    function is a sum of traces of radial transfer matrices, one for each angular momentum m.
    """
    x, w = map(torch.from_numpy, leggauss(nodes))
    r, w = (x + 1) * largest / 2, w * largest / 2
    measure = (w * r * torch.exp(-(model.mu * r**2 + model.lam * r**4))).sqrt()
    kernel = 2 * model.t * r[:, None] * r

    def transfer(m):
        return measure[:, None] * torch.from_numpy(iv(m, kernel.numpy())) * measure

    z, totals = 0.0, torch.zeros(3, dtype=torch.float64)
    for m in range(-momenta, momenta + 1):
        same, other = transfer(abs(m)), transfer(abs(m + 1))
        square = same @ same
        z += torch.trace(square @ square)
        totals[0] += torch.trace(torch.diag(r**2) @ square @ square)
        totals[1] += torch.trace(torch.diag(r) @ other @ torch.diag(r) @ square @ same)
        totals[2] += torch.trace(torch.diag(r) @ other @ other @ torch.diag(r) @ square)
    return (totals / z).tolist()


def test_the_exact_answer_is_that_of_the_free_field():
    free = ComplexPhi4(2, t=0.3, mu=1.5, lam=0.0)
    on_axis = free.exact_two_point()
    assert exact_two_point(free, largest=6.0)[:2] == pytest.approx(on_axis.tolist(), rel=1e-8)


@pytest.mark.parametrize("method", ["cluster", "hmc"])
def test_four_sites_by_either_sampler(method):
    model = ComplexPhi4(2, 0.7, -2.0, 1.0)
    exact = exact_two_point(model)
    run = reference_samples(model, chains=32, states=64, seed=4, method=method)
    report = reference_report(model, run)
    assert report["tau"] < 5
    m2, *points = report["observables"]["m2"], *report["two_point"]
    expected = ((exact[0] + 2 * exact[1] + exact[2]) / 4, *exact[:2])
    for row, answer in zip((m2, *points), expected, strict=True):
        assert abs(row["value"] - answer) < 4 * row["error"] < 0.1 * answer
