import pytest
import torch
from support import perturbed

from rgflow.bijectors.pixels import bits_per_dim, dequantize
from rgflow.evaluation import evaluate_bits_per_dim
from rgflow.evaluation.images import bits_by_image, far_images
from rgflow.models import ConvLevels, Outside, conv_flow


def test_estimate_on_a_set_has_a_standard_error():
    torch.manual_seed(0)
    flow = conv_flow(8, 3, ConvLevels(2, hidden=8), outside=Outside(pixels=True))
    flow = perturbed(flow, 0.05).float()
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (20, 3, 8, 8), generator=generator, dtype=torch.uint8)
    mean, error = evaluate_bits_per_dim(flow, images, batch_size=7, seed=2)
    x = dequantize(images, torch.Generator().manual_seed(2))
    bits = bits_per_dim(flow(x).detach(), (3, 8, 8)).double()
    assert mean == pytest.approx(float(bits.mean()), rel=1e-3)
    assert error == pytest.approx(float(bits.std()) / 20**0.5, rel=0.2)
    torch.testing.assert_close(bits_by_image(flow, images, seed=2), bits, rtol=1e-3, atol=0)
    with pytest.raises(ValueError, match="got 1 images"):
        evaluate_bits_per_dim(flow, images[:1])


def test_images_far_above_the_others_are_found():
    bits = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert far_images(bits) == []
    bits[[7, 300, 301, 302, 303, 304]] = torch.tensor([1e6, *[3e3] * 5], dtype=torch.float64)
    assert far_images(bits)[0] == 7
    assert set(far_images(bits)) == {7, 300, 301, 302, 303, 304}
    bits[12], bits[13] = torch.inf, -torch.inf
    assert far_images(bits)[0] == 12
    assert set(far_images(bits)) == {7, 12, 13, 300, 301, 302, 303, 304}
