import pytest
import torch
from linear_flow import linear_flow

from rgflow.analysis import receptive_fields
from rgflow.analysis.receptive_fields import ReceptiveFields
from rgflow.analysis.sparsity import (
    excess_kurtosis,
    field_sparsity,
    latent_kurtosis,
    mean_by_level,
    sparsest,
    strongest,
)
from rgflow.models import RealNVPLayers, realnvp_flow


@pytest.mark.parametrize(("prior", "exact"), [("laplace", 3.0), ("gaussian", 0.0)])
def test_kurtosis_of_draws_is_exact_within_its_error(prior, exact):
    flow = linear_flow(16, 2, prior)
    z = flow.prior.sample(600, generator=torch.Generator().manual_seed(3))
    found = latent_kurtosis(flow, z)
    assert found.value.shape == (3,)
    assert ((found.value - exact).abs() < 3 * found.error).all()
    assert found.error.max() < 0.5
    assert found.error[0] < found.error[2]  # more latents


def test_latents_of_several_means_and_scales_do_not_look_sparse():
    flow = linear_flow(8, 1)
    z = flow.prior.sample(600, generator=torch.Generator().manual_seed(3))
    scale = 1 + torch.arange(64).view(8, 8) / 32
    found = latent_kurtosis(flow, scale * z + scale)
    assert (found.value.abs() < 3 * found.error).all()


def test_kurtosis_of_a_flow_without_levels_is_one_number():
    flow = realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4))
    assert latent_kurtosis(flow, flow.prior.sample(20)).value.shape == (1,)


def test_kurtosis_of_numbers_by_hand():
    # mean 0, second moment 1/2, fourth moment 1/2
    assert excess_kurtosis(torch.tensor([-1.0, 0, 0, 1])).item() == pytest.approx(-1)


def test_numbers_of_receptive_fields():
    pictures = torch.zeros(3, 4, 4)
    pictures[0, 1, 1] = 5
    pictures[1] = 0.5
    pictures[2, :2] = 1
    fields = ReceptiveFields(torch.zeros(3, 3), torch.tensor([0, 0, 1]), pictures, *[pictures] * 2)
    found = field_sparsity(fields)
    assert found.pixels.tolist() == [1, 16, 8]
    assert found.strength.tolist() == [5, 8, 8]
    assert found.kurtosis[0] > found.kurtosis[2] == -2
    assert strongest(fields, 0, 5).tolist() == [1, 0]
    assert sparsest(fields, 0, 1).tolist() == [0]
    assert sparsest(fields, 1, 1).tolist() == [2]


def test_mean_by_level_and_its_bootstrap_error():
    values = torch.randn(2000, generator=torch.Generator().manual_seed(0)) + 2
    levels = torch.tensor([0] * 1999 + [2])
    found = mean_by_level(values, levels)
    assert found.value[0].item() == pytest.approx(values[:1999].double().mean().item())
    assert found.error[0].item() == pytest.approx(1 / 2000**0.5, rel=0.2)
    assert found.value[1].isnan()
    assert found.value[2].item() == pytest.approx(values[-1].item())
    assert found.error[2].isnan()


def test_mistakes_are_refused():
    flow = linear_flow(8, 1)
    for wrong in (flow.prior.sample(3), torch.zeros(20, 2, 8, 8)):
        with pytest.raises(ValueError, match="latents: got shape"):
            latent_kurtosis(flow, wrong)
    with pytest.raises(ValueError, match="floating-point"):
        latent_kurtosis(flow, torch.zeros(20, 1, 8, 8, dtype=torch.uint8))
    fields = receptive_fields(flow, torch.tensor([[0, 1, 1]]), n=2)
    assert strongest(fields, 1, 3).tolist() == []


def test_states_of_a_chain_are_not_counted_as_independent():
    flow = linear_flow(8, 1, "laplace")
    z = flow.prior.sample(64, generator=torch.Generator().manual_seed(3))
    frozen = z.repeat_interleave(10, 0)  # 64 chains that never move
    single, repeated = latent_kurtosis(flow, z), latent_kurtosis(flow, frozen, chains=64)
    torch.testing.assert_close(repeated.value, single.value)
    torch.testing.assert_close(repeated.error, single.error)
    assert (latent_kurtosis(flow, frozen).error < 0.5 * single.error).all()
    for chains in (1, 7):
        with pytest.raises(ValueError, match=f"chains: got {chains}"):
            latent_kurtosis(flow, frozen, chains=chains)
