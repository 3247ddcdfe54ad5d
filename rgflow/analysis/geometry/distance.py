"""Distance in the bulk, read off from mutual information."""

from typing import NamedTuple

import torch
from torch import Tensor


class BulkDistance(NamedTuple):
    """Distances with their standard errors and, if it was given for informations, covariance."""

    distance: Tensor
    error: Tensor | None
    covariance: Tensor | None


def bulk_distance(
    information: Tensor,
    xi: float = 1.0,
    I0: float = 1.0,
    *,
    error: Tensor | None = None,
    covariance: Tensor | None = None,
) -> BulkDistance:
    r"""Distance ``d = -xi ln(I / I0)`` of latents whose mutual information is I.

    In a bulk in which correlations decay over a length xi, information decays exponentially with
    distance. Errors are propagated linearly, ``sigma_d = xi sigma_I / I``: they mean something
    where I is a few times its error. Information that came out at zero or below has no distance:
    it is NaN, with the error NaN.

    Args:
        information: I, any shape, nats.
        xi: The unit of length, positive.
        I0: Information at distance zero, nats, positive. It shifts all distances alike.
        error: Standard errors of I, of its shape.
        covariance: Covariance ``(K, K)`` of informations ``(K,)``, in place of the errors.

    Raises:
        ValueError: If xi or I0 is not positive, or both an error and a covariance are given.

    Reference: arXiv:1903.00804.

    >>> bulk_distance(torch.tensor([1.0, 0.5, -0.1]), xi=2.0).distance
    tensor([-0.0000, 1.3863,    nan])
    """
    if not (xi > 0 and I0 > 0):
        raise ValueError(f"got xi={xi} and I0={I0}, expected two positive numbers")
    if error is not None and covariance is not None:
        raise ValueError("got an error and a covariance, expected one of them")
    known = torch.where(information > 0, information, torch.nan)
    if covariance is not None:
        covariance = xi**2 * covariance / (known[:, None] * known[None, :])
        error = covariance.diagonal().sqrt()
    elif error is not None:
        error = xi * error / known
    return BulkDistance(-xi * (known / I0).log(), error, covariance)
