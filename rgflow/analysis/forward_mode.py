"""Derivatives along a direction, by forward mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor


def derivative_along(function: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """``J v``, with the Jacobian J of the function at x; to be called inside `rgflow.ops.plain`.

    Args:
        function: From a tensor to a tensor.
        x: Where the derivative is taken.
        v: The direction, of the shape of x.
    """
    with warnings.catch_warnings():
        # the first derivative imports a part of torch that warns of another part of torch
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        return torch.func.jvp(function, (x,), (v,))[1]
