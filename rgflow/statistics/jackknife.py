"""Standard errors of estimates by the jackknife."""

from torch import Tensor


def jackknife_error(leave_one_out: Tensor) -> float:
    """Standard error ``sqrt((B - 1) / B sum_b (x_b - mean x)^2)`` of an estimate.

    Args:
        leave_one_out: The estimate ``x_b`` with the bin b left out, for each of B bins, ``(B,)``.
    """
    bins = len(leave_one_out)
    deviations = leave_one_out.double() - leave_one_out.double().mean()
    return ((bins - 1) / bins * deviations.square().sum()).sqrt().item()
