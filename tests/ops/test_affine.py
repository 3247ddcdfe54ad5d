"""The affine map with its hand-written gradient, alone."""

import pytest
import torch

from rgflow.bijectors import Affine
from rgflow.ops import apply_transform, plain


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("output", [0, 1])
def test_where_one_output_is_not_used(output, inverse):
    b, parameters = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    b.requires_grad_()
    parameters.requires_grad_()

    def gradients():
        y = apply_transform(Affine(1.5), b, parameters, inverse=inverse)[output]
        loss = y.square().sum() + 0 * b.sum()
        return torch.autograd.grad(loss, (b, parameters))

    with plain():
        expected = gradients()
    for got, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(got, wanted)
