"""Chains of affine couplings with narrow perceptrons in machine code, for float32 on a CPU.

The same functions as those of `rgflow.bijectors.explicit`: where nets are narrow several times as
fast, as no intermediate result leaves the cache, and none is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors import explicit
from rgflow.bijectors.coupling import AffineCoupling, Coupling, Halves
from rgflow.explicit_net import Perceptron
from rgflow.fused import stand_for_many
from rgflow.native_perceptron import WIDEST

if TYPE_CHECKING:
    from rgflow.kernels.affine_chain import Plan

ACTIVATIONS = ("tanh", "elu", "silu", "relu")


class Kind(NamedTuple):
    """What an affine coupling is beside its parameters."""

    reads: int
    bound: float
    nets: tuple[Perceptron, ...]


def suits(couplings: Sequence[Coupling], halves: Halves) -> bool:
    """Whether there is machine code for these couplings on these halves."""
    if torch.is_autocast_enabled("cpu") or len(halves[0]) == 0:
        return False
    tensors = (*halves, *_tensors(couplings))
    return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors) and _is_known(
        _kinds(couplings)
    )


def run(couplings: Sequence[Coupling], halves: Halves, *, inverse: bool) -> tuple[Halves, Tensor]:
    """As `explicit.run`, where it `suits`."""
    inputs = (*halves, *_tensors(couplings))
    keeps = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    *images, log_det = _Chain.apply(couplings, inverse, keeps, *inputs)
    return explicit.with_images(couplings, halves, images), log_det


def _tensors(couplings: Sequence[Coupling]) -> list[Tensor]:
    return [tensor for coupling in couplings for tensor in coupling.conditioner.tensors()]


def _kinds(couplings: Sequence[Coupling]) -> tuple[Kind | None, ...]:
    return tuple(
        Kind(c.read_half, c.scale_bound, c.conditioner.perceptrons)
        if type(c) is AffineCoupling
        else None
        for c in couplings
    )


@functools.lru_cache(maxsize=64)
def _is_known(kinds: tuple[Kind | None, ...]) -> bool:
    """Whether all are affine, with as many narrow nets of as many layers."""
    if None in kinds:
        return False
    nets = [net for kind in kinds for net in kind.nets]
    return (
        min(len(kind.nets) for kind in kinds) == max(len(kind.nets) for kind in kinds) > 0
        and len({len(net.widths) for net in nets}) == 1
        and all(max(net.widths) <= WIDEST for net in nets)
        and all(name in ACTIVATIONS for net in nets for name in net.activations)
    )


@functools.lru_cache(maxsize=64)
def _plan(kinds: tuple[Kind, ...], inverse: bool) -> Plan:
    """The chain for the machine code, whose parameters lie one after another."""
    import numpy as np

    from rgflow.kernels.affine_chain import Plan
    from rgflow.kernels.pointwise import CODES

    nets = [kind.nets for kind in kinds]
    sizes = np.array([net.parameters for own in nets for net in own])
    first = [own[0] for own in nets]
    codes = [[CODES[name] for name in net.activations] for net in first]
    return Plan(
        inverse=inverse,
        reads=np.array([kind.reads for kind in kinds]),
        bounds=np.array([kind.bound for kind in kinds], np.float32),
        starts=(np.cumsum(sizes) - sizes).reshape(len(kinds), -1),
        widths=np.array([net.widths for net in first]),
        activations=np.array(codes, np.int64).reshape(len(kinds), -1),
    )


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, couplings: Sequence[Coupling], inverse: bool, keeps: bool, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        from rgflow.kernels import affine_chain, threads

        plan = _plan(_kinds(couplings), inverse)
        halves = [half.T.contiguous() for half in inputs[:2]]
        flat = torch.cat([tensor.flatten() for tensor in inputs[2:]])
        images = [torch.empty_like(half) for half in halves]
        samples = len(inputs[0])
        log_det = flat.new_empty(samples)
        rows = sum(len(halves[1 - c.read_half]) for c in couplings) if keeps else 0
        changed = flat.new_empty(rows, samples)
        arrays = [t.numpy() for t in (flat, *halves, *images, log_det, changed)]
        threads.in_parallel(
            lambda _, *ends: affine_chain.run(plan, *arrays, *ends), samples, affine_chain.TILE
        )
        ctx.couplings, ctx.inverse, ctx.plan = couplings, inverse, plan
        ctx.save_for_backward(*inputs, flat, *images, changed)
        # apart from what is kept, as in `explicit`
        return *(images[half].T.detach() for half in explicit.changing_halves(couplings)), log_det

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, flat, first, second, changed = ctx.saved_tensors
        couplings, wanted = ctx.couplings, ctx.needs_input_grad[3:]
        if torch.is_grad_enabled() or not explicit.works_here() or stand_for_many(grads):
            found = explicit.differentiable(couplings, inputs, wanted, grads, inverse=ctx.inverse)
            return None, None, None, *found
        from rgflow.kernels import affine_chain, threads

        *of_images, of_log_det = grads
        of_halves = [torch.zeros_like(first), torch.zeros_like(second)]
        for half, grad in zip(explicit.changing_halves(couplings), of_images, strict=True):
            of_halves[half] = grad.T.contiguous()
        found = [torch.empty_like(first), torch.empty_like(second)]
        parts = flat.new_zeros(torch.get_num_threads(), len(flat) if any(wanted[2:]) else 0)
        given = (flat, first, second, changed, *of_halves, of_log_det.contiguous(), *found)
        arrays, part_arrays = [t.numpy() for t in given], parts.numpy()
        threads.in_parallel(
            lambda i, *ends: affine_chain.run_back(ctx.plan, *arrays, part_arrays[i], *ends),
            len(inputs[0]),
            affine_chain.TILE,
        )
        of_tensors: Sequence[Tensor | None] = [None] * len(inputs[2:])
        if any(wanted[2:]):
            cuts = parts.sum(0).split([tensor.numel() for tensor in inputs[2:]])
            of_tensors = [c.view_as(t) for c, t in zip(cuts, inputs[2:], strict=True)]
        return None, None, None, *(grad.T for grad in found), *of_tensors
