"""A chain of couplings as one function of autograd with a hand-written gradient.

On small tensors autograd's own work takes as long as the arithmetic. Where transforms and nets
have a faster way, one coupling, or a chain of them, is a single node of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rgflow.ops.alike import groups_of_alike_nets, parameters_vjp, weights_by_coupling
from rgflow.ops.choice import plain
from rgflow.ops.contract import Coupling, Halves, Prepared
from rgflow.ops.saved import Structure, flatten, rebuilt
from rgflow.ops.tensors import gradients_of


def run_in_torch(
    couplings: Sequence[Coupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
    """Applies couplings, or the inverse of each, in the given order.

    Hooks on the couplings and on their nets are not called.

    Args:
        couplings: All with a faster way, in the order of application.
        halves: ``(N, A, *lattice)`` and ``(N, D, *lattice)``, best with N innermost in memory.
        inverse: Whether each coupling's inverse is applied.

    Returns:
        The halves, and the log_det ``(N,)``. A half that no coupling changes is the input tensor.
    """
    low = low_precision(halves[0])
    parameters = [tensor for c in couplings for tensor in c.conditioner.parameter_list()]
    *images, log_det = _Couplings.apply(couplings, inverse, low, *halves, *parameters)
    return with_images(couplings, halves, images), log_det


def one_by_one(
    couplings: Sequence[Coupling],
    nets: Iterable[Callable[[Tensor], Tensor]],
    halves: Halves,
    *,
    inverse: bool,
) -> tuple[Halves, Tensor]:
    """The same as `run_in_torch`, coupling by coupling, with the functions ``nets`` as nets."""
    total: Tensor | None = None
    for coupling, net in zip(couplings, nets, strict=True):
        halves, log_det = coupling.apply_with(halves, net, inverse=inverse)
        total = log_det if total is None else total + log_det
    return halves, total


def low_precision(x: Tensor) -> torch.dtype | None:
    """The type in which nets compute under autocast, None without autocast."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def with_parameters(net: nn.Module, tensors: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """The net with these tensors in place of its ``parameter_list()``."""
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    own = {names[id(p)]: given for p, given in zip(net.parameter_list(), tensors, strict=True)}
    return lambda x: torch.func.functional_call(net, own, (x,))


def _by_net(
    couplings: Sequence[Coupling], parameters: Iterable[Tensor]
) -> tuple[tuple[Tensor, ...], ...]:
    """Splits the parameters of all nets into those of each coupling's net."""
    rest = iter(parameters)
    return tuple(tuple(islice(rest, len(c.conditioner.parameter_list()))) for c in couplings)


def changing_halves(couplings: Sequence[Coupling]) -> list[int]:
    """Indices of the halves that at least one coupling changes."""
    return sorted({1 - coupling.read_half for coupling in couplings})


def with_images(couplings: Sequence[Coupling], halves: Halves, images: Sequence[Tensor]) -> Halves:
    """The halves, with those that change replaced by their images."""
    result = list(halves)
    for half, image in zip(changing_halves(couplings), images, strict=True):
        result[half] = image
    return tuple(result)


class _Saved(NamedTuple):
    """Saved tensors of the whole chain.

    Attributes:
        halves: The two halves before the first coupling.
        parameters: Parameters of each coupling's net.
        prepared: Prepared weights of each group of nets that are alike.
        transforms: Saved tensors of each coupling's transform.
        nets: Saved tensors of each coupling's net.
    """

    halves: tuple[Tensor, Tensor]
    parameters: tuple[tuple[Tensor, ...], ...]
    prepared: tuple[Prepared, ...]
    transforms: tuple[Structure, ...]
    nets: tuple[Structure, ...]


class _Couplings(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        couplings: Sequence[Coupling],
        inverse: bool,
        low: torch.dtype | None,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        parameters = _by_net(couplings, inputs[2:])
        groups = groups_of_alike_nets(couplings, parameters)
        halves = list(inputs[:2])
        total: Tensor | None = None
        transforms, nets = [], []
        with torch.autocast(inputs[0].device.type, enabled=False):
            prepared = tuple(
                couplings[group[0]].conditioner.fast.prepare(
                    [parameters[i] for i in group], low or inputs[0].dtype
                )
                for group in groups
            )
            for coupling, weights in zip(
                couplings, weights_by_coupling(groups, [p.weights for p in prepared]), strict=True
            ):
                changing = 1 - coupling.read_half
                changed, read = halves[changing], halves[coupling.read_half]
                net = coupling.conditioner.fast.forward(
                    read if low is None else read.to(low), weights
                )
                result = coupling.transform.fast.forward(
                    changed, net.output.to(changed.dtype), inverse=inverse
                )
                halves[changing] = result.image
                total = result.log_det if total is None else total + result.log_det
                transforms.append(result.saved)
                nets.append(net.saved)
        saved = _Saved(inputs[:2], parameters, prepared, tuple(transforms), tuple(nets))
        tensors: list[Tensor] = []
        ctx.skeleton = flatten(saved, tensors)
        ctx.save_for_backward(*tensors)
        ctx.couplings, ctx.groups, ctx.inverse, ctx.low = couplings, groups, inverse, low
        # detached, as saved views of the images would otherwise hold the graph that holds them
        return *(halves[half].detach() for half in changing_halves(couplings)), total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved: _Saved = rebuilt(ctx.skeleton, ctx.saved_tensors)
        wanted = ctx.needs_input_grad[3:]
        couplings, groups, inverse = ctx.couplings, ctx.groups, ctx.inverse
        if torch.is_grad_enabled():
            found = gradients_in_torch(
                couplings,
                [*saved.halves, *chain(*saved.parameters)],
                wanted,
                grads,
                inverse=inverse,
                low=ctx.low,
            )
            return None, None, None, *found
        of_weights = any(wanted[2:])
        weights = weights_by_coupling(groups, [p.weights for p in saved.prepared])
        *of_images, log_det_grad = grads
        halves: list[Tensor | None] = [None, None]
        for half, grad in zip(changing_halves(couplings), of_images, strict=True):
            halves[half] = grad
        found_weights: list[Structure] = [()] * len(couplings)
        for i in reversed(range(len(couplings))):
            coupling = couplings[i]
            changing, reading = 1 - coupling.read_half, coupling.read_half
            halves[changing], grad = coupling.transform.fast.vjp(
                halves[changing], log_det_grad, saved.transforms[i], inverse=inverse
            )
            grad = grad if ctx.low is None else grad.to(ctx.low)
            grad, found_weights[i] = coupling.conditioner.fast.vjp(
                grad, weights[i], saved.nets[i], of_weights=of_weights
            )
            grad = grad.to(halves[changing].dtype)
            halves[reading] = grad if halves[reading] is None else halves[reading] + grad
        of_parameters: list[Sequence[Tensor | None]] = [[None] * len(p) for p in saved.parameters]
        if of_weights:
            for group, prepared in zip(groups, saved.prepared, strict=True):
                found = parameters_vjp(couplings, group, prepared, found_weights)
                for i, own in zip(group, found, strict=True):
                    of_parameters[i] = [
                        g.view_as(p) for g, p in zip(own, saved.parameters[i], strict=True)
                    ]
        return None, None, None, *halves, *chain(*of_parameters)


def gradients_in_torch(
    couplings: Sequence[Coupling],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    grads: Sequence[Tensor],
    *,
    inverse: bool,
    low: torch.dtype | None = None,
) -> list[Tensor | None]:
    """The gradients in plain torch, so that they can be differentiated and transformed again.

    Args:
        couplings: In the order of application.
        inputs: The halves, then the parameters of all nets.
        wanted: For each input, whether its gradient is wanted.
        grads: Gradients of the images and of the log_det.
        inverse: Whether each coupling's inverse was applied.
        low: Type in which the nets computed, None for the type of the halves.
    """
    device = inputs[0].device.type
    autocast = torch.autocast(device, dtype=low, enabled=low is not None)
    with plain(), torch.enable_grad(), autocast:
        # a net that two couplings share is twice among the inputs, and each gets its own gradient
        inputs = [tensor.view_as(tensor) for tensor in inputs]
        conditioners = [coupling.conditioner for coupling in couplings]
        own = _by_net(couplings, inputs[2:])
        nets = map(with_parameters, conditioners, own)
        halves, total = one_by_one(couplings, nets, (inputs[0], inputs[1]), inverse=inverse)
    images = [halves[half] for half in changing_halves(couplings)]
    return gradients_of((*images, total), inputs, wanted, grads)
