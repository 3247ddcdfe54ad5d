"""What an estimator of a mutual information gives: a value above its baseline, with an error."""

from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A mutual information in nats, with what was subtracted from it.

    Attributes:
        value: The estimate less its baseline; it may be negative, and is so in about half of all
            cases where there is no information.
        error: Standard error of the value, with that of the baseline.
        baseline: Mean estimate for samples in which the pairing of the variables is broken.
    """

    value: float
    error: float
    baseline: float


def baseline_of(raw: Tensor, error: Tensor, shuffled: Tensor) -> Estimate:
    """Subtracts the mean over shuffled samples, and adds its error in quadrature.

    Args:
        raw: The estimate, one number.
        error: Its standard error.
        shuffled: Estimates for shuffled samples, ``(permutations,)``.
    """
    baseline, noise = torch.zeros(()), torch.zeros(())
    if len(shuffled):
        baseline = shuffled.double().mean()
    if len(shuffled) > 1:
        noise = shuffled.double().std() / len(shuffled) ** 0.5
    total = torch.hypot(error.double(), noise.double())
    return Estimate(float(raw.double() - baseline), float(total), float(baseline))


def two_dimensional(x: Tensor) -> Tensor:
    """Samples of one variable as ``(N, components)``.

    Raises:
        ValueError: For another shape.
    """
    if x.dim() not in (1, 2) or not x.numel():
        raise ValueError(
            f"got samples of shape {tuple(x.shape)}, expected (N,) or (N, components)"
        )
    return x[:, None] if x.dim() == 1 else x
