"""The contract of an energy: what it must have, and what it can offer."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rgflow.energies.free_field import gaussian_observables, gaussian_two_point
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.offers import OFFERS, is_outdated
from rgflow.energies.parameters import check_positive
from rgflow.energies.physical import PhysicalVariables
from rgflow.lattice.operators import gaussian_log_z
from rgflow.lattice.spectrum import has_symmetries
from rgflow.runtime.counts import whole_numbers
from rgflow.runtime.fields import check_field


class Energy(nn.Module, ABC):
    """A target law ``exp(-E(x)) / Z`` of fields; temperatures are part of the couplings.

    An energy must have an ``event_shape`` and ``energy(x)``. What else is known about it, it
    *offers*: each member below has a default, mostly None for "not known", and whoever asks for
    one can do without. An energy of your own defines those that it knows, whether it derives from
    this class or is a plain object that `as_energy` wraps.

    =========================  ==================================================================
    ``force(x)``               closed form of ``-dE/dx``, for Monte Carlo
    ``log_z``                  exact ``ln Z``: reports then have divergences in nats
    ``spectrum``               covariance by Fourier mode: start of a Fourier map, masses of HMC
    ``gaussian``               whether the law is exactly the Gaussian one of that covariance
    ``even``                   whether ``E(-x) = E(x)``; found out by trying if None
    ``translation_invariant``  the same for translations of the lattice
    ``exact_observables()``    exact values of rows of a report
    ``exact_two_point()``      exact two-point function along an axis
    ``physical``               the variables that the field stands for, `PhysicalVariables`
    ``cluster_hopping``        t of ``-t sum_<ij> v_i . v_j``, for cluster updates
    ``sample(n, generator)``   exact independent states
    ``scaled(factor)``         the model with another coupling, for annealing
    =========================  ==================================================================

    What is offered belongs to one energy. A class that overrides the ``energy`` of another one
    therefore inherits none of these members: those that it does not define itself have the
    defaults of this class again (`is_outdated`).

    ``energy`` and ``force`` of every subclass refuse, with a ValueError, fields of another shape
    or of an integer type.

    Constants on the lattice are float64 buffers, cast to the field's type where they are used, and
    no part of the state: leave an energy in double precision and give it fields of either type.

    Args:
        event_shape: Shape of one field without the batch axis, ``(C, L, L)``.

    Raises:
        ValueError: If there is not at least one axis, or an empty one.
    """

    law_methods: ClassVar[tuple[str, ...]] = ("energy",)
    """Methods that define the law; a class that overrides one of them has another energy."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("energy", "force"):
            if inspect.isfunction(own := vars(cls).get(name)):
                setattr(cls, name, _checks_fields(own))
        for name in OFFERS:
            if is_outdated(cls, name):
                setattr(cls, name, vars(Energy)[name])

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape: tuple[int, ...] = whole_numbers("event shape", event_shape)
        if not self.event_shape or min(self.event_shape) < 1:
            raise ValueError(f"got event shape {self.event_shape}, expected positive sizes")

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """``E(x)`` in units of the temperature, ``(B, *event_shape) -> (B,)``."""

    def force(self, x: Tensor) -> Tensor:
        """``-dE/dx``, like x and without a graph, whatever the caller's gradient mode.

        The default differentiates the energy automatically.
        """
        self._check(x)
        return minus_gradient(self.energy, x)

    @property
    def log_z(self) -> float | None:
        """Exact ``ln Z = ln int dx exp(-E(x))``, or None where it is not known.

        The default is the ln Z of the Gaussian law, if this is one.
        """
        return self.event_shape[0] * gaussian_log_z(self.spectrum) if self.gaussian else None

    @property
    def spectrum(self) -> Tensor | None:
        """Covariance of the Gaussian part of the law by Fourier mode, or None where it has none.

        ``(H, W)`` float64 on the CPU, in the layout of ``torch.fft.fft2``, for each channel.
        """
        return None

    @property
    def gaussian(self) -> bool:
        """Whether ``E(x) = sum_ck |x_ck|^2 / (2 N spectrum_k)``, without any other term.

        ln Z and the exact observables follow from the spectrum by default.
        """
        return False

    @property
    def even(self) -> bool | None:
        """Whether ``E(-x) = E(x)``; None where it has to be tried, see `symmetries.is_even`."""
        return None

    @property
    def translation_invariant(self) -> bool | None:
        """Whether E is the same for a field moved by a site; None where it has to be tried."""
        return None

    def exact_observables(self) -> Mapping[str, float]:
        """Exact values of rows of a report, by names in `OBSERVABLES` and `OF_TWO_COMPONENTS`.

        They are of the physical variables; rows of the auxiliary field have names that begin with
        ``field_``. The default has those of the Gaussian law, if this is one.
        """
        return gaussian_observables(self.spectrum, self.event_shape[0]) if self.gaussian else {}

    def exact_two_point(self) -> Tensor | None:
        """``G(r)`` of the physical variables along an axis, r = 0 to L/2, ``(L // 2 + 1,)``.

        None where it is not known. The default is that of the Gaussian law, if this is one.
        """
        if not self.gaussian or not has_symmetries(self.spectrum, square=True):
            return None
        return gaussian_two_point(self.spectrum, self.event_shape[0])

    @property
    def physical(self) -> PhysicalVariables | None:
        """The variables that the field stands for; None where that is the field itself."""
        return None

    @property
    def cluster_hopping(self) -> float | None:
        """t of an energy ``-t sum_<ij> v_i . v_j + sum_i V(|v_i|)`` of the physical variables v.

        They are spins, the unit vectors of angles, or the field itself, and every bond counts
        once. Clusters need t >= 0. None where the energy has another form.
        """
        return None

    @property
    def sample(self) -> Callable[[int, torch.Generator], Tensor] | None:
        """``sample(n, generator)`` gives n exact independent states; None where nothing does."""
        return None

    def scaled(self, factor: float) -> Energy:
        """The model with its coupling multiplied by ``factor``, for annealing.

        The default multiplies the whole energy.

        Raises:
            ValueError: If the factor is not one for which the law can be normalised.
        """
        return self if factor == 1 else Scaled(self, factor)

    def _check(self, x: Tensor) -> None:
        check_field(x, type(self).__name__)
        if tuple(x.shape[1:]) != tuple(self.event_shape):
            raise ValueError(
                f"{type(self).__name__} got fields of shape {tuple(x.shape[1:])}, "
                f"expected {tuple(self.event_shape)} after the batch axis"
            )


def _checks_fields(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method of an energy, with a check of the fields in front of it."""

    @functools.wraps(method)
    def checked(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        Energy._check(self, x)  # self may be another object that borrows the method
        return method(self, x, *args, **kwargs)

    return checked


class Scaled(Energy):
    """``factor * E(x)``: the same system at another temperature.

    Args:
        inner: The energy E.
        factor: Ratio of inverse temperatures, positive.

    Raises:
        ValueError: If the factor is not positive and finite.

    >>> from rgflow.energies import Phi4
    >>> model = Phi4(side=4, m2=-4.0, lam=6.0)
    >>> x = torch.ones(1, 1, 4, 4)
    >>> (model.scaled(0.5).energy(x) / model.energy(x)).item()
    0.5
    """

    def __init__(self, inner: Energy, factor: float) -> None:
        super().__init__(inner.event_shape)
        check_positive(factor=factor)
        self.inner = inner
        self.factor = factor

    @property
    def spectrum(self) -> Tensor | None:
        """The covariance of E divided by the factor."""
        inner = self.inner.spectrum
        return None if inner is None else inner / self.factor

    @property
    def gaussian(self) -> bool:
        """Whether the law of E is: a Gaussian law stays one at another temperature."""
        return self.inner.gaussian

    @property
    def even(self) -> bool | None:
        """Whether E declares itself even."""
        return self.inner.even

    @property
    def translation_invariant(self) -> bool | None:
        """Whether E declares itself invariant under translations."""
        return self.inner.translation_invariant

    def energy(self, x: Tensor) -> Tensor:
        """``factor * E(x)``, ``(B, *event_shape) -> (B,)``."""
        return self.factor * self.inner.energy(x)

    def force(self, x: Tensor) -> Tensor:
        """``factor`` times the force of E."""
        return self.factor * self.inner.force(x)
