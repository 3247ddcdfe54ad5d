"""Perceptrons in machine code, for float32 on a CPU where autograd records nothing."""

from __future__ import annotations

import functools
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rgflow.ops.choice import machine_code, wants_graph
from rgflow.ops.kernels.codes import CODES

WIDEST = 96
"""Widest layer for which this is faster than the matrix products of torch."""

# the prepared weights absorb the scales and offsets that turn a sigmoid into a tanh
_CODES = CODES | {"tanh": CODES["sigmoid"]}


class _Perceptron(Protocol):
    widths: tuple[int, ...]
    activations: tuple[str, ...]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]: ...


class _LinearMaps(Protocol):
    matrices: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]


def suits(net: _Perceptron, x: Tensor, weights: _LinearMaps) -> bool:
    """Whether there is machine code for this net and this input."""
    tensors = (x, *weights.matrices, *weights.offsets)
    return (
        machine_code(*tensors)
        and not wants_graph(*tensors)
        and x.shape[1] == net.widths[0]
        and _is_known(net.widths, net.activations)
    )


def perceptron(net: _Perceptron, x: Tensor, weights: _LinearMaps) -> tuple[Tensor, Tensor]:
    """The output ``(N, out)``, and the input as ``(in, N)``, which the vjp needs."""
    from rgflow.ops.kernels import net as kernel
    from rgflow.ops.kernels import threads

    read = x.T.contiguous()
    out = read.new_empty(net.widths[-1], len(x))
    arrays = _flat(weights).numpy(), *_plan(net.widths, net.activations)
    arrays = *arrays, read.detach().numpy(), out.numpy()
    threads.in_parallel(lambda _, *ends: kernel.perceptron(*arrays, *ends), len(x), kernel.TILE)
    return out.T, read


def perceptron_vjp(
    net: _Perceptron, grad: Tensor, weights: _LinearMaps, read: Tensor, of_weights: bool
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Gradients in x, in the matrices and in the offsets, the latter two with ``of_weights``."""
    from rgflow.ops.kernels import net as kernel
    from rgflow.ops.kernels import threads

    flat = _flat(weights)
    of_x = torch.empty_like(read)
    given = [t.detach().numpy() for t in (read, grad.T.contiguous(), of_x)]
    head = flat.numpy(), *_plan(net.widths, net.activations)
    of_flat = threads.summed_in_parallel(
        lambda part, *ends: kernel.perceptron_vjp(*head, *given, part, *ends),
        len(grad),
        kernel.TILE,
        len(flat) if of_weights else 0,
    )
    if not of_weights:
        return of_x.T, (), ()
    sizes = [tensor.numel() for tensor in (*weights.matrices, *weights.offsets)]
    cuts, count = of_flat.split(sizes), len(weights.matrices)
    matrices = (cut.view(shape) for cut, shape in zip(cuts[:count], net.shapes, strict=True))
    return of_x.T, tuple(matrices), cuts[count:]


def _flat(weights: _LinearMaps) -> Tensor:
    return torch.cat([t.flatten() for t in (*weights.matrices, *weights.offsets)]).detach()


@functools.lru_cache(maxsize=64)
def _is_known(widths: tuple[int, ...], activations: tuple[str, ...]) -> bool:
    return len(activations) > 0 and max(widths) <= WIDEST and set(activations) <= set(_CODES)


@functools.lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...], activations: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The widths, and the codes of the activations, as arrays for machine code."""
    return np.array(widths), np.array([_CODES[name] for name in activations], np.int64)
