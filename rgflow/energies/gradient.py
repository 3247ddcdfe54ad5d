"""Forces by automatic differentiation."""

from collections.abc import Callable

import torch
from torch import Tensor


def minus_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``-d sum(function) / dx`` by automatic differentiation, in any gradient mode of the caller.

    Args:
        function: Gives one number for each event, ``(B, ...) -> (B,)``.
        x: Events; they get no gradient.

    Returns:
        A tensor like x, without a graph.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return -gradient
