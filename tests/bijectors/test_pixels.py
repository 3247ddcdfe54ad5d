"""The pixel map: bits per dimension by hand, dequantization, rounding back."""

import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import PixelLogit, bits_per_dim, dequantize, to_image
from rgflow.priors import Laplace


def test_bits_per_dim_of_the_uniform_law_is_eight():
    # density 255/256 per dimension on an interval of length 256/255
    log_prob = torch.tensor([12 * math.log(255 / 256)], dtype=torch.float64)
    assert bits_per_dim(log_prob, (3, 2, 2)).item() == pytest.approx(8.0, abs=1e-12)


def test_bits_per_dim_of_a_known_density_by_hand():
    """As published: nats per dim of y = (255 x + u)/256 under squeeze and logit, plus ln 256."""
    flow = Flow(PixelLogit((1, 1, 1)), Laplace((1, 1, 1))).double()
    shade, u = 200, 0.25
    x = torch.full((1, 1, 1, 1), (shade + u - 0.5) / 255, dtype=torch.float64)
    y = (shade + u) / 256
    p = 0.05 + 0.9 * y
    z = math.log(p / (1 - p))
    log_density = -math.sqrt(2) * abs(z) - math.log(math.sqrt(2)) + math.log(0.9 / (p * (1 - p)))
    expected = (-log_density + math.log(256)) / math.log(2)
    got = bits_per_dim(flow.log_prob(x), flow.event_shape).item()
    assert got == pytest.approx(expected, abs=1e-12)


def test_every_shade_survives_dequantization_and_the_way_back():
    shades = torch.arange(256, dtype=torch.uint8).repeat(50).view(50, 1, 16, 16)
    x = dequantize(shades, torch.Generator().manual_seed(0))
    assert torch.equal(to_image(x), shades)
    noise = x * 255 - shades
    assert noise.min() >= -0.5 - 1e-4
    assert noise.max() <= 0.5 + 1e-4
    assert abs(noise.mean()) < 4 / math.sqrt(12 * noise.numel())
    z, _ = PixelLogit((1, 16, 16))(x)
    assert z.abs().max() < 3
    assert torch.equal(to_image(PixelLogit((1, 16, 16)).inverse(z)[0]), shades)


@pytest.mark.parametrize("u", [0.0, 2**-24, 2**-17, 1 - 2**-17, 1 - 2**-24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_at_the_ends_of_a_shade_stays_in_it(u, dtype, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, u))
    shades = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_image(dequantize(shades).to(dtype)), shades)


def test_all_latents_decode_to_a_picture():
    x, log_det = PixelLogit((1, 1, 2)).inverse(torch.tensor([-50.0, 50.0]).view(1, 1, 1, 2))
    assert to_image(x).flatten().tolist() == [0, 255]
    assert torch.isfinite(log_det).all()


def test_the_logit_goes_on_straight_beyond_its_bound():
    pixel = PixelLogit((1, 1, 81)).double()
    z = torch.linspace(-40, 40, 81, dtype=torch.float64).view(1, 1, 1, 81).requires_grad_()
    pixel.event_shape = (1, 1, 81)
    x, log_det = pixel.inverse(z)
    (slope,) = torch.autograd.grad(x.sum(), z)
    assert log_det.item() == pytest.approx(slope.log().sum().item(), rel=1e-12)
    torch.testing.assert_close(pixel(x)[0], z)
    assert slope.flatten()[:34].unique().numel() <= 2  # up to rounding


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        dequantize(torch.rand(1, 1, 2, 2))
    with pytest.raises(ValueError, match="margin"):
        PixelLogit((1, 2, 2), margin=0.5)
