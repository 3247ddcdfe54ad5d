"""Checks of bijectors: round trip, log_det, and the cones that they declare."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from rgflow.bijectors.base import Bijector, Event, EventShape
from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.hierarchy import Hierarchy
from rgflow.testing.compare import SAMPLES, compare

Module = TypeVar("Module", bound=nn.Module)
NOISE = 0.1
"""Standard deviation of the noise on parameters; more saturates activations, whose slope is 0."""


def perturbed(module: Module, scale: float = NOISE, seed: int = 0) -> Module:
    """A copy in double precision with noise added to every parameter.

    Args:
        module: Module that stays as it is.
        scale: Standard deviation of the noise; 0 keeps the parameters.
        seed: Seed of the noise.

    >>> layer = nn.Linear(2, 2)
    >>> bool((perturbed(layer).weight != layer.weight).all())
    True
    """
    generator = torch.Generator().manual_seed(seed)
    copy = deepcopy(module)
    with torch.no_grad():
        for parameter in copy.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(scale * noise.to(parameter))
    return copy.double()


def assert_round_trip(
    bijector: Bijector, x: Event | None = None, noise: float = NOISE, tolerance: float = 1e-9
) -> None:
    """Checks that the inverse undoes the forward map: ``x -> z -> x``, log_dets that sum to zero.

    Args:
        bijector: Map of which a perturbed copy is checked.
        x: Batch of events, ``(B, *event_shape)``; drawn by `random_events` if None.
        noise: Standard deviation of the noise on the parameters.
        tolerance: Largest difference allowed.

    Raises:
        AssertionError: If x does not come back, if the two log_dets do not cancel or are not
            ``(B,)``, or if the map is the identity, with which the check would say nothing.

    >>> from rgflow.bijectors import ElementwiseAffine
    >>> assert_round_trip(ElementwiseAffine((2, 3, 3)))
    """
    bijector, x = _prepared(bijector, x, noise)
    name = type(bijector).__name__
    z, log_det = bijector(x)
    back, inverse_log_det = bijector.inverse(z)
    compare(flat(back), flat(x), tolerance, 0.0, f"{name}.inverse of forward", "the entry of x")
    what, wanted = f"sum of the log_dets of {name}", "as those of inverse maps cancel"
    zeros = flat(x).new_zeros(len(flat(x)))
    compare(log_det + inverse_log_det, zeros, tolerance, 0.0, what, wanted)
    if not (flat(z) - flat(x)).abs().max() > 1e-3:
        raise AssertionError(
            f"{name}.forward: got the identity, expected a map that changes x, as the check says "
            "nothing otherwise"
        )


def assert_log_det(
    bijector: Bijector, x: Event | None = None, noise: float = NOISE, tolerance: float = 1e-8
) -> None:
    """Checks in both directions that log_det is ``log abs det J`` of the map just applied.

    J is the Jacobian by automatic differentiation of one event at a time.

    Args:
        bijector: Map of which a perturbed copy is checked.
        x: Batch of events, ``(B, *event_shape)``; drawn by `random_events` if None.
        noise: Standard deviation of the noise on the parameters.
        tolerance: Largest difference allowed, relative where the number is above 1.

    Raises:
        AssertionError: If a log_det is another number.

    >>> from rgflow.bijectors import ElementwiseAffine
    >>> assert_log_det(ElementwiseAffine((2, 3, 3)))
    """
    bijector, x = _prepared(bijector, x, noise)
    z = event_of(flat(bijector(x)[0]).detach(), bijector.event_shape)
    for direction, apply, event in (("forward", bijector, x), ("inverse", bijector.inverse, z)):
        jacobians = [_jacobian(apply, bijector, vector) for vector in flat(event)]
        expected = torch.linalg.slogdet(torch.stack(jacobians)).logabsdet
        what, wanted = f"log_det of {type(bijector).__name__}.{direction}", "that of the Jacobian"
        compare(apply(event)[1], expected, tolerance, tolerance, what, wanted)


def assert_cones(
    bijector: Bijector, x: Tensor | None = None, noise: float = NOISE, exact: bool = True
) -> None:
    """Checks that sites depend on each other as the declared reaches say, in both directions.

    The latent at site j may depend on the pixel at site i, ``dz_j / dx_i != 0``, only if j is in
    the inference cone of i; the pixel at j on the latent at i only if j is in the generation cone
    of i. All channels of a site count as one.

    Args:
        bijector: Map on a lattice, ``(C, L, L)``, with a hierarchy, or one layer with reaches. A
            perturbed copy is checked.
        x: One event, ``(C, L, L)``; drawn by `random_events` if None.
        noise: Standard deviation of the noise on the parameters.
        exact: Whether the cones must be exactly the dependent sites; otherwise they may be larger.

    Raises:
        AssertionError: If a site outside of a cone depends, or, if ``exact``, one inside does not.
        ValueError: If the bijector declares no reaches.

    Reference: inference and generation cones of a MERA, arXiv:2010.00029.

    >>> from rgflow.models import BlockLevels, BlockNet, block_flow
    >>> assert_cones(block_flow(4, 1, BlockLevels(2, 2), BlockNet("mlp", hidden=4)).bijector)
    """
    hierarchy = _hierarchy(bijector)
    bijector, events = _prepared(bijector, None if x is None else x[None], noise)
    latents = bijector(events[:1])[0].detach()
    channels, side, _ = bijector.event_shape
    sites = torch.eye(side**2, dtype=torch.bool).view(-1, side, side)
    for direction, apply, event, cone in (
        ("forward", bijector, events, hierarchy.inference_cone),
        ("inverse", bijector.inverse, latents, hierarchy.generation_cone),
    ):
        jacobian = _jacobian(apply, bijector, flat(event)[0])
        depends = (jacobian.view(channels, side**2, channels, side**2) != 0).any(2).any(0).T
        declared = cone(sites).flatten(1)  # (site of the input, site of the output)
        wrong = (depends != declared) if exact else (depends & ~declared)
        if wrong.any():
            source, target = wrong.nonzero()[0].tolist()
            got = "depends" if depends[source, target] else "does not depend"
            expected = "a dependence" if declared[source, target] else "no dependence"
            raise AssertionError(
                f"{type(bijector).__name__}.{direction}: got an output at site "
                f"{divmod(target, side)} that {got} on the input at site {divmod(source, side)}, "
                f"expected {expected}, as the reaches say; {int(wrong.sum())} pairs are wrong"
            )


def random_events(bijector: Bijector, count: int = SAMPLES, seed: int = 0) -> Event:
    """A batch of events in double precision, in the domain of the bijector.

    Intensities are uniform in [0, 1) if it starts with the pixel map; other numbers are normal
    with a standard deviation of 1.5, which reaches beyond the bins of splines.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (count, sum(math.prod(part) for part in _shapes(bijector.event_shape)))
    if acts_on_pixels(bijector):
        vectors = torch.rand(shape, generator=generator, dtype=torch.float64)
    else:
        vectors = torch.randn(shape, generator=generator, dtype=torch.float64) * 1.5
    return event_of(vectors, bijector.event_shape)


def flat(event: Event) -> Tensor:
    """Events as vectors, ``(B, dimensions)``."""
    parts = (event,) if isinstance(event, Tensor) else event
    return torch.cat([part.flatten(1) for part in parts], 1)


def event_of(vectors: Tensor, shape: EventShape) -> Event:
    """Events of that shape from vectors, ``(B, dimensions)``; inverse of `flat`."""
    shapes = _shapes(shape)
    parts = vectors.split([math.prod(part) for part in shapes], 1)
    events = tuple(part.reshape(-1, *s) for part, s in zip(parts, shapes, strict=True))
    return events if shapes is shape else events[0]


def _shapes(shape: EventShape) -> tuple[tuple[int, ...], ...]:
    return shape if shape and isinstance(shape[0], tuple) else (shape,)


def _prepared(bijector: Bijector, x: Event | None, noise: float) -> tuple[Bijector, Event]:
    """The perturbed copy and the events of a check, in double precision."""
    if x is None:
        x = random_events(bijector)
    return perturbed(bijector, noise), event_of(flat(x).detach().double(), bijector.event_shape)


def _jacobian(
    apply: Callable[[Event], tuple[Event, Tensor]], bijector: Bijector, vector: Tensor
) -> Tensor:
    """The Jacobian of one event, ``(dimensions, dimensions)``."""

    def single(v: Tensor) -> Tensor:
        return flat(apply(event_of(v[None], bijector.event_shape))[0])[0]

    return torch.func.jacrev(single)(vector)


def _hierarchy(bijector: Bijector) -> Hierarchy:
    """The levels of a bijector, or one level with its reaches."""
    if bijector.hierarchy is not None:
        return bijector.hierarchy
    if bijector.reaches is None:
        name = type(bijector).__name__
        raise ValueError(f"{name} is not local, expected a bijector that declares its reaches")
    return Hierarchy(bijector.event_shape[-1], [bijector.reaches])
