"""MERAs of convolutional levels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from rgflow.bijectors import MERA, Bijector, BlockLayer, Chain, ConvLevel, ElementwiseAffine
from rgflow.bijectors.memory import Memory
from rgflow.conditioners.lattice import ConvNet, PatchMLP
from rgflow.conditioners.mlp import MLP
from rgflow.flow import Flow
from rgflow.models.parts import (
    check_kernels,
    coupling_factory,
    finished_flow,
    per_level,
    share_weights,
)


def conv_flow(
    side: int,
    channels: int = 3,
    couplings: int | Sequence[int] = (6, 6, 4),
    hidden: int | Sequence[int] = 64,
    kernels: Sequence[int] = (3, 1, 3),
    nonlinearity: str = "silu",
    pairings: Sequence[str] = ("checkerboard", "rows", "columns"),
    predict: bool = True,
    mixing: str = "pairs",
    site_bias: bool = False,
    site_affine: bool = False,
    coupling: str = "affine",
    scale_bound: float = 2.0,
    bins: int = 8,
    smallest_side: int = 4,
    largest_top: int = 16,
    top_couplings: int = 4,
    top_hidden: int = 64,
    prior: str = "laplace",
    pixels: bool = False,
    fourier: str = "none",
    symmetry: str = "none",
    memory: Memory = "store",
    share_levels: bool = False,
) -> Flow:
    """MERA of convolutional levels, finished by a dense bijector over the top lattice.

    Args:
        side: Even lattice side L; it is halved while it is even and above ``smallest_side``.
        channels: C.
        couplings: Couplings per level, fine to coarse (without the closing prediction); the last
            number is for all further levels.
        hidden: Channels inside the conditioners, per level.
        kernels: Kernel sides of the conditioners.
        nonlinearity: Activation in the conditioners.
        pairings: See ``ConvLevel``.
        predict: See ``ConvLevel``.
        mixing: See ``ConvLevel``.
        site_bias: Whether conditioners know the position.
        site_affine: Whether levels close with a scale and shift per site.
        coupling: ``"affine"`` or ``"spline"``.
        scale_bound: Bound on the log-scale of affine couplings.
        bins: Bins of spline couplings.
        smallest_side: Levels stop when this side (or an odd one) is reached, after at least one.
        largest_top: Largest side of the top, which is dense over all its sites.
        top_couplings: Couplings of the dense top.
        top_hidden: Width of the top's conditioners.
        prior: ``"laplace"`` or ``"gaussian"``.
        pixels: Whether the flow starts with the pixel map (images) or acts on fields.
        fourier: ``"fixed"`` or ``"learnable"`` for a linear map in Fourier space in front, whose
            spectrum training takes from the energy; it is not local, so there are no cones.
        symmetry: Under ``x -> -x``: ``"mixture"`` symmetrises the density, ``"equivariant"``
            every coupling (affine ones without a bias by site).
        memory: See ``Chain``.
        share_levels: Whether all levels below the top have the same weights, as those of a
            scale-invariant system may.

    Raises:
        ValueError: If the side is odd, or does not come down to a small top.
    """
    sides = [side]
    while sides[-1] % 2 == 0 and (sides[-1] > smallest_side or len(sides) == 1):
        sides.append(sides[-1] // 2)
    if side % 2 or side < 4 or sides[-1] > largest_top:
        raise ValueError(
            f"a lattice of side {side} comes down to a top of side {sides[-1]}, expected an even "
            f"side of at least 4 with a top of at most {largest_top} (largest_top): n * 2**k"
        )
    *sides, top = sides
    check_kernels(kernels, sides[-1] // 2)
    couplings = per_level(couplings, len(sides), "couplings")
    hidden = per_level(hidden, len(sides), "hidden")

    equivariant = symmetry == "equivariant"
    if equivariant and site_affine:
        raise ValueError(
            "site_affine: got true, expected false, as its shifts are not equivariant"
        )

    def net(width: int, inputs: int, outputs: int, lattice: tuple[int, ...]) -> nn.Module:
        sites = lattice[0] if site_bias else None
        if kernels and not site_bias and all(k == 1 for k in kernels[1:]):
            hidden = (width,) * (len(kernels) - 1)
            return PatchMLP(inputs, outputs, kernels[0], hidden, nonlinearity)
        return ConvNet(inputs, outputs, width, kernels, nonlinearity, sites)

    levels: list[Bijector] = [
        ConvLevel(
            channels,
            s,
            coupling_factory(partial(net, width), coupling, scale_bound, bins, equivariant),
            count,
            pairings,
            predict,
            mixing,
            site_affine,
            memory,
        )
        for s, count, width in zip(sides, couplings, hidden, strict=True)
    ]
    if share_levels:
        share_weights(levels)

    def dense(inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        return MLP(inputs, outputs, (top_hidden, top_hidden), nonlinearity)

    make = coupling_factory(dense, coupling, scale_bound, bins, equivariant)
    layers: list[Bijector] = [BlockLayer(channels, top, top, 0, make, top_couplings, memory)]
    if site_affine:
        layers.append(ElementwiseAffine((channels, top, top), per_site=True))
    levels.append(Chain(layers))
    return finished_flow(MERA(levels), prior, pixels, fourier, symmetry)
