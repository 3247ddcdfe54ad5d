"""What the makers of flows share: couplings with their nets, settings by level, maps in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from rgflow.bijectors import (
    AffineCoupling,
    Bijector,
    Chain,
    CirculantRoot,
    Coupling,
    PixelLogit,
    SplineCoupling,
)
from rgflow.bijectors.polyphase import CouplingFactory
from rgflow.conditioners.lattice import Equivariant
from rgflow.flow import Flow
from rgflow.priors import make_prior

MakeNet = Callable[[int, int, tuple[int, ...]], nn.Module]


def coupling_factory(
    make_net: MakeNet, kind: str, scale_bound: float, bins: int, equivariant: bool = False
) -> CouplingFactory:
    """Couplings of the given kind; ``make_net`` gets inputs, outputs and the lattice."""
    if kind not in ("affine", "spline"):
        raise ValueError(f"coupling {kind!r} is unknown, expected 'affine' or 'spline'")
    if not scale_bound > 0:
        raise ValueError(f"scale_bound: got {scale_bound}, expected a number above 0")
    if kind == "spline" and bins < 2:
        raise ValueError(f"bins: got {bins}, expected at least 2")
    if equivariant and kind != "affine":
        raise ValueError(f"coupling={kind!r}: equivariant couplings are affine, expected 'affine'")

    def make(split: tuple[int, int], lattice: tuple[int, ...], reads: int) -> Coupling:
        inputs, changed = split[reads], split[1 - reads]
        if kind == "affine":
            net = make_net(inputs, 2 * changed, lattice)
            net = Equivariant(net) if equivariant else net
            return AffineCoupling(split, net, lattice, reads, scale_bound)
        net = make_net(inputs, (3 * bins - 1) * changed, lattice)
        return SplineCoupling(split, net, lattice, reads, bins)

    return make


def finished_flow(core: Bijector, prior: str, pixels: bool, fourier: str, symmetry: str) -> Flow:
    """The core with what stands outside of the hierarchy: maps in front, prior and symmetry."""
    if symmetry not in ("none", "mixture", "equivariant"):
        raise ValueError(
            f"symmetry: got {symmetry!r}, expected 'none', 'mixture' or 'equivariant'"
        )
    if fourier not in ("none", "fixed", "learnable"):
        raise ValueError(f"fourier: got {fourier!r}, expected 'none', 'fixed' or 'learnable'")
    if pixels and (symmetry != "none" or fourier != "none"):
        raise ValueError("pixels: got true with a symmetry or a Fourier map, which are for fields")
    channels, side, _ = core.event_shape
    if pixels:
        core = Chain([PixelLogit(core.event_shape), core])
    elif fourier != "none":
        # of white noise, until training or a checkpoint says which
        white = CirculantRoot(torch.ones(side, side), channels, fourier == "learnable")
        core = Chain([white, core])
    return Flow(core, make_prior(prior, core.event_shape), z2=symmetry == "mixture")


def per_level(values: int | Sequence[int], levels: int, name: str) -> list[int]:
    """One value for each level: a list that is too short repeats its last, one too long is cut."""
    given = [values] if isinstance(values, int) else list(values)
    if not given:
        raise ValueError(f"{name}: got no entry, expected one per level, fine to coarse")
    return (given + given[-1:] * levels)[:levels]


def share_weights(levels: Sequence[nn.Module]) -> None:
    """Gives all levels the parameters of the first: one renormalization step for all scales."""
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
