"""MERAs of block levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from rgflow.bijectors import MERA, BlockLevel
from rgflow.bijectors.memory import Memory
from rgflow.conditioners import MLP, ResidualMLP
from rgflow.conditioners.separate_heads import SeparateHeads
from rgflow.flow import Flow
from rgflow.models.parts import (
    CouplingKind,
    Outside,
    coupling_factory,
    finished_flow,
    per_level,
    share_weights,
)
from rgflow.runtime.counts import takes_counts


@takes_counts
@dataclass(frozen=True)
class BlockLevels:
    """The block levels of a flow.

    Attributes:
        block: Even side K of a block.
        couplings: Number of couplings in each block layer: one for all levels, or one for each
            level from fine to coarse, of which the last is that of all further levels.
        order: The layers of a level in forward order, see `BlockLevel`.
        repeats: How often a level repeats its layers, each time with weights of their own.
        share_levels: Whether all levels have the same weights, as those of a scale-invariant
            system may.
        mixing: Where the cells of two by two sites are mixed, see `BlockLevel`.
        site_affine: Whether blocks differ by their place, see `BlockLevel`.
    """

    block: int = 4
    couplings: int | Sequence[int] = (8, 6, 4, 2)
    order: Sequence[str] = ("disentangler", "decimator")
    repeats: int = 1
    share_levels: bool = False
    mixing: str = "none"
    site_affine: bool = False

    def sides(self, side: int) -> list[int]:
        """Sides of the lattices of all levels, from fine to coarse.

        Raises:
            ValueError: If the lattice's side is not ``block * 2**n``.

        >>> BlockLevels(block=4).sides(32)
        [32, 16, 8, 4]
        """
        ratio = side // self.block if self.block > 0 else 0
        if self.block < 2 or side % self.block or ratio & (ratio - 1):
            raise ValueError(
                f"a lattice of side {side} does not tile with blocks of side {self.block}: "
                f"expected {self.block} * 2**n"
            )
        return [side >> h for h in range(ratio.bit_length())]


@takes_counts
@dataclass(frozen=True)
class BlockNet:
    """The conditioners inside blocks.

    Attributes:
        conditioner: ``"residual"`` (as published) or ``"mlp"``.
        hidden: Hidden width; for the ``"mlp"`` also the list of the widths of its hidden layers,
            of which there are two if it is one number.
        width: Width of the residual stream of the ``"residual"`` one; if None, that of the half
            of a block that it reads.
        residual_blocks: Number of blocks of the ``"residual"`` one.
        nonlinearity: Activation of the ``"mlp"``, or one for each hidden layer.
        separate_heads: Whether affine couplings have a net for their log-scales and another for
            their shifts, as NeuralRG has, instead of one for both.

    Raises:
        ValueError: For an unknown conditioner, or for several widths of a residual one.
    """

    conditioner: str = "residual"
    hidden: int | Sequence[int] = 512
    width: int | None = None
    residual_blocks: int = 4
    nonlinearity: str | Sequence[str] = "silu"
    separate_heads: bool = False

    def __post_init__(self) -> None:
        if self.conditioner not in ("residual", "mlp"):
            raise ValueError(
                f"conditioner: got {self.conditioner!r}, expected 'residual' or 'mlp'"
            )
        if self.conditioner == "residual" and not isinstance(self.hidden, int):
            raise ValueError(
                f"hidden: got {self.hidden}, expected one number, as the residual conditioner has "
                "one hidden width"
            )

    def make(self, inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        """The conditioner of one coupling, from features to features."""
        if self.separate_heads:
            return SeparateHeads([self._one(inputs, outputs // 2) for _ in range(2)])
        return self._one(inputs, outputs)

    def _one(self, inputs: int, outputs: int) -> nn.Module:
        if self.conditioner == "mlp":
            widths = [self.hidden] * 2 if isinstance(self.hidden, int) else self.hidden
            return MLP(inputs, outputs, widths, self.nonlinearity)
        return ResidualMLP(inputs, outputs, self.width, self.hidden, self.residual_blocks)


@takes_counts
def block_flow(
    side: int,
    channels: int = 3,
    levels: BlockLevels = BlockLevels(),
    net: BlockNet = BlockNet(),
    kind: CouplingKind = CouplingKind(),
    outside: Outside = Outside(),
    memory: Memory = "store",
) -> Flow:
    """MERA of block levels as published: disentanglers and decimators of side K on every level.

    A configuration gives the settings of all groups one by one, without the groups.

    Args:
        side: Lattice side ``L = K * 2**n``.
        channels: Number C of components of the field at a site, or of colours.
        levels: Blocks and couplings of the levels.
        net: Conditioners of the couplings.
        kind: Elementwise map of the couplings.
        outside: Prior, map in front of the levels, and symmetry.
        memory: What is kept for the gradient, see `Chain`.

    Raises:
        ValueError: If ``side`` is not ``K * 2**n``, or if settings do not go together.

    Reference: arXiv:2010.00029 (images, K = 4), arXiv:1802.02840 (fields, K = 2).

    >>> levels = BlockLevels(block=2, couplings=4)
    >>> flow = block_flow(16, 1, levels, BlockNet("mlp", hidden=(8, 8)))
    >>> flow.hierarchy.latents_per_level
    (192, 48, 12, 4)
    """
    sides = levels.sides(side)
    counts = per_level(levels.couplings, len(sides), "couplings")
    if net.separate_heads and kind.coupling != "affine":
        raise ValueError(
            f"separate_heads: got true with coupling={kind.coupling!r}, expected 'affine', "
            "which has the two heads"
        )
    make = coupling_factory(net.make, kind, outside.equivariant)
    bijectors = [
        BlockLevel(
            channels,
            s,
            levels.block,
            make,
            count,
            levels.order,
            levels.repeats,
            memory,
            levels.mixing,
            levels.site_affine,
        )
        for s, count in zip(sides, counts, strict=True)
    ]
    if levels.share_levels:
        share_weights(bijectors)
    return finished_flow(MERA(bijectors), outside)
