"""Small functions that several of the faster ways share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """``torch.cat`` along axis 1; a batch that is innermost in memory stays so."""
    if parts[0].stride(0) == 1:
        return torch.cat([part.movedim(0, -1) for part in parts]).movedim(-1, 0)
    return torch.cat(parts, 1)


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """``torch.stack`` along a new first axis, without a copy of a single tensor."""
    return torch.stack(tuple(tensors)) if len(tensors) > 1 else tensors[0][None]


def gradients_of(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    grads: Sequence[Tensor],
) -> list[Tensor | None]:
    """Gradients by autograd in the inputs for which ``wanted`` is true, None for the others.

    Where autograd records operations, they can be differentiated again.
    """
    chosen = [tensor for tensor, asked in zip(inputs, wanted, strict=False) if asked]
    found = iter(
        torch.autograd.grad(
            outputs, chosen, grads, create_graph=torch.is_grad_enabled(), allow_unused=True
        )
    )
    return [next(found) if asked else None for _, asked in zip(inputs, wanted, strict=False)]
