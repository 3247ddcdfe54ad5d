"""The Fourier map: exact on the free field, symmetric, learnable, not local."""

import pytest
import torch
from support import perturbed

from rgflow import Flow
from rgflow.bijectors import MERA, Chain, CirculantRoot, Inverse
from rgflow.bijectors.fourier import mode_classes
from rgflow.energies import GaussianField, Ising
from rgflow.lattice.operators import neighbour_sum
from rgflow.models import ConvLevels, conv_flow
from rgflow.priors import Gaussian


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("side", [2, 4, 6, 7, 8, 16])
def test_the_free_field_is_exact_at_once(side, learnable):
    model = GaussianField(side, 0.05)
    flow = Flow(CirculantRoot(model.spectrum, learnable=learnable), Gaussian(model.event_shape))
    x = 3 * torch.randn(5, *model.event_shape, generator=torch.Generator().manual_seed(0))
    gap = flow.log_prob(x) + model.energy(x) + model.log_z
    assert gap.abs().max() <= 1e-9


@pytest.mark.parametrize("side", [8, 32])
def test_single_precision(side):
    """KL to the free field: what rounding leaves of it."""
    model = GaussianField(side, 0.05)
    flow = Flow(CirculantRoot(model.spectrum), Gaussian(model.event_shape))
    x = model.sample(200, torch.Generator().manual_seed(0))
    z, log_det = flow.bijector(x)
    assert z.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(flow.decode(z), x, rtol=0, atol=2e-5)
    stored = flow.bijector.log_spectrum.double().exp()[mode_classes(side)[0]]
    ratio = stored / model.spectrum
    kl = 0.5 * (ratio - 1 - ratio.log()).sum()
    assert kl <= 1e-9
    double = Flow(CirculantRoot(model.spectrum).double(), Gaussian(model.event_shape).double())
    error = flow.log_prob(x).double() - double.log_prob(x.double())
    assert error.abs().max() <= 1e-6 * side**2


def test_the_map_commutes_with_the_symmetries_of_the_lattice():
    root = perturbed(CirculantRoot(Ising(6).spectrum, channels=2, learnable=True), 0.5)
    x = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moves = (lambda v: v.roll((1, 2), (2, 3)), lambda v: v.rot90(1, (2, 3)), lambda v: v.flip(3))
    for move in moves:
        torch.testing.assert_close(root(move(x))[0], move(root(x)[0]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_classes_are_the_orbits_of_modes(side):
    classes, counts = mode_classes(side)
    assert counts.tolist() == torch.bincount(classes.flatten()).tolist()
    half_side = side // 2 + 1
    assert len(counts) == half_side * (half_side + 1) // 2
    k = torch.arange(side)
    assert torch.equal(classes, classes.T)
    assert torch.equal(classes, classes[-k % side])


def test_a_learnable_map_learns_a_two_point_function():
    """Maximum likelihood, on samples of another mass than it starts with."""
    target = GaussianField(4, 0.3)
    start = GaussianField(4, 1.0)
    flow = Flow(CirculantRoot(start.spectrum, learnable=True), Gaussian(start.event_shape))
    x = target.sample(20_000, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.05)
    for _ in range(100):
        loss = -flow.log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learnt = flow.bijector.log_spectrum.detach().exp()[mode_classes(4)[0]]
    # relative error of a variance from n samples is sqrt(2 / n)
    torch.testing.assert_close(learnt.double(), target.spectrum, rtol=4 * 0.01, atol=0)


def test_a_flow_with_the_map_has_no_cones():
    inner = conv_flow(side=8, channels=1, levels=ConvLevels(2, hidden=4))
    flow = Flow(Chain([CirculantRoot(Ising(8).spectrum), inner.bijector]), inner.prior)
    assert CirculantRoot(Ising(8).spectrum).reaches is None
    assert Inverse(flow.bijector).reaches is None
    assert flow.hierarchy is None
    assert Chain([inner.bijector]).hierarchy is inner.bijector.hierarchy
    with pytest.raises(ValueError, match="level 0: CirculantRoot is not local"):
        MERA([CirculantRoot(Ising(8).spectrum)])
    assert flow.sample(2, generator=torch.Generator().manual_seed(0)).shape == (2, 1, 8, 8)


def test_the_state_holds_the_spectrum():
    trained = CirculantRoot(Ising(4).spectrum)
    fresh = CirculantRoot(torch.ones(4, 4))
    fresh.load_state_dict(trained.state_dict())
    x = neighbour_sum(torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(fresh(x)[0], trained(x)[0])
    assert list(trained.parameters()) == []


ASYMMETRIC = torch.ones(4, 4)
ASYMMETRIC[0, 1] = 2.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CirculantRoot(torch.ones(4)), r"got a spectrum of shape \(4,\)"),
        (lambda: CirculantRoot(torch.ones(4, 2)), "expected"),
        (lambda: CirculantRoot(torch.zeros(4, 4)), "not positive"),
        (lambda: CirculantRoot(torch.full((4, 4), float("nan"))), "not positive and finite"),
        (lambda: CirculantRoot(ASYMMETRIC), "symmetries of the square"),
        (lambda: CirculantRoot(ASYMMETRIC + ASYMMETRIC.roll(2, 1)), "symmetries of the square"),
        (lambda: CirculantRoot(torch.ones(4, 4), channels=0), "channels: got 0"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
