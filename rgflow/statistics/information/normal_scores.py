"""Normal scores: any continuous marginal law made normal, which changes no mutual information."""

import torch
from torch import Tensor


def normal_scores(x: Tensor) -> Tensor:
    r"""Replaces each value by the normal quantile of its rank among the samples.

    ``u_t = Phi^-1((rank_t - 1/2) / N)``, scaled to variance one. A mutual information does not
    change under monotone maps of its variables, so that the scores stand for the samples. Equal
    values share the mean of their ranks.

    Args:
        x: Samples in rows, ``(N, ...)``; every column has its own ranks.

    Returns:
        Scores of the shape of x, in its type but at least in single precision.

    Raises:
        ValueError: If there are fewer than two samples, or values that are not finite.

    >>> normal_scores(torch.tensor([1.0, 1000.0, 2.0]))
    tensor([-1.2247,  1.2247,  0.0000])
    """
    if len(x) < 2 or not x.isfinite().all():
        raise ValueError(
            f"got {len(x)} samples, expected at least 2 and all values finite in each of them"
        )
    columns = x.reshape(len(x), -1)
    parts = [_scores(part) for part in columns.split(max(1, 2**24 // len(x)), 1)]
    return torch.cat(parts, 1).view(x.shape)


def _scores(columns: Tensor) -> Tensor:
    """``(N, n) -> (N, n)``, with the columns of as many latents as go into memory at once."""
    count = len(columns)
    ordered, order = columns.sort(0)
    place = torch.arange(count, dtype=torch.float64, device=columns.device)
    quantiles = torch.special.ndtri((place + 0.5) / count)
    scale = quantiles.square().mean().sqrt()
    dtype = torch.promote_types(columns.dtype, torch.float32)
    values = (quantiles / scale).to(dtype)[:, None].expand_as(ordered)
    tied = (ordered[1:] == ordered[:-1]).any(0)
    if tied.any():
        values = values.clone()
        for column in tied.nonzero().flatten().tolist():
            values[:, column] = _shared(ordered[:, column], place, scale).to(dtype)
    return torch.empty_like(columns, dtype=dtype).scatter_(0, order, values)


def _shared(ordered: Tensor, place: Tensor, scale: Tensor) -> Tensor:
    """Scores of one sorted column in which equal values have equal scores, ``(N,)``."""
    _, group, counts = ordered.unique_consecutive(return_inverse=True, return_counts=True)
    mean = torch.zeros(len(counts), dtype=place.dtype, device=place.device)
    mean = mean.index_add(0, group, place) / counts
    return torch.special.ndtri((mean[group] + 0.5) / len(place)) / scale
