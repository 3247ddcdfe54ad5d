"""Wilson's cut-off of Fourier modes equals Kadanoff's smearing."""

import pytest
import torch

from rgflow.realspace.cutoff.smearing import kadanoff, smearing_kernel, wilson

FILTERS = {
    "gaussian": lambda x: torch.exp(-x * x),
    "rational": lambda x: 1 / (x**4 + 1),
    "sharp": lambda x: (x < 1).to(x),
}


def random_field(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("eta", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("shape", [(16, 16), (2, 3, 8, 12), (5, 7)])
def test_wilson_and_kadanoff_are_the_same(eta, shape):
    field = random_field(*shape)
    cut = wilson(field, eta, 1.3)
    assert (cut - kadanoff(field, eta, 1.3)).abs().max() < 1e-12
    assert (cut - field).abs().max() > 0.1
    assert torch.allclose(cut.mean((-2, -1)), field.mean((-2, -1)), atol=1e-14)


def test_kernel_is_local_for_a_smooth_cut_off():
    kernel = smearing_kernel(32, 32, FILTERS["gaussian"], 1.0, random_field(1))
    assert kernel.sum().item() == pytest.approx(1)
    # a Gaussian of variance 2 / Lambda^2 in each direction
    x = torch.arange(-16, 16).roll(16).double()
    gaussian = torch.exp(-(x[:, None] ** 2 + x**2) / 4)
    assert torch.allclose(kernel, gaussian / gaussian.sum(), atol=1e-4)


def test_precision_is_kept_and_wrong_cut_offs_are_refused():
    assert (
        wilson(random_field(8, 8, dtype=torch.float32), FILTERS["sharp"], 1.0).dtype
        == torch.float32
    )
    with pytest.raises(ValueError, match="cut-off 0"):
        wilson(random_field(8, 8), FILTERS["sharp"], 0.0)
    for field in (torch.ones(8), torch.ones(8, 8, dtype=torch.int64)):
        for smooth in (wilson, kadanoff):
            with pytest.raises(ValueError, match="of floats"):
                smooth(field, FILTERS["sharp"], 1.0)
