"""A level of a MERA that consists of convolutional couplings between its sub-lattices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rgflow.bijectors.affine import ElementwiseAffine
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cells import StackMixing
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.memory import Memory
from rgflow.bijectors.polyphase import (
    CouplingFactory,
    PolyphaseCoupling,
    stack_phases,
    unstack_phases,
)
from rgflow.hierarchy import Reach
from rgflow.ops import has_faster_way
from rgflow.runtime.counts import takes_counts


class ConvLevel(Bijector):
    """Couplings between the four stride-2 sub-lattices of a level, by nets that read nearby sites.

    Couplings come in pairs, in which each half reads the other once, and the pairs cycle through
    ``pairings``. A last coupling changes the three emitted sub-lattices, given the kept one.
    Optionally, invertible matrices act on the ``4 C`` numbers of every 2 x 2 cell in between; the
    first one starts as a Haar transform (mean and differences), the others as the identity.

    Args:
        channels: C.
        side: Even side L of the level's lattice.
        make_coupling: Makes one coupling from the channels of the halves, their lattice, and the
            index of the half that is read.
        couplings: Number of couplings before the last one from kept to emitted.
        pairings: Keys of `polyphase.PAIRINGS`, one for each pair of couplings in turn.
        predict: Whether there is that last coupling.
        mixing: Where matrices act on cells: ``"none"``, ``"first"`` (before the first coupling),
            or ``"pairs"`` (before every pair of couplings and before the last coupling).
        site_affine: Whether a learnable scale and shift of each channel and site end the level.
        memory: See ``Chain``.

    Raises:
        ValueError: If the side is odd, there is no coupling or no pairing, or a name is unknown.

    >>> import torch
    >>> from rgflow.conditioners.lattice import ConvNet
    >>> from rgflow.bijectors import AffineCoupling
    >>> def make(split, lattice, reads):
    ...     net = ConvNet(split[reads], 2 * split[1 - reads], hidden=8)
    ...     return AffineCoupling(split, net, lattice, reads)
    >>> z, log_det = ConvLevel(3, 8, make, couplings=2)(torch.randn(5, 3, 8, 8))
    >>> z.shape, log_det.shape
    (torch.Size([5, 3, 8, 8]), torch.Size([5]))
    """

    @takes_counts
    def __init__(
        self,
        channels: int,
        side: int,
        make_coupling: CouplingFactory,
        couplings: int = 6,
        pairings: Sequence[str] = ("checkerboard", "rows", "columns"),
        predict: bool = True,
        mixing: str = "none",
        site_affine: bool = False,
        memory: Memory = "store",
    ) -> None:
        super().__init__((channels, side, side))
        if side % 2:
            raise ValueError(f"a convolutional level needs an even side, got {side}")
        if couplings + predict < 1:
            raise ValueError("a level without couplings does nothing, expected at least one")
        if not pairings:
            raise ValueError("a level needs at least one pairing, got none")
        if mixing not in ("none", "first", "pairs"):
            raise ValueError(f"mixing {mixing!r} is unknown, expected 'none', 'first' or 'pairs'")
        half = side // 2
        layers: list[Bijector] = []
        for i in range(couplings + predict):
            is_start = i % 2 == 0 or i == couplings
            if (mixing == "first" and i == 0) or (mixing == "pairs" and is_start):
                layers.append(StackMixing(channels, half, haar=i == 0))
            if i == couplings:
                layers.append(PolyphaseCoupling(channels, half, "emission", 0, make_coupling))
                break
            pairing = pairings[(i // 2) % len(pairings)]
            layers.append(PolyphaseCoupling(channels, half, pairing, i % 2, make_coupling))
        if site_affine:
            layers.append(ElementwiseAffine((4 * channels, half, half), per_site=True))
        self.layers = Chain(layers, memory)
        self._batch_innermost = has_faster_way(
            layer.coupling for layer in layers if isinstance(layer, PolyphaseCoupling)
        )

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """The reaches of all layers, in forward order."""
        return self.layers.reaches

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.layers(stack_phases(x, self._batch_innermost))
        return unstack_phases(stack), log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.layers.inverse(stack_phases(z, self._batch_innermost))
        return unstack_phases(stack), log_det
