"""What all makers of flows share: the groups of settings, couplings with nets, maps in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rgflow.bijectors import (
    Affine,
    Bijector,
    Chain,
    CirculantRoot,
    CommonPhase,
    Coupling,
    PixelLogit,
    RationalQuadratic,
    Transform,
)
from rgflow.bijectors.polyphase import CouplingFactory
from rgflow.conditioners.lattice import Equivariant
from rgflow.flow import Flow
from rgflow.priors import make_prior
from rgflow.runtime.counts import takes_counts

MakeNet = Callable[[int, int, tuple[int, ...]], nn.Module]


@takes_counts
@dataclass(frozen=True)
class CouplingKind:
    """The elementwise map of all couplings of a flow.

    Attributes:
        coupling: ``"affine"``, or ``"spline"`` for monotone rational-quadratic splines, or a
            `Transform` of your own.
        scale_bound: Largest absolute log-scale of an affine coupling, in nats.
        bins: Number of bins of a spline.

    Raises:
        ValueError: For an unknown map, or a number that it cannot have.

    Reference: Real NVP, arXiv:1605.08803; neural spline flows, arXiv:1906.04032.
    """

    coupling: str | Transform = "affine"
    scale_bound: float = 2.0
    bins: int = 8

    def __post_init__(self) -> None:
        self.transform()

    def transform(self) -> Transform:
        """The elementwise map itself."""
        if isinstance(self.coupling, Transform):
            return self.coupling
        if self.coupling == "affine":
            return Affine(self.scale_bound)
        if self.coupling == "spline":
            return RationalQuadratic(self.bins)
        raise ValueError(
            f"coupling: got {self.coupling!r}, expected 'affine', 'spline' or a Transform"
        )


@takes_counts
@dataclass(frozen=True)
class Outside:
    """What stands outside of the levels: the prior, a map in front of them, a symmetry.

    Attributes:
        prior: ``"laplace"`` (sparse latents) or ``"gaussian"``.
        pixels: Whether the flow is one of images and starts with `PixelLogit`; without, it acts
            on fields.
        fourier: ``"none"``, or ``"fixed"`` or ``"learnable"`` for a linear map in Fourier space
            in front of the levels. Training takes its spectrum from the energy. The map is not
            local: a flow with it has no cones.
        symmetry: How the flow has the symmetry ``x -> -x``: ``"none"``; ``"mixture"`` symmetrises
            the density; ``"equivariant"`` makes every coupling commute with the sign, which takes
            affine couplings without a bias for each site. For a complex field, two channels,
            ``"phase"`` puts `CommonPhase` in front, so that the levels see a field whose common
            phase is one number that does not matter. Cones are then the whole lattice.
        average: ``"none"``, or ``"square"`` for a density that is averaged over the rotations and
            mirror images of the lattice, see `Flow`.

    Raises:
        ValueError: For an unknown choice, or for pixels with a symmetry, an average or a Fourier
            map.
    """

    prior: str = "laplace"
    pixels: bool = False
    fourier: str = "none"
    symmetry: str = "none"
    average: str = "none"

    def __post_init__(self) -> None:
        if self.symmetry not in ("none", "mixture", "equivariant", "phase"):
            raise ValueError(
                f"symmetry: got {self.symmetry!r}, expected 'none', 'mixture', 'equivariant' or "
                "'phase'"
            )
        if self.fourier not in ("none", "fixed", "learnable"):
            raise ValueError(
                f"fourier: got {self.fourier!r}, expected 'none', 'fixed' or 'learnable'"
            )
        if self.average not in ("none", "square"):
            raise ValueError(f"average: got {self.average!r}, expected 'none' or 'square'")
        of_fields = {"symmetry": self.symmetry, "fourier": self.fourier, "average": self.average}
        given = [f"{name}={value!r}" for name, value in of_fields.items() if value != "none"]
        if self.pixels and given:
            raise ValueError(
                f"pixels: got true with {' and '.join(given)}, expected 'none' for all, which "
                "are for fields"
            )

    @property
    def equivariant(self) -> bool:
        """Whether every coupling has to commute with the sign."""
        return self.symmetry == "equivariant"


def coupling_factory(
    make_net: MakeNet, kind: CouplingKind, equivariant: bool = False
) -> CouplingFactory:
    """Returns the function that makes one coupling, with its net, for a level.

    Args:
        make_net: Makes the conditioner from the numbers of its inputs and outputs and the
            lattice on which it acts.
        kind: The elementwise map.
        equivariant: Whether the coupling has to commute with ``x -> -x``.

    Raises:
        ValueError: If equivariant couplings are not affine.
    """
    transform = kind.transform()
    if equivariant and not isinstance(transform, Affine):
        raise ValueError(
            f"coupling: got {kind.coupling!r} with symmetry='equivariant', expected 'affine', as "
            "equivariant couplings are affine"
        )

    def make(split: tuple[int, int], lattice: tuple[int, ...], reads: int) -> Coupling:
        changed = split[1 - reads]
        net = make_net(split[reads], transform.parameters_per_entry * changed, lattice)
        net = Equivariant(net) if equivariant else net
        return Coupling(split, transform, net, lattice, reads)

    return make


def finished_flow(levels: Bijector, outside: Outside) -> Flow:
    """The flow of some levels, with the map in front of them, the prior and the symmetry."""
    channels, side, _ = levels.event_shape
    front: list[Bijector] = []
    if outside.pixels:
        front.append(PixelLogit(levels.event_shape))
    if outside.symmetry == "phase":
        if channels != 2:
            raise ValueError(
                f"symmetry: got 'phase' with channels={channels}, expected 2, the real and "
                "imaginary parts of a complex field"
            )
        front.append(CommonPhase(side))
    if outside.fourier != "none":
        # the spectrum of white noise, until training or a checkpoint brings another
        learnable = outside.fourier == "learnable"
        front.append(CirculantRoot(torch.ones(side, side), channels, learnable))
    bijector = Chain([*front, levels]) if front else levels
    prior = make_prior(outside.prior, bijector.event_shape)
    return Flow(bijector, prior, outside.symmetry == "mixture", outside.average == "square")


def per_level(values: int | Sequence[int], levels: int, name: str) -> list[int]:
    """One value for each level, fine to coarse.

    The last value of a list that is too short is repeated, a list that is too long is cut.

    >>> per_level([6, 4], 4, "couplings")
    [6, 4, 4, 4]
    """
    given = [values] if isinstance(values, int) else list(values)
    if not given:
        raise ValueError(f"{name}: got no entry, expected one per level, fine to coarse")
    return (given + given[-1:] * levels)[:levels]


def share_weights(levels: Sequence[nn.Module]) -> None:
    """Gives all levels the parameters of the first: one renormalization step for all scales.

    Raises:
        ValueError: If the levels are not of one architecture.
    """
    first, *others = levels
    for level in others:
        own = dict(level.named_parameters())
        given = dict(first.named_parameters())
        for name in (*given, *own):
            if name not in own or name not in given or own[name].shape != given[name].shape:
                raise ValueError(
                    f"share_levels: got levels that differ in {name}, expected the same "
                    "couplings and widths on all levels, and nothing that knows the site"
                )
        for name, parameter in given.items():
            owner, _, leaf = name.rpartition(".")
            setattr(level.get_submodule(owner), leaf, parameter)


def check_kernels(kernels: Sequence[int], side: int) -> None:
    """Refuses kernels that would wrap around the smallest sub-lattice more than once."""
    if max(kernels, default=0) // 2 > side:
        raise ValueError(
            f"kernels of side {tuple(kernels)} do not fit the coarsest sub-lattice of side "
            f"{side}: expected at most {2 * side + 1}"
        )
