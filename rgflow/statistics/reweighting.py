"""Averages over a target, from samples of a flow with their weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.statistics.chains import Measured, real_numbers
from rgflow.statistics.weights import bootstrap, checked_log_weights


def reweighted(values: Tensor, log_weights: Tensor) -> Measured:
    r"""Mean in the target, ``sum w v / sum w``, with the delta method's error.

    ``error^2 = sum w^2 (v - mean)^2 / (sum w)^2``.

    Args:
        values: ``(n,)``, one for each sample of the flow.
        log_weights: ``(n,)``.

    Raises:
        ValueError: If shapes differ, or something is not finite.
    """
    values, log_weights = _paired([values], log_weights)
    share = torch.softmax(log_weights, 0)
    mean = (share * values[:, 0]).sum()
    error = (share * (values[:, 0] - mean)).square().sum().sqrt()
    return Measured(float(mean), float(error))


def derived_reweighted(
    function: Callable[..., Tensor],
    *values: Tensor,
    log_weights: Tensor,
    generator: torch.Generator | None = None,
) -> Measured:
    """A function of means in the target, ``F(<a>, <b>, ...)``, with its error by bootstrap.

    Args:
        function: Takes as many tensors as there are values, elementwise, since it is applied to
            all resamplings at once.
        values: Each ``(n,)``, one number for each sample of the flow.
        log_weights: ``(n,)``.
        generator: Source of the bootstrap, on the CPU; a fixed stream if None.

    Raises:
        ValueError: If shapes differ, or something is not finite.
    """
    columns, log_weights = _paired(values, log_weights)
    weights = (log_weights - log_weights.max()).exp()
    columns = torch.cat([weights[:, None], weights[:, None] * columns], 1)

    def estimate(means: Tensor) -> Tensor:
        return function(*(means[..., 1:] / means[..., :1]).unbind(-1))

    return Measured(*bootstrap(estimate, columns, generator))


def _paired(
    values: list[Tensor] | tuple[Tensor, ...], log_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Values ``(n, P)`` and log weights ``(n,)``, float64 on the CPU, checked."""
    log_weights = checked_log_weights(log_weights)
    shapes = [tuple(one.shape) for one in values]
    if not shapes or any(shape != tuple(log_weights.shape) for shape in shapes):
        raise ValueError(f"got values of shapes {shapes}, expected {tuple(log_weights.shape)}")
    columns = torch.stack([real_numbers(one, "values") for one in values], 1)
    if not columns.isfinite().all():
        raise ValueError("got values that are not all finite, expected finite numbers")
    return columns, log_weights
