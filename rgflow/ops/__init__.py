"""Faster ways to compute what plain torch computes: hand-written gradients, and machine code.

The rest of the package calls the functions of this file, which give the same result, to rounding,
in whichever way they compute it. `plain` switches all faster ways off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from torch import Tensor, nn

from rgflow.ops import coupling_chain, coupling_chain_numba
from rgflow.ops.affine import FastAffine
from rgflow.ops.choice import hand_written_gradients, plain
from rgflow.ops.compositions import FastSequence, FastSideBySide
from rgflow.ops.contract import Coupling, FastNet, FastTransform, Halves, Transform, fast_net
from rgflow.ops.nets import run_net
from rgflow.ops.padding import circular_pad
from rgflow.ops.patches import FastPatches
from rgflow.ops.perceptron import FastPerceptron
from rgflow.ops.rational_quadratic import FastSpline
from rgflow.ops.residual import FastResidual
from rgflow.ops.tensors import concatenate

__all__ = [
    "FastAffine",
    "FastNet",
    "FastPatches",
    "FastPerceptron",
    "FastResidual",
    "FastSequence",
    "FastSideBySide",
    "FastSpline",
    "FastTransform",
    "Halves",
    "apply_couplings",
    "apply_elementwise",
    "apply_net",
    "apply_transform",
    "circular_pad",
    "concatenate",
    "fast_net",
    "has_faster_way",
    "plain",
]


def apply_couplings(
    couplings: Sequence[Coupling], halves: Halves, *, inverse: bool
) -> tuple[Halves, Tensor]:
    """Applies couplings, or the inverse of each, one after another.

    Args:
        couplings: In the order of application.
        halves: ``(N, A, *lattice)`` and ``(N, D, *lattice)``, where N is the batch.
        inverse: Whether each coupling's inverse is applied.

    Returns:
        The halves, and the sum of the log_dets, ``(N,)``.
    """
    if hand_written_gradients() and has_faster_way(couplings):
        if coupling_chain_numba.suits(couplings, halves):
            return coupling_chain_numba.run_in_machine_code(couplings, halves, inverse=inverse)
        return coupling_chain.run_in_torch(couplings, halves, inverse=inverse)
    nets = (partial(apply_net, coupling.conditioner) for coupling in couplings)
    return coupling_chain.one_by_one(couplings, nets, halves, inverse=inverse)


def has_faster_way(couplings: Iterable[Coupling]) -> bool:
    """Whether the transforms and conditioners of all couplings have a faster way, and match."""
    return all(map(_has_faster_way, couplings))


def _has_faster_way(coupling: Coupling) -> bool:
    transform, net = coupling.transform.fast, fast_net(coupling.conditioner)
    changed = coupling.event_shape[1 - coupling.read_half][0]
    return (
        bool(coupling.fast)
        and transform is not None
        and net is not None
        and net.outputs == transform.parameters_per_entry * changed
    )


def apply_transform(
    transform: Transform, b: Tensor, parameters: Tensor, *, inverse: bool
) -> tuple[Tensor, Tensor]:
    """The image of all entries under a transform or its inverse, and the log_det ``(N,)``.

    Args:
        transform: The elementwise map.
        b: ``(N, D, *lattice)``.
        parameters: ``(N, P * D, *lattice)``: the first parameter of all D, then the second, ...
        inverse: Whether the inverse is applied.
    """
    if transform.fast is not None and hand_written_gradients():
        return transform.fast.apply(b, parameters, inverse=inverse)
    # (N, P D, ...) -> (P, N, D, ...)
    theta = parameters.unflatten(1, (transform.parameters_per_entry, -1)).movedim(1, 0)
    image, log_slope = (transform.inverse if inverse else transform.forward)(b, theta)
    return image, log_slope.flatten(1).sum(1)


def apply_elementwise(
    transform: Transform, b: Tensor, theta: Tensor, *, inverse: bool
) -> tuple[Tensor, Tensor]:
    """A transform, or its inverse, of elements ``(...)`` with parameters ``(P, ...)``.

    Returns:
        The image and the logarithm of the slope, both of the shape of b.
    """
    if isinstance(transform.fast, FastSpline) and hand_written_gradients():
        return transform.fast.elementwise(b, theta, inverse=inverse)
    return (transform.inverse if inverse else transform.forward)(b, theta)


def apply_net(net: nn.Module, x: Tensor) -> Tensor:
    """The output of a net, in the faster way if it has one."""
    if fast_net(net) is not None and hand_written_gradients():
        return run_net(net, x)
    return net(x)
