"""Ridge regression of several targets on the same regressors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

STRENGTHS = tuple(10 ** (k / 2) for k in range(-5, 5))
"""Strengths of the penalty that are tried, for standardized regressors, per image."""
VALIDATED = 0.2  # the part of the fitted images on which the strength is chosen


def ridge_predictions(
    x: Tensor, targets: Sequence[Tensor], weights: Tensor, fitted: int
) -> list[Tensor]:
    r"""Predictions of targets for the images behind the first ``fitted``, which are fitted.

    For each target y the weights w minimize ``|y - mean - x w|^2 + n s |w|^2`` over the n fitted
    images; the strength s is the one of `STRENGTHS` that predicts the last fifth of these best
    from the others. With more regressors than images the same is solved in the dual form.

    Args:
        x: Regressors ``(N, D)``.
        targets: Tensors ``(N, d)``, each of which gets a strength of its own.
        weights: ``(N,)``: images with weight 0 are left out of the fit.
        fitted: Number of images that are fitted.

    Returns:
        Predictions ``(N - fitted, d)``, one for each target.
    """
    kept = torch.arange(fitted)[weights[:fitted] > 0]
    if len(kept) < 10:
        raise ValueError(f"got {len(kept)} images of known factors, expected at least 10")
    rows = slice(fitted) if len(kept) == fitted else kept  # a slice makes no copy
    scale = x[rows].std(0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    x = (x - x[rows].mean(0)).div_(scale)
    means = [target[kept].mean(0) for target in targets]
    y = torch.cat([t[kept] - m for t, m in zip(targets, means, strict=True)], 1)
    widths = [target.shape[1] for target in targets]
    learnt, held_out = x[rows], x[fitted:]
    n = int((1 - VALIDATED) * len(kept))
    trials = _solutions(learnt[:n], y[:n], learnt[n:])
    misses = [
        [float(part.square().sum()) for part in (y[n:] - guess).split(widths, 1)]
        for guess in trials
    ]
    best = [min(range(len(STRENGTHS)), key=lambda s: misses[s][i]) for i in range(len(targets))]
    final = _solutions(learnt, y, held_out, set(best))
    parts = [guess if guess is None else guess.split(widths, 1) for guess in final]
    return [parts[s][i] + means[i] for i, s in enumerate(best)]


def _solutions(
    x: Tensor, y: Tensor, new: Tensor, chosen: set[int] | None = None
) -> list[Tensor | None]:
    """Predictions of y at new regressors for each strength; None for one that is not chosen."""
    n, size = x.shape
    is_dual = size > n
    gram = x @ x.T if is_dual else x.T @ x
    right = y if is_dual else x.T @ y
    left = new @ x.T if is_dual else new
    one = torch.eye(len(gram), dtype=x.dtype)
    predictions: list[Tensor | None] = []
    for index, strength in enumerate(STRENGTHS):
        if chosen is not None and index not in chosen:
            predictions.append(None)
            continue
        root = torch.linalg.cholesky(gram + n * strength * one)
        predictions.append(left @ torch.cholesky_solve(right, root))
    return predictions
