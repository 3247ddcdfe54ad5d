"""MERAs of convolutional levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from rgflow.bijectors import MERA, Bijector, BlockLayer, Chain, ConvLevel, ElementwiseAffine
from rgflow.bijectors.memory import Memory
from rgflow.conditioners.lattice import ConvNet, PatchMLP
from rgflow.conditioners.mlp import MLP
from rgflow.flow import Flow
from rgflow.models.parts import (
    CouplingKind,
    Outside,
    check_kernels,
    coupling_factory,
    finished_flow,
    per_level,
    share_weights,
)
from rgflow.runtime.counts import takes_counts


@takes_counts
@dataclass(frozen=True)
class ConvLevels:
    """The convolutional levels of a flow.

    ``couplings`` and ``hidden`` are one number for all levels, or one for each level from fine to
    coarse, of which the last is that of all further levels.

    Attributes:
        couplings: Number of couplings, without the closing prediction.
        hidden: Number of channels inside the conditioners.
        pairings: Pairs of sub-lattices that are coupled in turn, see `ConvLevel`.
        predict: Whether the kept sub-lattice predicts the emitted ones at the end of a level.
        mixing: Where matrices over cells of 2 x 2 sites stand, see `ConvLevel`.
        site_affine: Whether a level closes with a scale and a shift for each site.
        share_levels: Whether all levels have the same weights, as those of a scale-invariant
            system may.
    """

    couplings: int | Sequence[int] = (6, 6, 4)
    hidden: int | Sequence[int] = 64
    pairings: Sequence[str] = ("checkerboard", "rows", "columns")
    predict: bool = True
    mixing: str = "pairs"
    site_affine: bool = False
    share_levels: bool = False


@takes_counts
@dataclass(frozen=True)
class LatticeNet:
    """The conditioners inside convolutional levels.

    Attributes:
        kernels: Odd sides of the kernels, layer by layer.
        nonlinearity: Activation between the layers, here and in the top.
        site_bias: Whether the conditioners have a bias for each site, and so know the position.
    """

    kernels: Sequence[int] = (3, 1, 3)
    nonlinearity: str = "silu"
    site_bias: bool = False


@takes_counts
@dataclass(frozen=True)
class DenseTop:
    """The top of the hierarchy: couplings that are dense over all its sites.

    Attributes:
        smallest_side: The side of the lattice is halved while it is even and above this one.
        largest_top: Largest side that the top may have.
        top_couplings: Number of couplings of the top.
        top_hidden: Width of the two hidden layers of their conditioners.
    """

    smallest_side: int = 4
    largest_top: int = 16
    top_couplings: int = 4
    top_hidden: int = 64

    def sides(self, side: int) -> list[int]:
        """Sides of the lattices of all levels and of the top, from fine to coarse.

        There is at least one level below the top.

        Raises:
            ValueError: If the side is odd, or does not come down to a small top.

        >>> DenseTop().sides(32), DenseTop().sides(12)
        ([32, 16, 8, 4], [12, 6, 3])
        """
        sides = [side]
        while sides[-1] % 2 == 0 and (sides[-1] > self.smallest_side or len(sides) == 1):
            sides.append(sides[-1] // 2)
        if side % 2 or side < 4 or sides[-1] > self.largest_top:
            raise ValueError(
                f"a lattice of side {side} comes down to a top of side {sides[-1]}, expected an "
                f"even side of at least 4 with a top of at most {self.largest_top} (largest_top): "
                "n * 2**k"
            )
        return sides


@takes_counts
def conv_flow(
    side: int,
    channels: int = 3,
    levels: ConvLevels = ConvLevels(),
    net: LatticeNet = LatticeNet(),
    kind: CouplingKind = CouplingKind(),
    top: DenseTop = DenseTop(),
    outside: Outside = Outside(),
    memory: Memory = "store",
) -> Flow:
    """MERA of convolutional levels, finished by a dense bijector over the top lattice.

    A configuration gives the settings of all groups one by one, without the groups.

    Args:
        side: Even lattice side L; it is halved while it is even and above ``top.smallest_side``.
        channels: Number C of components of the field at a site, or of colours.
        levels: Couplings of the levels.
        net: Conditioners of the levels.
        kind: Elementwise map of all couplings.
        top: Where the levels end, and the couplings there.
        outside: Prior, map in front of the levels, and symmetry.
        memory: What is kept for the gradient, see `Chain`.

    Raises:
        ValueError: If the side is odd or does not come down to a small top, or if settings do not
            go together.

    >>> levels = ConvLevels(couplings=(6, 6, 4, 4), hidden=16)
    >>> flow = conv_flow(64, channels=1, levels=levels, outside=Outside(prior="gaussian"))
    >>> flow.hierarchy.latents_per_level
    (3072, 768, 192, 48, 16)
    """
    *sides, top_side = top.sides(side)
    check_kernels(net.kernels, sides[-1] // 2)
    counts = per_level(levels.couplings, len(sides), "couplings")
    widths = per_level(levels.hidden, len(sides), "hidden")
    if outside.equivariant and levels.site_affine:
        raise ValueError(
            "site_affine: got true with symmetry='equivariant', expected false, as a shift for "
            "each site is not equivariant"
        )

    def conv_level(side: int, couplings: int, width: int) -> ConvLevel:
        make_net = partial(_lattice_net, net, width)
        return ConvLevel(
            channels,
            side,
            coupling_factory(make_net, kind, outside.equivariant),
            couplings,
            levels.pairings,
            levels.predict,
            levels.mixing,
            levels.site_affine,
            memory,
        )

    bijectors: list[Bijector] = list(map(conv_level, sides, counts, widths))
    if levels.share_levels:
        share_weights(bijectors)

    def dense(inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        return MLP(inputs, outputs, (top.top_hidden, top.top_hidden), net.nonlinearity)

    make = coupling_factory(dense, kind, outside.equivariant)
    layers: list[Bijector] = [
        BlockLayer(channels, top_side, top_side, 0, make, top.top_couplings, memory)
    ]
    if levels.site_affine:
        layers.append(ElementwiseAffine((channels, top_side, top_side), per_site=True))
    return finished_flow(MERA([*bijectors, Chain(layers)]), outside)


def _lattice_net(
    net: LatticeNet, width: int, inputs: int, outputs: int, lattice: tuple[int, ...]
) -> nn.Module:
    """A conditioner of a level; the faster of two ways where only the first kernel is wide."""
    kernels = net.kernels
    if kernels and not net.site_bias and all(k == 1 for k in kernels[1:]):
        hidden = (width,) * (len(kernels) - 1)
        return PatchMLP(inputs, outputs, kernels[0], hidden, net.nonlinearity)
    sites = lattice[0] if net.site_bias else None
    return ConvNet(inputs, outputs, width, kernels, net.nonlinearity, sites)
