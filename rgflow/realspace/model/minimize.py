"""Minimisation of a smooth function of a few variables down to rounding errors."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

CONVERGED = 1e-6
"""Largest distance to the minimum, relative to the norm of the argument where that exceeds 1."""

_FLAT = 1e-12  # a curvature below this share of the largest one may be a rounding error


class Minimum(NamedTuple):
    """The result of `minimize`.

    Attributes:
        argument: The point found, of the shape of the start.
        value: Value of the function at this point.
        gradient_norm: Norm of the gradient at this point.
        distance: Length of the remaining Newton step; infinity if the function still falls along a
            direction of vanishing curvature.
    """

    argument: Tensor
    value: float
    gradient_norm: float
    distance: float

    @property
    def converged(self) -> bool:
        """Whether the point is a minimum; False if the minimum lies at infinity."""
        return self.distance <= CONVERGED * max(1.0, self.argument.norm().item())


class LocalExpansion(NamedTuple):
    """Gradient ``(n,)``, eigenvalues ``(n,)`` and eigenvectors ``(n, n)`` of the Hessian.

    The eigenvalues ascend; the eigenvectors are the columns of ``directions``.
    """

    gradient: Tensor
    curvatures: Tensor
    directions: Tensor

    @property
    def flat(self) -> Tensor:
        """Boolean mask of the eigenvalues that vanish to within rounding errors, ``(n,)``."""
        return self.curvatures.abs() <= _FLAT * self.curvatures.abs().max()


def minimize(
    function: Function,
    start: Tensor,
    tolerance: float = 1e-10,
    max_iterations: int = 300,
    newton_steps: int = 400,
    max_saddles: int = 8,
) -> Minimum:
    r"""Find a local minimum by L-BFGS, followed by Newton steps ``-|H|^-1 g``.

    The Hessian's eigenvalues enter by their modulus, so that a step goes downhill near a saddle
    too; directions in which the function is constant are left alone. Newton steps end when they
    no longer reduce the gradient. A start with a symmetry can lead to a saddle: the search then
    continues from a point displaced along the most negative curvature.

    Args:
        function: Twice differentiable function of a tensor, ``(n, ...) -> ()``.
        start: Initial point, float64.
        tolerance: Norm of the gradient at which L-BFGS hands over to Newton's method.
        max_iterations: Largest number of iterations of L-BFGS.
        newton_steps: Largest number of Newton steps after each run of L-BFGS.
        max_saddles: Largest number of saddles that are left.

    Returns:
        The last point reached. Check ``converged``: if the minimum lies at infinity, the gradient
        becomes arbitrarily small but the remaining distance does not.

    Raises:
        ValueError: If the start is not float64, without which these tolerances cannot be reached,
            or if derivatives leave the range of float64.
    """
    if start.dtype != torch.float64:
        raise ValueError(f"got a start of {start.dtype}, expected torch.float64")
    x = start
    for _ in range(max_saddles + 1):
        x = _newton(function, _lbfgs(function, x, tolerance, max_iterations), newton_steps)
        local = local_expansion(function, x)
        lowest = local.curvatures[0].item()
        if lowest >= -1e-9 * local.curvatures.abs().max().item():
            break
        downhill = local.directions[:, 0]
        downhill = downhill * (1 if downhill[downhill.abs().argmax()] > 0 else -1)
        x = x + 0.1 * max(1.0, x.norm().item()) * downhill.view_as(x)
    return Minimum(x, function(x).item(), _norm(local.gradient), _distance(local))


def local_expansion(function: Function, x: Tensor) -> LocalExpansion:
    """Gradient of a function at a point, and the spectrum of its Hessian.

    Args:
        function: Twice differentiable function of a tensor, with values of shape ``()``.
        x: The point, a tensor of any shape with n numbers.

    Raises:
        ValueError: If second derivatives leave the range of float64.
    """
    # reverse mode twice: in forward mode torch emits warnings about its own internals
    hessian = torch.func.jacrev(torch.func.grad(function))(x).reshape(x.numel(), x.numel())
    if not hessian.isfinite().all():
        raise ValueError(
            f"got second derivatives that are not finite at {x.flatten().tolist()}, expected a "
            "function that stays in the range of float64"
        )
    # at strong coupling all entries are so small that the eigensolver needs them rescaled
    scale = hessian.abs().max().clamp(min=torch.finfo(x.dtype).tiny)
    curvatures, directions = torch.linalg.eigh(hessian / scale)
    return LocalExpansion(_gradient(function, x).flatten(), scale * curvatures, directions)


def _lbfgs(function: Function, start: Tensor, tolerance: float, max_iterations: int) -> Tensor:
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


def _newton(function: Function, x: Tensor, steps: int) -> Tensor:
    gradient_norm = _norm(_gradient(function, x))
    for _ in range(steps):
        local = local_expansion(function, x)
        step = -(local.directions @ _newton_step(local)).view_as(x)
        # close to the minimum the value is dominated by rounding errors, the gradient is not
        for k in range(12):
            trial = x + 0.5**k * step
            norm = _norm(_gradient(function, trial))
            if norm < gradient_norm:
                break
        else:
            break
        x, gradient_norm = trial, norm
    return x


def _norm(vector: Tensor) -> float:
    """Euclidean norm, scaled so that squares stay within the range of float64."""
    largest = vector.abs().max().item()
    return largest * (vector / largest).norm().item() if largest > 0 else 0.0


def _gradient(function: Function, x: Tensor) -> Tensor:
    return torch.func.grad(function)(x)


def _newton_step(local: LocalExpansion) -> Tensor:
    """Components of ``|H|^-1 g`` along the eigenvectors, ``(n,)``; zero along flat directions."""
    along = local.directions.T @ local.gradient
    return torch.where(local.flat, 0.0, along / local.curvatures.abs().masked_fill(local.flat, 1))


def _distance(local: LocalExpansion) -> float:
    """Length of the Newton step, or infinity if the function falls along a flat direction."""
    slope = (local.directions.T @ local.gradient).abs()[local.flat]
    if (slope > 0.01 * _FLAT * local.curvatures.abs().max()).any():
        return math.inf
    return _newton_step(local).norm().item()
