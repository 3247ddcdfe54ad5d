"""Couplings as one function with a hand-written gradient.

On small tensors the engine of autograd takes as long as the work itself. Where the conditioner is
an `ExplicitNet`, one coupling, or a chain of them, is a single node of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from rgflow.bijectors.coupling import Coupling, Halves


def works_here() -> bool:
    """Whether neither torch.func nor a compiler is looking, which want plain operations."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())


def run(couplings: Sequence[Coupling], halves: Halves, *, inverse: bool) -> tuple[Halves, Tensor]:
    """Applies couplings in the given order, or their inverses.

    Hooks on the couplings and on their nets are not called.

    Args:
        couplings: All ``explicit``, in the order of application.
        halves: ``(N, A, *lattice)`` and ``(N, B, *lattice)``, best with N innermost in memory.
        inverse: Whether each one's inverse is applied.

    Returns:
        The halves, of which one that nobody changes is the tensor that was given, and the
        log_det ``(N,)``.
    """
    device = halves[0].device.type
    low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    tensors = [tensor for c in couplings for tensor in c.conditioner.tensors()]
    *images, log_det = _Couplings.apply(couplings, inverse, low, *halves, *tensors)
    result = list(halves)
    for half, image in zip(_changed(couplings), images, strict=True):
        result[half] = image
    return tuple(result), log_det


def run_plainly(
    couplings: Sequence[Coupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
    """The same in operations that autograd, torch.func and compilers know."""
    total: Tensor | None = None
    for coupling in couplings:
        halves, log_det = coupling.run_plainly(halves, inverse=inverse)
        total = log_det if total is None else total + log_det
    return halves, total


def _changed(couplings: Sequence[Coupling]) -> list[int]:
    """Which halves change."""
    return sorted({1 - coupling.read_half for coupling in couplings})


class _Couplings(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        couplings: Sequence[Coupling],
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
                changed, read = halves[changing], halves[coupling.read_half]
                parameters, of_net = net.evaluate(read if low is None else read.to(low), tensors)
                halves[changing], log_det, of_map = coupling.evaluate(
                    changed, parameters.to(changed.dtype), inverse=inverse
                )
                total = log_det if total is None else total + log_det
                kept += [*of_map, *of_net]
                counts.append((len(tensors), len(of_map), len(of_net)))
        ctx.couplings, ctx.inverse, ctx.low, ctx.counts = couplings, inverse, low, counts
        ctx.save_for_backward(*inputs, *kept)
        # apart from what is kept, whose views would hold the graph that holds them
        return *(halves[half].detach() for half in _changed(couplings)), total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        count = 2 + sum(tensors for tensors, _, _ in ctx.counts)
        saved = ctx.saved_tensors  # once, as checkpoints want it
        inputs, kept = saved[:count], saved[count:]
        wanted = ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            return None, None, None, *_differentiable(ctx, inputs, wanted, grads)
        *of_images, log_det_grad = grads
        halves: list[Tensor | None] = [None, None]
        for half, grad in zip(_changed(ctx.couplings), of_images, strict=True):
            halves[half] = grad
        of_tensors: list[Tensor | None] = []
        for coupling, (tensors, of_map, of_net) in zip(
            reversed(ctx.couplings), reversed(ctx.counts), strict=True
        ):
            kept, own = kept[: -of_map - of_net], kept[-of_map - of_net :]
            changing, reading = 1 - coupling.read_half, coupling.read_half
            halves[changing], grad = coupling.pull_back(
                halves[changing], log_det_grad, own[:of_map], inverse=ctx.inverse
            )
            start = count - len(of_tensors) - tensors
            weights = inputs[start : start + tensors]
            grad = grad if ctx.low is None else grad.to(ctx.low)
            grad, of_weights = coupling.conditioner.pull_back(
                grad, weights, own[of_map:], any(wanted[2:])
            )
            of_tensors = of_weights + of_tensors
            grad = grad.to(halves[changing].dtype)
            halves[reading] = grad if halves[reading] is None else halves[reading] + grad
        return None, None, None, *halves, *of_tensors


def _differentiable(
    ctx: Any, inputs: Sequence[Tensor], wanted: Sequence[bool], grads: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients again, with a graph of their own."""
    device = inputs[0].device.type
    with torch.autocast(device, dtype=ctx.low, enabled=ctx.low is not None):
        halves, log_det = run_plainly(ctx.couplings, tuple(inputs[:2]), inverse=ctx.inverse)
    images = [halves[half] for half in _changed(ctx.couplings)]
    of = [tensor for tensor, asked in zip(inputs, wanted, strict=True) if asked]
    found = iter(
        torch.autograd.grad((*images, log_det), of, grads, create_graph=True, allow_unused=True)
    )
    return [next(found) if asked else None for asked in wanted]
