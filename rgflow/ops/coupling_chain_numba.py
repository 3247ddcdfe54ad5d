"""Chains of affine couplings with narrow perceptrons in machine code, for float32 on a CPU.

The same functions as those of `rgflow.ops.coupling_chain`: where nets are narrow several times as
fast, as no intermediate result leaves the cache, and none is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.ops import coupling_chain as explicit
from rgflow.ops.contract import ExplicitCoupling, Halves, Perceptron
from rgflow.ops.fused import are_plain, stand_for_many, wants_graph
from rgflow.ops.kernels.codes import CODES
from rgflow.ops.perceptron_numba import WIDEST

if TYPE_CHECKING:
    from rgflow.ops.kernels.affine_chain import Plan


class Kind(NamedTuple):
    """What an affine coupling is beside its parameters.

    Attributes:
        reads: The half that is read.
        shapes: Of both halves.
        bound: The largest absolute log-scale.
        nets: Which share log-scales and shifts evenly.
    """

    reads: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    bound: float
    nets: tuple[Perceptron, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is machine code for it."""
        read, moved = self.shapes[self.reads], self.shapes[1 - self.reads]
        return len(self.nets) > 0 and all(
            (net.widths[0],) == read
            and (net.widths[-1] * len(self.nets),) == (2 * moved[0], *moved[1:])
            and max(net.widths) <= WIDEST
            and all(name in CODES for name in net.activations)
            for net in self.nets
        )


def suits(couplings: Sequence[ExplicitCoupling], halves: Halves) -> bool:
    """Whether there is machine code for these couplings on these halves."""
    tensors, kinds = _tensors(couplings), _kinds(couplings)
    return (
        not torch.is_autocast_enabled("cpu")
        and are_plain(*halves, *tensors)
        and _are_known(kinds)
        and sum(t.numel() for t in tensors) == _count(kinds)
    )


def run(
    couplings: Sequence[ExplicitCoupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
    """As `explicit.run`, where it `suits`."""
    inputs = (*halves, *_tensors(couplings))
    *images, log_det = _Chain.apply(couplings, inverse, wants_graph(*inputs), *inputs)
    return explicit.with_images(couplings, halves, images), log_det


def _tensors(couplings: Sequence[ExplicitCoupling]) -> list[Tensor]:
    return [tensor for coupling in couplings for tensor in coupling.conditioner.tensors()]


def _kinds(couplings: Sequence[ExplicitCoupling]) -> tuple[Kind | None, ...]:
    return tuple(
        None
        if c.affine_bound is None
        else Kind(c.read_half, c.event_shape, c.affine_bound, c.conditioner.perceptrons)
        for c in couplings
    )


@functools.lru_cache(maxsize=64)
def _are_known(kinds: tuple[Kind | None, ...]) -> bool:
    """Whether there is machine code for all, which have as many nets of as many layers."""
    return (
        all(kind is not None and kind.is_known for kind in kinds)
        and len({len(kind.nets) for kind in kinds}) == 1
        and len({len(net.widths) for kind in kinds for net in kind.nets}) == 1
    )


@functools.lru_cache(maxsize=64)
def _count(kinds: tuple[Kind, ...]) -> int:
    """Parameters of all."""
    return sum(net.parameters for kind in kinds for net in kind.nets)


@functools.lru_cache(maxsize=64)
def _plan(kinds: tuple[Kind, ...], inverse: bool) -> Plan:
    """The chain for the machine code, whose parameters lie one after another."""
    import numpy as np

    from rgflow.ops.kernels.affine_chain import Plan

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
        ctx: Any,
        couplings: Sequence[ExplicitCoupling],
        inverse: bool,
        keeps: bool,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        from rgflow.ops.kernels import affine_chain, threads

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
        from rgflow.ops.kernels import affine_chain, threads

        *of_images, of_log_det = grads
        of_halves = [torch.zeros_like(first), torch.zeros_like(second)]
        for half, grad in zip(explicit.changing_halves(couplings), of_images, strict=True):
            of_halves[half] = grad.T.contiguous()
        found = [torch.empty_like(first), torch.empty_like(second)]
        given = (flat, first, second, changed, *of_halves, of_log_det.contiguous(), *found)
        arrays = [t.numpy() for t in given]
        of_flat = threads.summed_in_parallel(
            lambda part, *ends: affine_chain.run_back(ctx.plan, *arrays, part, *ends),
            len(inputs[0]),
            affine_chain.TILE,
            len(flat) if any(wanted[2:]) else 0,
        )
        of_tensors: Sequence[Tensor | None] = [None] * len(inputs[2:])
        if any(wanted[2:]):
            cuts = of_flat.split([tensor.numel() for tensor in inputs[2:]])
            of_tensors = [c.view_as(t) for c, t in zip(cuts, inputs[2:], strict=True)]
        return None, None, None, *(grad.T for grad in found), *of_tensors
