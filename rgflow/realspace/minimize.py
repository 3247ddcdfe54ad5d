"""Minimisation of a smooth function of a few numbers down to rounding errors."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Minimum(NamedTuple):
    """Where a function is smallest, its value there and the norm of its gradient."""

    argument: Tensor
    value: float
    gradient_norm: float


def minimize(
    function: Callable[[Tensor], Tensor],
    start: Tensor,
    tolerance: float = 1e-10,
    max_iterations: int = 2000,
    newton_steps: int = 20,
) -> Minimum:
    r"""Local minimum by torch's LBFGS, then Newton steps ``-|H|^-1 g`` as long as they help.

    Taking the Hessian's eigenvalues by their modulus makes a step go downhill near a saddle too,
    and leaves alone directions in which the function is constant.

    Args:
        function: ``(n, ...) -> ()``, differentiable twice.
        start: Where to begin; float64.
        tolerance: Norm of the gradient at which LBFGS hands over.
        max_iterations: Of LBFGS.
        newton_steps: At most so many.

    Returns:
        The point with the smallest gradient; look at ``gradient_norm``: where the minimum lies at
        infinity, it need not be tiny.

    Raises:
        ValueError: If the start is not float64, in which alone such tolerances make sense.
    """
    if start.dtype != torch.float64:
        raise ValueError(f"got a start of {start.dtype}, expected torch.float64")
    x = _lbfgs(function, start, tolerance, max_iterations)
    gradient = _gradient(function, x)
    for _ in range(newton_steps):
        step = _newton_step(function, x, gradient)
        # near rounding errors the function's value no longer decides, the gradient does
        trials = (x + 0.5**k * step for k in range(12))
        improved = next((t for t in trials if _gradient(function, t).norm() < gradient.norm()), x)
        if improved is x:
            break
        x, gradient = improved, _gradient(function, improved)
    return Minimum(x, function(x).item(), gradient.norm().item())


def _lbfgs(
    function: Callable[[Tensor], Tensor], start: Tensor, tolerance: float, max_iterations: int
) -> Tensor:
    x = start.detach().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=max_iterations,
        tolerance_grad=tolerance / x.numel() ** 0.5,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = function(x)
            value.backward()
        return value

    optimizer.step(closure)
    return x.detach()


def _gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.func.grad(function)(x)


def _newton_step(function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Tensor:
    # backward twice: forward mode would make torch warn its user about parts of its own
    hessian = torch.func.jacrev(torch.func.grad(function))(x).reshape(x.numel(), x.numel())
    values, vectors = torch.linalg.eigh(hessian)
    flat = values.abs() < 1e-12 * values.abs().max()
    inverse = torch.where(flat, 0.0, 1 / values.abs().masked_fill(flat, 1.0))
    return -(vectors @ (inverse * (vectors.T @ gradient.flatten()))).view_as(x)
