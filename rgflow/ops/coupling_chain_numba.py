"""Chains of affine couplings with narrow perceptrons in machine code, for float32 on a CPU.

The result is that of `rgflow.ops.coupling_chain`. Where nets are narrow it comes several times as
fast, as intermediate results stay in the cache, and of them only the numbers that each coupling
changed are saved.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.ops.affine import FastAffine
from rgflow.ops.choice import are_batched, hand_written_gradients, machine_code, wants_graph
from rgflow.ops.compositions import FastSideBySide
from rgflow.ops.contract import Coupling, FastNet, Halves
from rgflow.ops.coupling_chain import changing_halves, gradients_in_torch, with_images
from rgflow.ops.kernels.codes import CODES
from rgflow.ops.perceptron import FastPerceptron
from rgflow.ops.perceptron_numba import WIDEST

if TYPE_CHECKING:
    from rgflow.ops.kernels.affine_chain import Plan


class Kind(NamedTuple):
    """All of an affine coupling but the values of its parameters.

    Attributes:
        reads: Index of the half that is read.
        shapes: Shapes of both halves without the batch axis.
        bound: Largest absolute log-scale.
        net: Each of its nets, whose outputs, one after another, are log-scales, then shifts.
        nets: Number of nets.
    """

    reads: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    bound: float
    net: FastPerceptron
    nets: int

    @property
    def is_known(self) -> bool:
        """Whether there is machine code for it."""
        read, changed = self.shapes[self.reads], self.shapes[1 - self.reads]
        return (
            (self.net.inputs,) == read
            and (self.net.outputs * self.nets,) == (2 * changed[0], *changed[1:])
            and max(self.net.widths) <= WIDEST
            and all(name in CODES for name in self.net.activations)
        )


def suits(couplings: Sequence[Coupling], halves: Halves) -> bool:
    """Whether there is machine code for these couplings on these halves."""
    if not isinstance(couplings[0].transform.fast, FastAffine):  # a quick first test
        return False
    kinds = _kinds(couplings)
    if None in kinds or not _are_known(kinds) or torch.is_autocast_enabled("cpu"):
        return False
    tensors = _parameters(couplings)
    return machine_code(*halves, *tensors) and sum(t.numel() for t in tensors) == _count(kinds)


def run_in_machine_code(
    couplings: Sequence[Coupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
    """The same as `rgflow.ops.coupling_chain.run_in_torch`, for couplings that `suits` accepts."""
    inputs = (*halves, *_parameters(couplings))
    *images, log_det = _Chain.apply(couplings, inverse, wants_graph(*inputs), *inputs)
    return with_images(couplings, halves, images), log_det


def _parameters(couplings: Sequence[Coupling]) -> list[Tensor]:
    return [tensor for c in couplings for tensor in c.conditioner.parameter_list()]


def _kinds(couplings: Sequence[Coupling]) -> tuple[Kind | None, ...]:
    return tuple(
        _kind(c.read_half, c.event_shape, c.transform.fast, c.conditioner.fast) for c in couplings
    )


@functools.lru_cache(maxsize=256)
def _kind(
    reads: int, shapes: tuple[tuple[int, ...], tuple[int, ...]], transform: Any, net: FastNet
) -> Kind | None:
    """The kind of a coupling; None if it is not an affine coupling with perceptrons."""
    one, count = (net.net, net.count) if isinstance(net, FastSideBySide) else (net, 1)
    if not isinstance(transform, FastAffine) or not isinstance(one, FastPerceptron):
        return None
    return Kind(reads, shapes, transform.bound, one, count)


@functools.lru_cache(maxsize=64)
def _are_known(kinds: tuple[Kind, ...]) -> bool:
    """Whether there is machine code for all; they need equally many nets of equal depth."""
    return (
        all(kind.is_known for kind in kinds)
        and len({kind.nets for kind in kinds}) == 1
        and len({len(kind.net.widths) for kind in kinds}) == 1
    )


@functools.lru_cache(maxsize=64)
def _count(kinds: tuple[Kind, ...]) -> int:
    """Number of parameters of all couplings."""
    return sum(kind.nets * kind.net.parameters for kind in kinds)


@functools.lru_cache(maxsize=64)
def _plan(kinds: tuple[Kind, ...], inverse: bool) -> Plan:
    """The description of the chain for machine code; parameters are stored net after net."""
    import numpy as np

    from rgflow.ops.kernels.affine_chain import Plan

    sizes = np.array([kind.net.parameters for kind in kinds for _ in range(kind.nets)])
    codes = [[CODES[name] for name in kind.net.activations] for kind in kinds]
    return Plan(
        inverse=inverse,
        reads=np.array([kind.reads for kind in kinds]),
        bounds=np.array([kind.bound for kind in kinds], np.float32),
        starts=(np.cumsum(sizes) - sizes).reshape(len(kinds), -1),
        widths=np.array([kind.net.widths for kind in kinds]),
        activations=np.array(codes, np.int64).reshape(len(kinds), -1),
    )


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, couplings: Sequence[Coupling], inverse: bool, saves: bool, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        from rgflow.ops.kernels import affine_chain, threads

        plan = _plan(_kinds(couplings), inverse)
        halves = [half.T.contiguous() for half in inputs[:2]]
        flat = torch.cat([tensor.flatten() for tensor in inputs[2:]])
        images = [torch.empty_like(half) for half in halves]
        samples = len(inputs[0])
        log_det = flat.new_empty(samples)
        rows = sum(len(halves[1 - c.read_half]) for c in couplings) if saves else 0
        changed = flat.new_empty(rows, samples)
        arrays = [t.numpy() for t in (flat, *halves, *images, log_det, changed)]
        threads.in_parallel(
            lambda _, *ends: affine_chain.affine_chain(plan, *arrays, *ends),
            samples,
            affine_chain.TILE,
        )
        ctx.couplings, ctx.inverse, ctx.plan = couplings, inverse, plan
        ctx.save_for_backward(*inputs, flat, *images, changed)
        # detached, as in `rgflow.ops.coupling_chain`
        return *(images[half].T.detach() for half in changing_halves(couplings)), log_det

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, flat, first, second, changed = ctx.saved_tensors
        couplings, wanted = ctx.couplings, ctx.needs_input_grad[3:]
        if torch.is_grad_enabled() or not hand_written_gradients() or are_batched(grads):
            found = gradients_in_torch(couplings, inputs, wanted, grads, inverse=ctx.inverse)
            return None, None, None, *found
        from rgflow.ops.kernels import affine_chain, threads

        *of_images, of_log_det = grads
        of_halves = [torch.zeros_like(first), torch.zeros_like(second)]
        for half, grad in zip(changing_halves(couplings), of_images, strict=True):
            of_halves[half] = grad.T.contiguous()
        found = [torch.empty_like(first), torch.empty_like(second)]
        given = (flat, first, second, changed, *of_halves, of_log_det.contiguous(), *found)
        arrays = [t.numpy() for t in given]
        of_flat = threads.summed_in_parallel(
            lambda part, *ends: affine_chain.affine_chain_vjp(ctx.plan, *arrays, part, *ends),
            len(inputs[0]),
            affine_chain.TILE,
            len(flat) if any(wanted[2:]) else 0,
        )
        of_parameters: Sequence[Tensor | None] = [None] * len(inputs[2:])
        if any(wanted[2:]):
            cuts = of_flat.split([tensor.numel() for tensor in inputs[2:]])
            of_parameters = [c.view_as(t) for c, t in zip(cuts, inputs[2:], strict=True)]
        return None, None, None, *(grad.T for grad in found), *of_parameters
