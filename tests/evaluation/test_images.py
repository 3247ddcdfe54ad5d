import pytest
import torch
from support import perturbed

from rgflow.bijectors.pixels import bits_per_dim, dequantize
from rgflow.evaluation import evaluate_bits_per_dim
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
    with pytest.raises(ValueError, match="got 1 images"):
        evaluate_bits_per_dim(flow, images[:1])
