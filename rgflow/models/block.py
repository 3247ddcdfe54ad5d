"""MERAs of block levels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from rgflow.bijectors import MERA, BlockLevel
from rgflow.bijectors.memory import Memory
from rgflow.conditioners import MLP, ResidualMLP
from rgflow.conditioners.separate_heads import SeparateHeads
from rgflow.flow import Flow
from rgflow.models.parts import coupling_factory, finished_flow, per_level, share_weights


def block_flow(
    side: int,
    channels: int = 3,
    block: int = 4,
    couplings: int | Sequence[int] = (8, 6, 4, 2),
    conditioner: str = "residual",
    width: int | None = None,
    hidden: int | Sequence[int] = 512,
    residual_blocks: int = 4,
    nonlinearity: str | Sequence[str] = "silu",
    separate_heads: bool = False,
    order: Sequence[str] = ("disentangler", "decimator"),
    repeats: int = 1,
    coupling: str = "affine",
    scale_bound: float = 2.0,
    bins: int = 8,
    prior: str = "laplace",
    pixels: bool = False,
    fourier: str = "none",
    symmetry: str = "none",
    memory: Memory = "store",
    share_levels: bool = False,
) -> Flow:
    """MERA of block levels as published: disentanglers and decimators of side K on every level.

    Args:
        side: Lattice side ``L = K * 2**n``.
        channels: C.
        block: Even block side K.
        couplings: Couplings in each block layer, per level from fine to coarse.
        conditioner: ``"residual"`` (as published) or ``"mlp"``.
        width: Residual stream of the residual conditioner; the half that is read if None.
        hidden: Hidden width; for ``"mlp"`` the list of hidden widths.
        residual_blocks: Blocks of the residual conditioner.
        nonlinearity: Activation of the ``"mlp"``, or one for each hidden layer.
        separate_heads: Whether affine couplings have a net for their log-scales and another for
            their shifts, as NeuralRG has, instead of one for both.
        order: See ``BlockLevel``.
        repeats: See ``BlockLevel``.
        coupling: ``"affine"`` or ``"spline"``.
        scale_bound: Bound on the log-scale of affine couplings.
        bins: Bins of spline couplings.
        prior: ``"laplace"`` or ``"gaussian"``.
        pixels: Whether the flow starts with the pixel map (images) or acts on fields.
        fourier: ``"fixed"`` or ``"learnable"`` for a linear map in Fourier space in front, whose
            spectrum training takes from the energy; it is not local, so there are no cones.
        symmetry: Under ``x -> -x``: ``"mixture"`` symmetrises the density, ``"equivariant"``
            every coupling (affine ones without a bias by site).
        memory: See ``Chain``.
        share_levels: Whether all levels have the same weights, as those of a scale-invariant
            system may.

    Raises:
        ValueError: If ``side`` is not ``block * 2**n``.

    Reference: arXiv:2010.00029 (images, K = 4), arXiv:1802.02840 (fields, K = 2).
    """
    if conditioner not in ("residual", "mlp"):
        raise ValueError(f"conditioner {conditioner!r} is unknown, expected 'residual' or 'mlp'")
    ratio = side // block if block > 0 else 0
    if block < 2 or side % block or ratio & (ratio - 1):
        raise ValueError(
            f"a lattice of side {side} does not tile with blocks of side {block}: "
            f"expected {block} * 2**n"
        )
    sides = [side >> h for h in range(ratio.bit_length())]
    couplings = per_level(couplings, len(sides), "couplings")

    if separate_heads and coupling != "affine":
        raise ValueError(
            f"separate_heads: got true with coupling={coupling!r}, expected 'affine', "
            "which has the two heads"
        )

    def net(inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        if separate_heads:
            return SeparateHeads([one_net(inputs, outputs // 2) for _ in range(2)])
        return one_net(inputs, outputs)

    def one_net(inputs: int, outputs: int) -> nn.Module:
        if conditioner == "mlp":
            widths = [hidden] * 2 if isinstance(hidden, int) else hidden
            return MLP(inputs, outputs, widths, nonlinearity)
        if not isinstance(hidden, int):
            raise ValueError(f"the residual conditioner has one hidden width, got {hidden}")
        return ResidualMLP(inputs, outputs, width, hidden, residual_blocks)

    equivariant = symmetry == "equivariant"
    make = coupling_factory(net, coupling, scale_bound, bins, equivariant)
    levels = [
        BlockLevel(channels, s, block, make, count, order, repeats, memory)
        for s, count in zip(sides, couplings, strict=True)
    ]
    if share_levels:
        share_weights(levels)
    return finished_flow(MERA(levels), prior, pixels, fourier, symmetry)
