"""Perceptrons in machine code, for float32 on a CPU: `rgflow.perceptron` without a graph."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rgflow.fused import cut, is_plain

if TYPE_CHECKING:
    from rgflow.perceptron import Layers

WIDEST = 96
"""Features of a layer up to which this is faster than a library's products of matrices."""


def suits(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> bool:
    """Whether there is machine code for that net, and nobody looks inside."""
    return _codes(layers) is not None and is_plain(x, *ready)


def evaluate(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> tuple[Tensor, list[Tensor]]:
    """As `rgflow.perceptron.evaluate`; what is kept is the input."""
    from rgflow.kernels import net, threads

    read = x.T.contiguous()
    out = read.new_empty(layers.shapes[-1][0], len(x))
    arrays = _flat(ready).numpy(), *_codes(layers), read.detach().numpy(), out.numpy()
    threads.in_parallel(lambda _, *ends: net.run(*arrays, *ends), len(x), net.TILE)
    return out.T, [read]


def pull_back(
    grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], layers: Layers, of_ready: bool
) -> tuple[Tensor, list[Tensor]]:
    """As `rgflow.perceptron.pull_back`."""
    from rgflow.kernels import net, threads

    (read,), flat = kept, _flat(ready)
    found = torch.empty_like(read)
    parts = flat.new_zeros(torch.get_num_threads(), len(flat) if of_ready else 0)
    given = [t.detach().numpy() for t in (read, grad.T.contiguous(), found)]
    head, part_arrays = (flat.numpy(), *_codes(layers)), parts.numpy()
    threads.in_parallel(
        lambda i, *ends: net.run_back(*head, *given, part_arrays[i], *ends), len(grad), net.TILE
    )
    if not of_ready:
        return found.T, []
    count = len(layers.shapes)
    cuts = parts.sum(0).split([tensor.numel() for tensor in ready])
    matrices, offsets = cut(cuts, [count, count])
    matrices = [m.view(shape) for m, shape in zip(matrices, layers.shapes, strict=True)]
    return found.T, [*matrices, *offsets]


def _flat(ready: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in ready]).detach()


@functools.lru_cache(maxsize=64)
def _codes(layers: Layers) -> tuple[np.ndarray, np.ndarray] | None:
    """Widths and codes of the activations; None where there is no machine code."""
    from rgflow.kernels.pointwise import ELU, RELU, SIGMOID, SILU
    from rgflow.perceptron import ACTIVATIONS

    # what goes with the sigmoid to make a tanh of it is in the maps
    names = {"tanh": SIGMOID, "elu": ELU, "silu": SILU, "relu": RELU}
    known = {ACTIVATIONS[name]: code for name, code in names.items()}
    widths = [layers.shapes[0][1], *(rows for rows, _ in layers.shapes)]
    is_known = set(layers.activations) <= set(known)
    if len(layers.shapes) == 1 or max(widths) > WIDEST or not is_known:
        return None
    codes = [known[activation] for activation in layers.activations]
    return np.array(widths), np.array(codes, np.int64)
