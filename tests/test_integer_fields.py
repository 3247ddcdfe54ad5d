"""Integers are refused where a field enters, since their arithmetic wraps around."""

import pytest
import torch
from all_energies import ENERGIES
from support import flow_of, make_bijector

from rgflow import analysis, observables
from rgflow.bijectors import PixelLogit, dequantize, to_image
from rgflow.energies import Energy, Phi4
from rgflow.energies.user import as_energy
from rgflow.lattice import bond_sum
from rgflow.models import ConvLevels, Outside, conv_flow
from rgflow.montecarlo import embedded_clusters, hmc
from rgflow.montecarlo.blocking import block_field

INTEGERS = (torch.uint8, torch.int8, torch.int64, torch.bool, torch.complex64)


class Quartic(Energy):
    """A user's subclass, without a check of its own."""

    def __init__(self):
        super().__init__((1, 4, 4))

    def energy(self, x):
        return (x**2 - 1).square().sum((1, 2, 3)) + x.square().sum((1, 2, 3))

    def force(self, x):
        return -4 * x * (x**2 - 1) - 2 * x


class PlainQuartic:
    event_shape = (1, 4, 4)
    energy, force = Quartic.energy, Quartic.force


def refused(call, *shape):
    for dtype in INTEGERS:
        with pytest.raises(ValueError, match=str(dtype)):
            call(torch.ones(shape, dtype=dtype))


@pytest.mark.parametrize("name", [*ENERGIES, "subclass", "plain"])
def test_energies_refuse_integers(name):
    made = {**ENERGIES, "subclass": Quartic, "plain": lambda: as_energy(PlainQuartic())}[name]()
    refused(made.energy, 2, *made.event_shape)
    refused(made.force, 2, *made.event_shape)


@pytest.mark.parametrize("symmetry", ["none", "mixture"])
def test_flows_and_their_parts_refuse_integers(symmetry):
    flow = flow_of("conv_flow", side=4, channels=1, couplings=1, hidden=2, symmetry=symmetry)
    event = (2, 1, 4, 4)
    for call in (flow, flow.log_prob, flow.encode, flow.decode, flow.prior.log_prob):
        refused(call, *event)
    for call in (flow.bijector, flow.bijector.inverse):
        refused(call, *event)
    refused(lambda z: analysis.mix(flow, z, z, 1), *event)
    refused(lambda z: analysis.mixing_strip(flow, z, z), *event)
    refused(lambda z: analysis.latents_by_level(flow, z), *event)
    with pytest.raises(ValueError, match="ndarray"):
        flow.log_prob(torch.ones(event).numpy())


def test_parts_of_a_pair_are_refused_as_well():
    coupling = make_bijector("affine_coupling")
    with pytest.raises(ValueError, match="int64"):
        coupling((torch.ones(2, 3).double(), torch.ones(2, 2).long()))


def test_samplers_refuse_integers():
    model = Phi4(4, 1.0, 1.0)
    generator = torch.Generator()
    refused(lambda x: hmc(model, x, steps=1, warmup=0, generator=generator), 2, 1, 4, 4)
    refused(lambda x: embedded_clusters(x, generator, 1.0), 2, 1, 4, 4)
    refused(block_field, 2, 1, 4, 4)


def test_observables_of_integers_are_those_of_the_same_numbers():
    """Spins may be integers, and then no sum may wrap around."""
    for dtype in (torch.int8, torch.uint8, torch.int32):
        x = torch.arange(100, 128).repeat(4)[:96].view(3, 2, 4, 4).to(dtype)
        for function in (
            observables.magnetization,
            observables.two_point_on_axes,
            observables.time_slice_correlator,
            observables.structure_factor_minimum,
            bond_sum,
            lambda x: torch.stack(observables.measure(x)[:4]),
            lambda x: torch.stack(observables.measure_independent_spins(x[:, :1])[:3]),
        ):
            torch.testing.assert_close(function(x), function(x.double()))


def test_shades_are_no_intensities():
    flow = conv_flow(
        4, 1, ConvLevels(couplings=1, hidden=2), outside=Outside(pixels=True)
    ).requires_grad_(False)
    shades = torch.randint(256, (2, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    for call in (flow, flow.log_prob, flow.encode, PixelLogit((1, 4, 4))):
        with pytest.raises(ValueError, match=r"from \d to 2\d\d, .*divided by 255"):
            call(shades.float())
        call(dequantize(shades.to(torch.uint8)))
    far = torch.full((2, 1, 4, 4), 0.5)
    far[0, 0, 0, 0] = 3.0  # as of a hot sample
    assert flow.log_prob(far).isfinite().all()
    refused(to_image, 2, 1, 4, 4)
