"""The checks that a spectrum, a number for every Fourier mode of real fields, must pass."""

import torch
from torch import Tensor

SYMMETRY_TOLERANCE = 1e-4
"""Largest difference between two modes that a symmetry makes equal, relative to their values;
the rounding of single precision is a hundred times as small."""


def has_symmetries(spectrum: Tensor, *, square: bool = False) -> bool:
    """Whether ``S(k) = S(-k)``, and with ``square`` also ``S(k1, k2) = S(-k1, k2) = S(k2, k1)``.

    Args:
        spectrum: ``(H, W)`` in the layout of ``torch.fft.fft2``.
        square: Whether all symmetries of the square are asked for, which need ``H = W``.

    >>> rows = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    >>> has_symmetries(rows), has_symmetries(rows, square=True)
    (True, False)
    """
    if square and spectrum.shape[0] != spectrum.shape[1]:
        return False
    if square:
        images = [spectrum.roll(-1, 0).flip(0), spectrum.T]
    else:
        images = [spectrum.flip(0, 1).roll((1, 1), (0, 1))]
    return all(
        torch.allclose(spectrum, image, rtol=SYMMETRY_TOLERANCE, atol=0.0) for image in images
    )


def check_spectrum(
    spectrum: Tensor,
    name: str = "spectrum",
    *,
    shape: tuple[int, ...] | None = None,
    square: bool = False,
) -> None:
    """Refuses what is not a positive and finite spectrum with the symmetries of `has_symmetries`.

    Args:
        spectrum: ``(H, W)`` in the layout of ``torch.fft.fft2``.
        name: The spectrum's name in messages.
        shape: ``(H, W)``; any if None.
        square: Whether it must have all symmetries of the square.

    Raises:
        ValueError: If the spectrum is of another shape, has entries that are not positive and
            finite, or does not have the symmetries.
    """
    got = tuple(spectrum.shape) if isinstance(spectrum, Tensor) else type(spectrum).__name__
    has_shape = isinstance(got, tuple) and len(got) == 2 and min(got) > 0
    if not has_shape or (square and got[0] != got[1]) or shape not in (None, got):
        expected = shape or ("(L, L)" if square else "(H, W)")
        raise ValueError(f"{name}: got a spectrum of shape {got}, expected {expected}")
    if not ((spectrum > 0) & spectrum.isfinite()).all():
        raise ValueError(
            f"{name}: got a spectrum with entries that are not positive and finite, expected a "
            "number above zero for every Fourier mode"
        )
    if not has_symmetries(spectrum, square=square):
        symmetries, equation = (
            ("the symmetries of the square", "S(k1, k2) = S(-k1, k2) = S(k2, k1)")
            if square
            else ("the same values at k and -k", "S(k) = S(-k)")
        )
        raise ValueError(f"{name}: got a spectrum without {symmetries}, expected {equation}")
