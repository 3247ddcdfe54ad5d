"""Learnable affine layers without conditioning: elementwise, and mixing of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.hierarchy import Reach


class ElementwiseAffine(Bijector):
    """``z = x exp(log_scale) + shift``, learnable for each channel, or each channel and site.

    Args:
        event_shape: ``(C, *lattice)``.
        per_site: Whether every site has its own scale and shift.
        scale: Initial scale, positive.
        shift: Initial shift.

    Raises:
        ValueError: If the scale is not positive and finite.

    >>> layer = ElementwiseAffine((2, 4, 4), scale=2.0)
    >>> z, log_det = layer(torch.ones(1, 2, 4, 4))
    >>> round(log_det.item() / 32, 4)  # ln 2 for each of the 32 numbers
    0.6931
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        per_site: bool = False,
        scale: float = 1.0,
        shift: float = 0.0,
    ) -> None:
        super().__init__(event_shape)
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be positive, got {scale}")
        shape = event_shape if per_site else (event_shape[0], *[1] * (len(event_shape) - 1))
        self.log_scale = nn.Parameter(torch.full(shape, float(scale)).log())
        self.shift = nn.Parameter(torch.full(shape, float(shift)))

    @property
    def reaches(self) -> tuple[()]:
        """Empty, as every entry is mapped on its own."""
        return ()

    cell, offset = 1, 0

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """This layer, whose cells are single sites."""
        return (self,)

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Some sites, see `CellLayer`."""
        log_scale, shift = (self._at(p, sites)[..., None] for p in (self.log_scale, self.shift))
        log_det = log_scale.sum((0, 1)).expand(*cells.shape[2:])
        if inverse:
            return (cells - shift) * torch.exp(-log_scale), -log_det
        return torch.addcmul(shift, cells, log_scale.exp()), log_det

    def _at(self, parameter: Tensor, sites: Tensor) -> Tensor:
        """A parameter at sites ``(1, n)`` of the lattice, ``(C, 1, 1)`` or ``(C, 1, n)``."""
        flat = parameter.flatten(1)
        return flat[..., None] if flat.shape[1] == 1 else flat[:, sites]

    def _log_det(self, x: Tensor) -> Tensor:
        return self.log_scale.expand(self.event_shape).sum().expand(x.shape[0])

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.addcmul(self.shift, x, self.log_scale.exp()), self._log_det(x)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return (z - self.shift) * torch.exp(-self.log_scale), -self._log_det(z)


class ChannelMixing(Bijector):
    """One invertible matrix that acts on the channels of every site: ``z = W x``.

    ``W = P L (U + diag(sign exp(d)))``, where the permutation P and the signs are fixed, L is unit
    lower and U strictly upper triangular. The log_det is ``sum d`` for each site.

    Args:
        event_shape: ``(C, *lattice)``, or ``(C,)`` for C features without a lattice.
        initial: Initial W, ``(C, C)``; the identity if None.

    Raises:
        ValueError: If the initial matrix is singular or of another shape.

    Reference: Glow, arXiv:1807.03039.

    >>> z, log_det = ChannelMixing((2, 3, 3))(torch.ones(1, 2, 3, 3))
    >>> z.mean().item(), log_det.item()
    (1.0, 0.0)
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        initial: Sequence[Sequence[float]] | Tensor | None = None,
    ) -> None:
        super().__init__(event_shape)
        channels = event_shape[0]
        start = torch.eye(channels, dtype=torch.float64)
        if initial is not None:
            start = torch.as_tensor(initial, dtype=torch.float64)
        if start.shape != (channels, channels):
            raise ValueError(
                f"got {tuple(start.shape)}, expected a {channels} x {channels} matrix"
            )
        permutation, lower, upper = torch.linalg.lu(start)
        diagonal = upper.diagonal()
        if not (diagonal.abs() > 1e-12).all():
            raise ValueError("the initial matrix is singular, expected an invertible one")
        dtype = torch.get_default_dtype()
        self.register_buffer("permutation", permutation.to(dtype))
        self.register_buffer("sign", diagonal.sign().to(dtype))
        self.log_diagonal = nn.Parameter(diagonal.abs().log().to(dtype))
        self.lower = nn.Parameter(lower.tril(-1).to(dtype))
        self.upper = nn.Parameter(upper.triu(1).to(dtype))

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """Empty, as every site is mapped on its own."""
        return ()

    def _factors(self) -> tuple[Tensor, Tensor]:
        lower = self.lower.tril(-1) + torch.eye(len(self.lower)).to(self.lower)
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return lower, upper

    def _log_det(self, x: Tensor) -> Tensor:
        sites = x.shape[2:].numel()
        return (self.log_diagonal.sum() * sites).expand(x.shape[0])

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):  # a rounded matrix has no exact inverse
            return _matmul(self.matrix(x), x), self._log_det(x)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(z.device.type, enabled=False):
            return _matmul(self.inverse_matrix(z), z), -self._log_det(z)

    def matrix(self, x: Tensor) -> Tensor:
        """W, ``(C, C)``, for products with x."""
        lower, upper = self._factors()
        return self.permutation @ lower @ upper

    def inverse_matrix(self, z: Tensor) -> Tensor:
        """The inverse of W in the type of z, for which LAPACK has no half precision."""
        lower, upper = (factor.to(_solved_in(z)) for factor in self._factors())
        half = torch.linalg.solve_triangular(
            lower, self.permutation.T.to(lower).contiguous(), upper=False, unitriangular=True
        )
        return torch.linalg.solve_triangular(upper, half, upper=True).to(z)


def _solved_in(x: Tensor) -> torch.dtype:
    """The type in which linear equations for x are solved, at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


def _matmul(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiplies x by the matrix along the channel axis."""
    if x.dim() == 2:
        return x @ matrix.T
    if x.stride(0) == 1:  # the batch is innermost in memory and stays so
        by_channel = x.movedim(0, -1)
        return (matrix @ by_channel.flatten(1)).view_as(by_channel).movedim(-1, 0)
    return torch.matmul(matrix, x.flatten(2)).view_as(x)
