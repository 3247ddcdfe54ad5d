"""Invertible maps with tractable Jacobians."""

from rgflow.bijectors.affine import ChannelMixing, ElementwiseAffine
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.blocks import BlockLayer, BlockLevel
from rgflow.bijectors.cells import CellMixing
from rgflow.bijectors.chain import Chain, Inverse
from rgflow.bijectors.conv import ConvLevel
from rgflow.bijectors.coupling import AffineCoupling, Coupling, CouplingChain, SplineCoupling
from rgflow.bijectors.fourier import CirculantRoot
from rgflow.bijectors.mera import MERA
from rgflow.bijectors.phase import CommonPhase
from rgflow.bijectors.pixels import PixelLogit, bits_per_dim, dequantize, to_image
from rgflow.bijectors.polyphase import PolyphaseCoupling
from rgflow.bijectors.realnvp import RealNVP
from rgflow.bijectors.spline import ElementwiseSpline
from rgflow.bijectors.transforms import Affine, RationalQuadratic, Transform

__all__ = [
    "MERA",
    "Affine",
    "AffineCoupling",
    "Bijector",
    "BlockLayer",
    "BlockLevel",
    "CellMixing",
    "Chain",
    "ChannelMixing",
    "CirculantRoot",
    "CommonPhase",
    "ConvLevel",
    "Coupling",
    "CouplingChain",
    "ElementwiseAffine",
    "ElementwiseSpline",
    "Inverse",
    "PixelLogit",
    "PolyphaseCoupling",
    "RationalQuadratic",
    "RealNVP",
    "SplineCoupling",
    "Transform",
    "bits_per_dim",
    "dequantize",
    "to_image",
]
