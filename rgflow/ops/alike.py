"""Nets of a chain that are alike: their weights are prepared together, as are the gradients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from torch import Tensor

from rgflow.ops.contract import Coupling, Prepared
from rgflow.ops.saved import Structure, flatten, rebuilt, unflatten
from rgflow.ops.tensors import stacked

MAX_STACKED_PARAMETERS = 2**16
"""Most parameters with which a net is prepared together with others; to stack the parameters of
larger nets would cost more than it saves."""


def groups_of_alike_nets(
    couplings: Sequence[Coupling], parameters: Sequence[Sequence[Tensor]]
) -> list[list[int]]:
    """Indices of the couplings in groups whose nets are alike; a large net is its own group."""
    if len(couplings) == 1:
        return [[0]]
    groups: dict[Hashable, list[int]] = {}
    for i, (coupling, own) in enumerate(zip(couplings, parameters, strict=True)):
        is_large = sum(tensor.numel() for tensor in own) > MAX_STACKED_PARAMETERS
        groups.setdefault(i if is_large else coupling.conditioner.fast, []).append(i)
    return list(groups.values())


def weights_by_coupling(
    groups: Sequence[Sequence[int]], stacks: Sequence[Structure]
) -> list[Structure]:
    """The weights of each coupling's net, from the stacked weights of each group."""
    own: dict[int, Structure] = {}
    for group, stack in zip(groups, stacks, strict=True):
        tensors: list[Tensor] = []
        skeleton = flatten(stack, tensors)
        for i, mine in zip(group, _unstacked(tensors, len(group)), strict=True):
            own[i] = rebuilt(skeleton, mine)
    return [own[i] for i in range(len(own))]


def _unstacked(tensors: Sequence[Tensor], nets: int) -> list[Sequence[Tensor]]:
    """The tensors of each net, from tensors ``(nets, ...)``."""
    if nets == 1:
        return [[tensor[0] for tensor in tensors]]  # cheaper than unbind
    return list(zip(*(tensor.unbind() for tensor in tensors), strict=True))


def parameters_vjp(
    couplings: Sequence[Coupling],
    group: Sequence[int],
    prepared: Prepared,
    of_weights: Sequence[Structure],
) -> list[Sequence[Tensor]]:
    """Gradients in the parameters of each net of a group."""
    columns = []
    for i in group:
        tensors: list[Tensor] = []
        skeleton = flatten(of_weights[i], tensors)
        columns.append(tensors)
    stack = unflatten(skeleton, (stacked(t) for t in zip(*columns, strict=True)))
    net = couplings[group[0]].conditioner.fast
    return _unstacked(net.prepare_vjp(stack, prepared.saved), len(group))
