"""Couplings as one function with a hand-written gradient.

On small tensors the engine of autograd takes as long as the work itself. Where the conditioner is
an `ExplicitNet`, one coupling, or a chain of them, is a single node of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from rgflow.ops.contract import ExplicitCoupling, ExplicitNet, Halves
from rgflow.ops.fused import cut, stacked

LARGEST = 2**16
"""Parameters of a net that is prepared together with others; to stack larger ones would cost more
than it saves."""


def works_here() -> bool:
    """Whether neither torch.func nor a compiler is looking, which want plain operations."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())


def run(
    couplings: Sequence[ExplicitCoupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
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
    return with_images(couplings, halves, images), log_det


def run_plainly(
    couplings: Sequence[ExplicitCoupling],
    halves: Halves,
    tensors: Sequence[Tensor] | None = None,
    *,
    inverse: bool,
) -> tuple[Halves, Tensor]:
    """The same in operations that autograd, torch.func and compilers know.

    Args:
        couplings: As for `run`.
        halves: As for `run`.
        tensors: In place of the parameters of all couplings, in the order of ``tensors()``.
        inverse: As for `run`.
    """
    total: Tensor | None = None
    rest = iter(tensors or ())
    for coupling in couplings:
        net: Callable[[Tensor], Tensor] = coupling.conditioner
        if tensors is not None:
            net = _with_tensors(net, list(islice(rest, len(net.tensors()))))
        halves, log_det = coupling.run_plainly(halves, net, inverse=inverse)
        total = log_det if total is None else total + log_det
    return halves, total


def _with_tensors(net: ExplicitNet, tensors: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """The net with these in place of its parameters, which may be others by now."""
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    own = {names[id(p)]: given for p, given in zip(net.tensors(), tensors, strict=True)}
    return lambda x: torch.func.functional_call(net, own, (x,))


def changing_halves(couplings: Sequence[ExplicitCoupling]) -> list[int]:
    """Which halves change."""
    return sorted({1 - coupling.read_half for coupling in couplings})


def with_images(
    couplings: Sequence[ExplicitCoupling], halves: Halves, images: Sequence[Tensor]
) -> Halves:
    """The halves with the images of those that change in their places."""
    result = list(halves)
    for half, image in zip(changing_halves(couplings), images, strict=True):
        result[half] = image
    return tuple(result)


def _alike(
    couplings: Sequence[ExplicitCoupling], tensors: Sequence[Sequence[Tensor]]
) -> list[list[int]]:
    """Numbers of couplings whose conditioners are of one kind, by kind; large ones each alone."""
    groups: dict[Hashable, list[int]] = {}
    for i, (coupling, own) in enumerate(zip(couplings, tensors, strict=True)):
        is_large = sum(tensor.numel() for tensor in own) > LARGEST
        groups.setdefault(i if is_large else coupling.conditioner.kind, []).append(i)
    return list(groups.values())


def _unstack(stack: Sequence[Tensor], nets: int) -> list[Sequence[Tensor]]:
    """Each net's own tensors out of those of all."""
    if nets == 1:
        return [[tensor[0] for tensor in stack]]  # cheaper than to unbind
    return list(zip(*(tensor.unbind() for tensor in stack), strict=True))


def _by_coupling(
    groups: Sequence[Sequence[int]], stacks: Sequence[Sequence[Tensor]]
) -> list[Sequence[Tensor]]:
    """Each coupling's own tensors out of those stacked by kind."""
    own = {}
    for members, stack in zip(groups, stacks, strict=True):
        own.update(zip(members, _unstack(stack, len(members)), strict=True))
    return [own[i] for i in range(len(own))]


class _Couplings(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        couplings: Sequence[ExplicitCoupling],
        inverse: bool,
        low: torch.dtype | None,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        halves = list(inputs[:2])
        nets = [coupling.conditioner for coupling in couplings]
        ctx.counts = [len(net.tensors()) for net in nets]
        tensors = cut(inputs[2:], ctx.counts)
        ctx.groups = _alike(couplings, tensors)
        stacks, asides = [], []
        total: Tensor | None = None
        kept: list[Tensor] = []
        ctx.sizes = []
        with torch.autocast(inputs[0].device.type, enabled=False):
            for members in ctx.groups:
                own = [tensors[i] for i in members]
                stack, aside = nets[members[0]].prepare(own, low or inputs[0].dtype)
                stacks.append(stack)
                asides.append(aside)
            ready = _by_coupling(ctx.groups, stacks)
            for coupling, net, own in zip(couplings, nets, ready, strict=True):
                changing = 1 - coupling.read_half
                changed, read = halves[changing], halves[coupling.read_half]
                parameters, of_net = net.evaluate(read if low is None else read.to(low), own)
                halves[changing], log_det, of_map = coupling.evaluate(
                    changed, parameters.to(changed.dtype), inverse=inverse
                )
                total = log_det if total is None else total + log_det
                kept += [*of_map, *of_net]
                ctx.sizes += [len(of_map), len(of_net)]
        ctx.couplings, ctx.inverse, ctx.low = couplings, inverse, low
        ctx.prepared = [len(part) for part in (*stacks, *asides)]
        ctx.save_for_backward(*inputs, *chain(*stacks), *chain(*asides), *kept)
        # apart from what is kept, whose views would hold the graph that holds them
        return *(halves[half].detach() for half in changing_halves(couplings)), total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # once, as checkpoints want it
        wanted = ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            inputs = saved[: 2 + sum(ctx.counts)]
            found = differentiable(
                ctx.couplings, inputs, wanted, grads, inverse=ctx.inverse, low=ctx.low
            )
            return None, None, None, *found
        groups, count = ctx.groups, len(ctx.couplings)
        _, *parts = cut(saved, [2 + sum(ctx.counts), *ctx.prepared, *ctx.sizes])
        stacks, asides, kept = cut(parts, [len(groups), len(groups), 2 * count])
        ready = _by_coupling(groups, stacks)
        *of_images, log_det_grad = grads
        halves: list[Tensor | None] = [None, None]
        for half, grad in zip(changing_halves(ctx.couplings), of_images, strict=True):
            halves[half] = grad
        of_ready: list[list[Tensor]] = [[]] * count
        for i in reversed(range(count)):
            coupling = ctx.couplings[i]
            changing, reading = 1 - coupling.read_half, coupling.read_half
            of_map, of_net = kept[2 * i : 2 * i + 2]
            halves[changing], grad = coupling.pull_back(
                halves[changing], log_det_grad, of_map, inverse=ctx.inverse
            )
            grad = grad if ctx.low is None else grad.to(ctx.low)
            grad, of_ready[i] = coupling.conditioner.pull_back(
                grad, ready[i], of_net, any(wanted[2:])
            )
            grad = grad.to(halves[changing].dtype)
            halves[reading] = grad if halves[reading] is None else halves[reading] + grad
        of_tensors: list[Sequence[Tensor | None]] = [[None] * size for size in ctx.counts]
        if any(wanted[2:]):
            for members, aside in zip(groups, asides, strict=True):
                net = ctx.couplings[members[0]].conditioner
                stack = [stacked(t) for t in zip(*(of_ready[i] for i in members), strict=True)]
                found = net.collect(stack, aside)
                for i, own in zip(members, _unstack(found, len(members)), strict=True):
                    of_tensors[i] = own
        return None, None, None, *halves, *chain(*of_tensors)


def differentiable(
    couplings: Sequence[ExplicitCoupling],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    grads: Sequence[Tensor],
    *,
    inverse: bool,
    low: torch.dtype | None = None,
) -> list[Tensor | None]:
    """The gradients again, in operations that autograd and torch.func know.

    Args:
        couplings: In the order of application.
        inputs: The halves, then all parameters.
        wanted: Of which of them gradients are wanted.
        grads: Of the images and of the log_det.
        inverse: Whether each one's inverse was applied.
        low: Type of the nets' numbers, None for that of the halves.
    """
    graph = torch.is_grad_enabled()
    device = inputs[0].device.type
    with torch.enable_grad(), torch.autocast(device, dtype=low, enabled=low is not None):
        halves, log_det = run_plainly(couplings, tuple(inputs[:2]), inputs[2:], inverse=inverse)
    images = [halves[half] for half in changing_halves(couplings)]
    of = [tensor for tensor, asked in zip(inputs, wanted, strict=True) if asked]
    found = iter(
        torch.autograd.grad((*images, log_det), of, grads, create_graph=graph, allow_unused=True)
    )
    return [next(found) if asked else None for asked in wanted]
