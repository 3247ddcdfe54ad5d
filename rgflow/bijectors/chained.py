"""A chain of affine couplings on features as one function with a hand-written gradient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from rgflow.bijectors.base import Chain
from rgflow.bijectors.coupling import AffineCoupling, Coupling, Halves
from rgflow.bijectors.memory import Memory, run_in_sequence
from rgflow.conditioners import ExplicitNet
from rgflow.fused import LOG2_E, evaluate_affine, pull_back_affine


class CouplingChain(Chain):
    """Couplings one after another, on halves ``(N, A)`` and ``(N, B)``.

    Chains of affine couplings with an `ExplicitNet` inside run as one function, since on small
    blocks the engine of autograd takes as long as the work itself; hooks on the couplings and
    their nets are not called then. All others, and all under torch.func and compilers, run as in
    a `Chain`.

    Args:
        couplings: In forward order, all of the same split.
        memory: See ``Chain``; only ``"store"`` is one function.
    """

    def __init__(self, couplings: Sequence[Coupling], memory: Memory = "store") -> None:
        super().__init__(couplings, memory)
        self._fits = (
            memory == "store"
            and {c.read_half for c in couplings} == {0, 1}
            and all(
                type(c) is AffineCoupling
                and isinstance(c.conditioner, ExplicitNet)
                and c.event_shape[1 - c.read_half] == (c.conditioner.outputs // 2,)
                for c in couplings
            )
        )
        self.batch_innermost = self._fits

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        return self._run(z, inverse=True)

    def _run(self, halves: Halves, *, inverse: bool) -> tuple[Halves, Tensor]:
        couplings = list(self.bijectors)
        if inverse:
            couplings.reverse()
        if (
            not self._fits
            or torch.compiler.is_compiling()
            or torch._C._are_functorch_transforms_active()
        ):
            return run_in_sequence(couplings, halves, self.memory, inverse=inverse)
        device = halves[0].device.type
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        tensors = [tensor for c in couplings for tensor in c.conditioner.tensors()]
        *halves, log_det = _Couplings.apply(couplings, inverse, low, *halves, *tensors)
        return tuple(halves), log_det


class _Couplings(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        couplings: Sequence[AffineCoupling],
        inverse: bool,
        low: torch.dtype | None,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        halves, rest = list(inputs[:2]), iter(inputs[2:])
        total: Tensor | None = None
        kept: list[Tensor] = []
        counts = []
        with torch.autocast(inputs[0].device.type, enabled=False):
            for coupling in couplings:
                net, changing = coupling.conditioner, 1 - coupling.read_half
                tensors = list(islice(rest, len(net.tensors())))
                changed = halves[changing]
                read = halves[coupling.read_half]
                parameters, of_net = net.evaluate(read if low is None else read.to(low), tensors)
                parameters = parameters.to(changed.dtype)
                image, log2_scale, *factors = evaluate_affine(
                    changed, parameters, coupling.scale_bound, inverse
                )
                halves[changing] = image
                log2_det = log2_scale.sum(1)
                total = log2_det if total is None else total + log2_det
                kept += [image if inverse else changed, *factors, *of_net]
                counts.append((len(tensors), len(of_net)))
        ctx.couplings, ctx.inverse, ctx.low, ctx.counts = couplings, inverse, low, counts
        ctx.save_for_backward(*inputs, *kept)
        # apart from what is kept, whose views would hold the graph that holds them
        return *(half.detach() for half in halves), total / LOG2_E

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        count = 2 + sum(tensors for tensors, _ in ctx.counts)
        inputs, kept = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        wanted = ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            return None, None, None, *_differentiable(ctx, inputs, wanted, grads)
        *halves, log_det_grad = grads
        of_tensors: list[Tensor | None] = []
        weights: dict[float, Tensor] = {}
        for coupling, (tensors, of_net) in zip(
            reversed(ctx.couplings), reversed(ctx.counts), strict=True
        ):
            scaled, gate, factor, *rest = kept[-3 - of_net :]
            kept = kept[: -3 - of_net]
            changing = 1 - coupling.read_half
            slope = (-2 if ctx.inverse else 2) * coupling.scale_bound
            if slope not in weights:
                weights[slope] = (log_det_grad * slope)[:, None]
            halves[changing], grad = pull_back_affine(
                halves[changing], weights[slope], slope, scaled, gate, factor, ctx.inverse
            )
            start = count - len(of_tensors) - tensors
            own = inputs[start : start + tensors]
            grad = grad if ctx.low is None else grad.to(ctx.low)
            grad, own = coupling.conditioner.pull_back(grad, own, rest, any(wanted[2:]))
            of_tensors = own + of_tensors
            halves[coupling.read_half] = halves[coupling.read_half] + grad.to(scaled.dtype)
        return None, None, None, *halves, *of_tensors


def _differentiable(
    ctx: Any, inputs: Sequence[Tensor], wanted: Sequence[bool], grads: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients again, with a graph of their own."""
    device = inputs[0].device.type
    with torch.autocast(device, dtype=ctx.low, enabled=ctx.low is not None):
        halves, log_det = run_in_sequence(
            ctx.couplings, tuple(inputs[:2]), "store", inverse=ctx.inverse
        )
    of = [tensor for tensor, asked in zip(inputs, wanted, strict=True) if asked]
    found = iter(
        torch.autograd.grad((*halves, log_det), of, grads, create_graph=True, allow_unused=True)
    )
    return [next(found) if asked else None for asked in wanted]
