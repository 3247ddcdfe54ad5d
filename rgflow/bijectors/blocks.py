"""Block layers (disentanglers and decimators) and the level of a MERA that they make up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.bijectors.affine import ElementwiseAffine
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.cells import CellMixing
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.coupling import CouplingChain
from rgflow.bijectors.memory import Memory
from rgflow.bijectors.polyphase import CouplingFactory
from rgflow.hierarchy import Reach, checkerboard
from rgflow.runtime.counts import takes_counts

OFFSETS = {"disentangler": lambda block: block // 2, "decimator": lambda block: 0}


class BlockLayer(Bijector):
    """One map of ``C K K`` numbers that acts on every ``K x K`` block of a grid alike.

    The two halves of its couplings are the colours of a checkerboard on the block; couplings
    alternate in which of them they read.

    Args:
        channels: C.
        side: Lattice side L.
        block: Block side K, which divides L.
        offset: Shift of the grid of blocks, in sites, along both axes; see `Reach`.
        make_coupling: Makes one coupling from the sizes of the halves, their lattice ``()``, and
            the index of the half that is read.
        couplings: Number of couplings.
        memory: See ``Chain``.

    Raises:
        ValueError: If the blocks do not tile the lattice, for ``block < 2``, or for no coupling.
    """

    @takes_counts
    def __init__(
        self,
        channels: int,
        side: int,
        block: int,
        offset: int,
        make_coupling: CouplingFactory,
        couplings: int,
        memory: Memory = "store",
    ) -> None:
        super().__init__((channels, side, side))
        if side % block:
            raise ValueError(
                f"side: got {side}, expected a multiple of the side {block} of the blocks"
            )
        if couplings < 1 or block < 2:
            raise ValueError(
                f"got {couplings} couplings on blocks of side {block}, "
                "expected at least one coupling and side 2"
            )
        self.block, self.offset = block, offset
        self._blocks = (side // block) ** 2
        split = (channels * ((block * block + 1) // 2), channels * (block * block // 2))
        self.couplings = CouplingChain(
            [make_coupling(split, (), i % 2) for i in range(couplings)], memory
        )

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """One for each coupling, which reads one colour of a block and changes the other."""
        colours = (checkerboard(self.block, 0), checkerboard(self.block, 1))
        return tuple(
            Reach(self.block, colours[c.read_half], colours[1 - c.read_half], 0, self.offset)
            for c in self.couplings.bijectors
        )

    @property
    def cell(self) -> int:
        """Side of a block."""
        return self.block

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """This layer, whose cells are its blocks."""
        return (self,)

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Some blocks, see `CellLayer`."""
        channels, k = len(cells), self.block
        x = cells.flatten(2)  # (C, K K, n * B)
        if k % 2:
            halves = self._halves_of_odd(x)
        else:
            x = x.view(channels, k // 2, 2, k // 2, 2, -1).permute(2, 4, 0, 1, 3, 5)
            halves = self._halves_of_phases(x.reshape(4, channels * k * k // 4, -1))
        halves, log_det = (self.couplings.inverse if inverse else self.couplings)(halves)
        if k % 2:
            x = self._odd_of_halves(halves)
        else:
            x = self._phases_of_halves(halves).view(2, 2, channels, k // 2, k // 2, -1)
            x = x.permute(2, 3, 0, 4, 1, 5).reshape(channels, k * k, -1)
        return x.view(cells.shape), log_det.view(cells.shape[2:])

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.couplings(self._split(x))
        return self._merge(halves), log_det.view(self._blocks, len(x)).sum(0)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.couplings.inverse(self._split(z))
        return self._merge(halves), log_det.view(self._blocks, len(z)).sum(0)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, C, L, L)`` to the two colours, ``(blocks * B, C K K / 2)`` each for even K.

        With the batch B innermost, permutations move contiguous pieces of memory; a tensor that
        the previous layer left in that order is not copied.
        """
        channels, side, _ = self.event_shape
        k, n = self.block, side // self.block
        x = x.permute(1, 2, 3, 0).contiguous()  # (C, L, L, B)
        if self.offset:
            x = x.roll((self.offset, self.offset), (1, 2))
        if k % 2:  # in an odd block, sites in row-major order alternate in colour
            x = x.view(channels, n, k, n, k, -1).permute(0, 2, 4, 1, 3, 5)  # (C, K, K, n, n, B)
            return self._halves_of_odd(x.reshape(channels, k * k, -1))
        x = x.view(channels, n, k // 2, 2, n, k // 2, 2, -1)
        x = x.permute(3, 6, 0, 2, 5, 1, 4, 7)  # (2, 2, C, K/2, K/2, n, n, B)
        return self._halves_of_phases(x.reshape(4, channels * k * k // 4, -1))

    def _halves_of_phases(self, phases: Tensor) -> tuple[Tensor, Tensor]:
        """The two colours of blocks of even side, from ``(4, C K K / 4, N)``."""
        p00, p01, p10, p11 = phases.unbind()
        if self.couplings.batch_innermost:
            return torch.cat((p00, p11)).T, torch.cat((p01, p10)).T
        return torch.cat((p00.T, p11.T), 1), torch.cat((p01.T, p10.T), 1)

    def _phases_of_halves(self, halves: tuple[Tensor, Tensor]) -> Tensor:
        (p00, p11), (p01, p10) = (h.T.chunk(2) for h in halves)
        return torch.stack((p00, p01, p10, p11))

    def _halves_of_odd(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two colours of blocks of odd side, from ``(C, K K, N)``."""
        first, second = (self._transposed(x[:, i::2].flatten(0, 1)) for i in range(2))
        return first, second

    def _odd_of_halves(self, halves: tuple[Tensor, Tensor]) -> Tensor:
        even, odd = (h.T.unflatten(0, (self.event_shape[0], -1)) for h in halves)
        pairs = torch.stack((even[:, :-1], odd), 2).flatten(1, 2)
        return torch.cat((pairs, even[:, -1:]), 1)

    def _transposed(self, half: Tensor) -> Tensor:
        """``(features, N)`` to ``(N, features)``, with N innermost if couplings are faster so."""
        return half.T if self.couplings.batch_innermost else half.T.contiguous()

    def _merge(self, halves: tuple[Tensor, Tensor]) -> Tensor:
        channels, side, _ = self.event_shape
        k, n = self.block, side // self.block
        if k % 2:
            x = self._odd_of_halves(halves).view(channels, k, k, n, n, -1)
            x = x.permute(0, 3, 1, 4, 2, 5)  # (C, n, K, n, K, B)
        else:
            x = self._phases_of_halves(halves).view(2, 2, channels, k // 2, k // 2, n, n, -1)
            x = x.permute(2, 5, 3, 0, 6, 4, 1, 7)  # (C, n, K/2, 2, n, K/2, 2, B)
        x = x.reshape(channels, side, side, -1)
        if self.offset:
            x = x.roll((-self.offset, -self.offset), (1, 2))
        return x.permute(3, 0, 1, 2)


class BlockLevel(Bijector):
    """Disentangler (blocks shifted by K/2) and decimator (blocks at offset 0), as in RG-Flow.

    Args:
        channels: C.
        side: Lattice side L of the level, a multiple of ``block``.
        block: Even block side K.
        make_coupling: See ``BlockLayer``.
        couplings: Number of couplings in each block layer.
        order: Names of the layers in forward order. In the paper the disentangler comes first, in
            its authors' code last.
        repeats: How many times the layers follow one another, each time with new weights.
        memory: See ``Chain``.
        mixing: Where a `CellMixing` stands: ``"none"``, ``"first"`` for one in front of the level,
            or ``"layers"`` for one in front of each layer. The first starts from the Haar
            transform, the others from the identity. Cones do not grow, as cells lie inside the
            blocks of both grids.
        site_affine: Whether a learnable scale and shift of each channel and site stand in front
            of each layer. Blocks then differ by their place, as in pictures that are centred or
            drawn on a grid.

    Raises:
        ValueError: For odd K, no or unknown names, ``repeats < 1``, a mixing where K is not a
            multiple of 4, and as `BlockLayer`.

    Reference: arXiv:2010.00029.
    """

    @takes_counts
    def __init__(
        self,
        channels: int,
        side: int,
        block: int,
        make_coupling: CouplingFactory,
        couplings: int = 4,
        order: Sequence[str] = ("disentangler", "decimator"),
        repeats: int = 1,
        memory: Memory = "store",
        mixing: str = "none",
        site_affine: bool = False,
    ) -> None:
        super().__init__((channels, side, side))
        if block % 2:
            raise ValueError(f"block: got {block}, expected an even side of a level's blocks")
        if mixing not in ("none", "first", "layers"):
            raise ValueError(f"mixing: got {mixing!r}, expected 'none', 'first' or 'layers'")
        if mixing != "none" and block % 4:
            raise ValueError(
                f"mixing: got {mixing!r} with blocks of side {block}, expected a multiple of 4, "
                "so that cells lie inside the blocks of both grids"
            )
        if not order or set(order) - set(OFFSETS) or repeats < 1:
            raise ValueError(
                f"got order {tuple(order)} repeated {repeats} times, "
                f"expected names out of {tuple(OFFSETS)} at least once"
            )
        layers: list[Bijector] = []
        for name in [*order] * repeats:
            if mixing == "layers" or (mixing == "first" and not layers):
                layers.append(CellMixing(channels, side, haar=not layers))
            if site_affine:
                layers.append(ElementwiseAffine((channels, side, side), per_site=True))
            offset = OFFSETS[name](block)
            layers.append(
                BlockLayer(channels, side, block, offset, make_coupling, couplings, memory)
            )
        self.layers = Chain(layers, memory)

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """The reaches of all couplings, layer by layer."""
        return self.layers.reaches

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """All layers, each of which is computed block by block."""
        return self.layers.cell_layers

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layers(x)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.layers.inverse(z)
