"""Makers of small bijectors with every parameter moved away from its start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rgflow import bijectors as b
from rgflow.conditioners import MLP, ResidualMLP
from rgflow.conditioners.lattice import ConvNet, PatchMLP
from rgflow.energies import GaussianField, Ising
from rgflow.flow import Flow
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    CouplingKind,
    DenseTop,
    LatticeNet,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.runtime.config import build
from rgflow.testing import perturbed


def flow_of(maker: str, **settings: Any) -> Flow:
    """A flow from flat settings, as a configuration gives them."""
    return build({"_target_": f"rgflow.models.{maker}", **settings}, "flow")


def _affine_mlp(split, lattice, reads):
    net = MLP(split[reads], 2 * split[1 - reads], (8, 8))
    return b.AffineCoupling(split, net, lattice, reads)


def _affine_residual(split, lattice, reads):
    net = ResidualMLP(split[reads], 2 * split[1 - reads], width=6, hidden=8, blocks=1)
    return b.AffineCoupling(split, net, lattice, reads)


def _affine_conv(split, lattice, reads):
    net = ConvNet(split[reads], 2 * split[1 - reads], hidden=5)
    return b.AffineCoupling(split, net, lattice, reads)


def _spline_patches(split, lattice, reads):
    net = PatchMLP(split[reads], 14 * split[1 - reads], 3, (5,))
    return b.SplineCoupling(split, net, lattice, reads, bins=5)


def _spline_conv(split, lattice, reads):
    net = ConvNet(split[reads], 14 * split[1 - reads], hidden=5, sites=lattice[0])
    return b.SplineCoupling(split, net, lattice, reads, bins=5)


BIJECTORS: dict[str, Callable[[], b.Bijector]] = {
    "affine_coupling": lambda: _affine_mlp((3, 2), (), 0),
    "affine_coupling_reads_second": lambda: _affine_residual((3, 2), (), 1),
    "affine_coupling_on_lattice": lambda: _affine_conv((2, 3), (4, 4), 1),
    "spline_coupling": lambda: b.SplineCoupling((3, 2), MLP(3, 2 * 23, (8,)), bins=8),
    "spline_coupling_on_lattice": lambda: _spline_conv((2, 1), (4, 4), 0),
    "elementwise_affine": lambda: b.ElementwiseAffine((2, 3, 3), scale=0.5, shift=1.0),
    "elementwise_affine_per_site": lambda: b.ElementwiseAffine((2, 3, 3), per_site=True),
    "elementwise_spline": lambda: b.ElementwiseSpline((2, 3, 3), bins=6),
    "channel_mixing": lambda: b.ChannelMixing((3, 2, 2), [[0, 1, 0], [2, 0, 1], [0, 0, -1]]),
    "channel_mixing_features": lambda: b.ChannelMixing((3,)),
    "circulant_root": lambda: b.CirculantRoot(Ising(4).spectrum, channels=2, learnable=True),
    "circulant_root_fixed_odd": lambda: b.CirculantRoot(GaussianField(3, 0.5).spectrum),
    "polyphase_rows": lambda: b.PolyphaseCoupling(2, 3, "rows", 1, _affine_conv),
    "polyphase_emission": lambda: b.PolyphaseCoupling(1, 2, "emission", 0, _affine_conv),
    "block_layer_even": lambda: b.BlockLayer(2, 8, 4, 2, _affine_residual, 3),
    "block_layer_odd": lambda: b.BlockLayer(2, 3, 3, 1, _affine_mlp, 3),
    "block_level": lambda: b.BlockLevel(
        1, 4, 2, _affine_mlp, 2, ("decimator", "disentangler"), repeats=2
    ),
    "block_level_mixed": lambda: b.BlockLevel(
        2, 8, 4, _affine_mlp, 2, mixing="layers", site_affine=True
    ),
    "cell_mixing": lambda: b.CellMixing(2, 6, haar=True),
    "conv_level": lambda: b.ConvLevel(2, 4, _affine_conv, 4, mixing="pairs", site_affine=True),
    "conv_level_splines": lambda: b.ConvLevel(1, 6, _spline_conv, 2),
    "conv_level_of_patches": lambda: b.ConvLevel(2, 6, _spline_patches, 4, mixing="pairs"),
    "polyphase_columns_of_patches": lambda: b.PolyphaseCoupling(
        1, 3, "columns", 0, _spline_patches
    ),
    "mera_of_blocks": lambda: (
        block_flow(8, 1, BlockLevels(4, (3, 2)), BlockNet(hidden=8, residual_blocks=1)).bijector
    ),
    "mera_of_convs": lambda: (
        conv_flow(
            6, 2, ConvLevels(3, hidden=5), top=DenseTop(smallest_side=2, top_hidden=6)
        ).bijector
    ),
    "mera_of_patches": lambda: (
        conv_flow(
            8,
            1,
            ConvLevels(3, hidden=5),
            LatticeNet(kernels=(3, 1)),
            kind=CouplingKind("spline", bins=4),
            top=DenseTop(smallest_side=2, top_hidden=6),
        ).bijector
    ),
    "realnvp": lambda: realnvp_flow(8, 1, RealNVPLayers(3, 2, hidden=5)).bijector,
    "common_phase": lambda: b.CommonPhase(3, spread=0.4, core=0.2),
    "phase_and_mera": lambda: (
        conv_flow(8, 2, ConvLevels(2, hidden=5), outside=Outside(symmetry="phase")).bijector
    ),
    "pixel_logit": lambda: b.PixelLogit((2, 3, 3)),
    "pixels_and_mera": lambda: (
        conv_flow(8, 1, ConvLevels(2, hidden=5), outside=Outside(pixels=True)).bijector
    ),
    "chain": lambda: b.Chain([b.ElementwiseAffine((2, 3, 3)), b.ChannelMixing((2, 3, 3))]),
    "inverse": lambda: b.Inverse(b.ConvLevel(1, 4, _affine_conv, 2)),
}


def make_bijector(name: str) -> b.Bijector:
    """A perturbed double-precision bijector of the registry."""
    torch.manual_seed(0)
    return perturbed(BIJECTORS[name]())
