"""Minimisation of a smooth function of a few numbers down to rounding errors."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

CONVERGED = 1e-6
"""Largest distance to the minimum, in units of 1 or of the argument's norm, of one that counts."""

_FLAT = 1e-12  # curvature over the largest one, below which rounding errors may have made it


class Minimum(NamedTuple):
    """What `minimize` has found.

    Attributes:
        argument: Where the function is smallest.
        value: Of the function there.
        gradient_norm: There.
        distance: Length of the Newton step that is left; infinity where the function still falls
            along a direction whose curvature vanishes.
    """

    argument: Tensor
    value: float
    gradient_norm: float
    distance: float

    @property
    def converged(self) -> bool:
        """Whether the minimum is there; not so if it lies at infinity."""
        return self.distance <= CONVERGED * max(1.0, self.argument.norm().item())


class Local(NamedTuple):
    """Gradient ``(n,)``, eigenvalues ``(n,)`` and eigenvectors ``(n, n)`` of the Hessian."""

    gradient: Tensor
    curvatures: Tensor
    directions: Tensor

    @property
    def flat(self) -> Tensor:
        """Which eigenvalues are zero to within rounding errors."""
        return self.curvatures.abs() <= _FLAT * self.curvatures.abs().max()


def minimize(
    function: Function,
    start: Tensor,
    tolerance: float = 1e-10,
    max_iterations: int = 300,
    newton_steps: int = 400,
    kicks: int = 8,
) -> Minimum:
    r"""Local minimum by torch's LBFGS, then Newton steps ``-|H|^-1 g`` as long as they help.

    Taking the Hessian's eigenvalues by their modulus makes a step go downhill near a saddle too,
    and leaves alone directions in which the function is constant. Where all this ends on a saddle,
    as it does from a start with a symmetry, it goes on from a point beside it.

    Args:
        function: ``(n, ...) -> ()``, differentiable twice.
        start: Where to begin; float64.
        tolerance: Norm of the gradient at which LBFGS hands over.
        max_iterations: Of LBFGS.
        newton_steps: At most so many at a time.
        kicks: At most so many saddles are left.

    Returns:
        The point with the smallest gradient; look at ``converged``: where the minimum lies at
        infinity, the gradient gets as small as one likes, and the distance does not.

    Raises:
        ValueError: If the start is not float64, in which alone such tolerances make sense, or
            derivatives leave the range of float64.
    """
    if start.dtype != torch.float64:
        raise ValueError(f"got a start of {start.dtype}, expected torch.float64")
    x = start
    for _ in range(kicks + 1):
        x = _newton(function, _lbfgs(function, x, tolerance, max_iterations), newton_steps)
        local = local_expansion(function, x)
        lowest = local.curvatures[0].item()
        if lowest >= -1e-9 * local.curvatures.abs().max().item():
            break
        way = local.directions[:, 0]
        way = way * (1 if way[way.abs().argmax()] > 0 else -1)
        x = x + 0.1 * max(1.0, x.norm().item()) * way.view_as(x)
    return Minimum(x, function(x).item(), _norm(local.gradient), _distance(local))


def local_expansion(function: Function, x: Tensor) -> Local:
    """Both derivatives of a function at a point, of any shape.

    Raises:
        ValueError: If second derivatives leave the range of float64.
    """
    # backward twice: forward mode would make torch warn its user about parts of its own
    hessian = torch.func.jacrev(torch.func.grad(function))(x).reshape(x.numel(), x.numel())
    if not hessian.isfinite().all():
        raise ValueError(
            f"got second derivatives that are not finite at {x.flatten().tolist()}, expected a "
            "function that stays in the range of float64"
        )
    # at strong coupling all its entries are so small that the solver needs them scaled
    scale = hessian.abs().max().clamp(min=torch.finfo(x.dtype).tiny)
    curvatures, directions = torch.linalg.eigh(hessian / scale)
    return Local(_gradient(function, x).flatten(), scale * curvatures, directions)


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
        # near rounding errors the function's value no longer decides, the gradient does
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
    """Without squares that leave the range of float64."""
    largest = vector.abs().max().item()
    return largest * (vector / largest).norm().item() if largest > 0 else 0.0


def _gradient(function: Function, x: Tensor) -> Tensor:
    return torch.func.grad(function)(x)


def _newton_step(local: Local) -> Tensor:
    """Its components along the eigenvectors, zero along flat ones."""
    along = local.directions.T @ local.gradient
    return torch.where(local.flat, 0.0, along / local.curvatures.abs().masked_fill(local.flat, 1))


def _distance(local: Local) -> float:
    slope = (local.directions.T @ local.gradient).abs()[local.flat]
    if (slope > 0.01 * _FLAT * local.curvatures.abs().max()).any():
        return math.inf
    return _newton_step(local).norm().item()
