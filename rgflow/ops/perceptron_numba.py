"""Perceptrons in machine code, for float32 on a CPU: `rgflow.ops.perceptron` without a graph."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rgflow.ops.fused import are_plain, cut, wants_graph
from rgflow.ops.kernels.codes import CODES
from rgflow.ops.layers import ACTIVATIONS, Layers

WIDEST = 96
"""Features of a layer up to which this is faster than a library's products of matrices."""


def suits(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> bool:
    """Whether there is machine code for that net, and nobody looks inside."""
    tensors = (x, *ready)
    return (
        are_plain(*tensors)
        and not wants_graph(*tensors)
        and x.shape[1] == layers.shapes[0][1]
        and _codes(layers) is not None
    )


def evaluate(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> tuple[Tensor, list[Tensor]]:
    """As `rgflow.ops.perceptron.evaluate`; what is kept is the input."""
    from rgflow.ops.kernels import net, threads

    read = x.T.contiguous()
    out = read.new_empty(layers.shapes[-1][0], len(x))
    arrays = _flat(ready).numpy(), *_codes(layers), read.detach().numpy(), out.numpy()
    threads.in_parallel(lambda _, *ends: net.run(*arrays, *ends), len(x), net.TILE)
    return out.T, [read]


def pull_back(
    grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], layers: Layers, of_ready: bool
) -> tuple[Tensor, list[Tensor]]:
    """As `rgflow.ops.perceptron.pull_back`."""
    from rgflow.ops.kernels import net, threads

    (read,), flat = kept, _flat(ready)
    found = torch.empty_like(read)
    given = [t.detach().numpy() for t in (read, grad.T.contiguous(), found)]
    head = flat.numpy(), *_codes(layers)
    of_flat = threads.summed_in_parallel(
        lambda part, *ends: net.run_back(*head, *given, part, *ends),
        len(grad),
        net.TILE,
        len(flat) if of_ready else 0,
    )
    if not of_ready:
        return found.T, []
    count = len(layers.shapes)
    cuts = of_flat.split([tensor.numel() for tensor in ready])
    matrices, offsets = cut(cuts, [count, count])
    matrices = [m.view(shape) for m, shape in zip(matrices, layers.shapes, strict=True)]
    return found.T, [*matrices, *offsets]


def _flat(ready: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in ready]).detach()


@functools.lru_cache(maxsize=64)
def _codes(layers: Layers) -> tuple[np.ndarray, np.ndarray] | None:
    """Widths and codes of the activations; None where there is no machine code."""
    # what goes with the sigmoid to make a tanh of it is in the maps
    known = {ACTIVATIONS[n]: code for n, code in CODES.items() if n in ACTIVATIONS}
    known[ACTIVATIONS["tanh"]] = CODES["sigmoid"]
    widths = [layers.shapes[0][1], *(rows for rows, _ in layers.shapes)]
    is_known = set(layers.activations) <= set(known)
    if len(layers.shapes) == 1 or max(widths) > WIDEST or not is_known:
        return None
    codes = [known[activation] for activation in layers.activations]
    return np.array(widths), np.array(codes, np.int64)
