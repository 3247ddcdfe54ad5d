"""A linear map in Fourier space that turns a correlated field into white noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.lattice.operators import half, multiply_modes
from rgflow.lattice.spectrum import check_spectrum
from rgflow.runtime.counts import takes_counts


class CirculantRoot(Bijector):
    """Whitens: ``z_k = spectrum(k)**-1/2 x_k`` for every Fourier mode k and every channel.

    If ``spectrum`` is the covariance of x by mode, then z is white; if x is Gaussian, z is exactly
    standard normal. The spectrum has the symmetries of the square, ``k_mu -> -k_mu`` and
    ``k_1 <-> k_2``, and one number is stored for each class of modes that they relate. If
    ``learnable``, the map starts at ``spectrum`` and can learn the two-point function of an
    interacting theory. As it couples all sites with one another, it cannot be a level of a MERA.

    Args:
        spectrum: ``(L, L)``, positive, in the layout of ``torch.fft.fft2``, for instance
            ``energy.spectrum``. Its logarithm is part of the ``state_dict``.
        channels: C, the number of channels, which all have the same spectrum.
        learnable: Whether the spectrum is a parameter.

    Raises:
        ValueError: If the spectrum is not square, positive, finite and symmetric, or there is no
            channel.

    >>> whiten = CirculantRoot(torch.full((4, 4), 4.0))
    >>> z, log_det = whiten(torch.ones(1, 1, 4, 4))
    >>> z.mean().item(), round(log_det.item(), 4)  # halved, -16 ln 2
    (0.5, -11.0904)
    """

    @takes_counts
    def __init__(
        self,
        spectrum: Tensor | Sequence[Sequence[float]],
        channels: int = 1,
        learnable: bool = False,
    ) -> None:
        side = len(spectrum)
        if channels < 1:
            raise ValueError(f"channels: got {channels}, expected at least 1")
        super().__init__((channels, side, side))
        classes, counts = mode_classes(side)
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        start = torch.zeros(len(counts))
        if learnable:
            self.log_spectrum = nn.Parameter(start)
        else:
            self.register_buffer("log_spectrum", start)
        self.set_spectrum(spectrum)

    @torch.no_grad()
    def set_spectrum(self, spectrum: Tensor | Sequence[Sequence[float]]) -> None:
        """Replaces the spectrum by another one, ``(L, L)``.

        Raises:
            ValueError: If it is not as the constructor requires, or has another side.
        """
        spectrum = torch.as_tensor(spectrum, dtype=torch.float64, device=self.counts.device)
        check_spectrum(spectrum, square=True)
        if len(spectrum) != self.event_shape[1]:
            raise ValueError(f"got side {len(spectrum)}, expected {self.event_shape[1]}")
        sums = torch.zeros(len(self.counts), dtype=torch.float64, device=self.counts.device)
        sums.index_add_(0, self.classes.flatten(), spectrum.log().flatten())
        self.log_spectrum.copy_(sums / self.counts)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply_power(x, -0.5)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply_power(z, 0.5)

    def _apply_power(self, x: Tensor, power: float) -> tuple[Tensor, Tensor]:
        factors = (power * self.log_spectrum).exp()[half(self.classes)]  # (L, L // 2 + 1)
        # a sum of thousands of terms needs float64
        log_det = power * self.event_shape[0] * (self.counts * self.log_spectrum.double()).sum()
        return multiply_modes(x, factors), log_det.to(x).expand(x.shape[0])


def mode_classes(side: int) -> tuple[Tensor, Tensor]:
    """Classes of Fourier modes under the symmetries of the square.

    Returns:
        The class of every mode, ``(L, L)`` integers from 0, and the number of modes in each
        class, ``(classes,)``.

    >>> mode_classes(3)[0].tolist()
    [[0, 1, 1], [1, 2, 2], [1, 2, 2]]
    """
    k = torch.arange(side)
    k = torch.minimum(k, side - k)  # k and -k
    large = torch.maximum(k[:, None], k[None, :])
    small = torch.minimum(k[:, None], k[None, :])
    _, classes, counts = torch.unique(
        large * side + small, return_inverse=True, return_counts=True
    )
    return classes, counts
