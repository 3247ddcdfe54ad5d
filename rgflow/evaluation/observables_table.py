"""Tables of observables with errors, from weighted samples of a flow or from Markov chains."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rgflow import observables as o
from rgflow.energies import XY, Energy, Ising
from rgflow.evaluation.physical_variables import kind_of, unit_vectors
from rgflow.lattice.operators import forward_neighbours
from rgflow.runtime.seeds import generator_for
from rgflow.statistics import (
    Measured,
    derived_reweighted,
    derived_with_error,
    mean_with_error,
    reweighted,
)

PART = 1024
"""Configurations that are measured at a time."""


def observable_report(
    moments: o.Moments, event_shape: tuple[int, ...], log_weights: Tensor | None = None
) -> dict[str, Measured]:
    r"""Table of observables: name -> (value, error, autocorrelation time).

    ``abs_m``, ``m2``, ``m4``, ``susceptibility`` (``N <m^2>``), ``connected_susceptibility``
    (``N (<m^2> - <|m|>^2)``), ``binder``, ``energy_per_site``, ``specific_heat``,
    ``correlation_length`` (meaningless in the ordered phase, since nothing is subtracted); without
    those whose ingredients were not measured.

    Args:
        moments: Measured on independent samples ``(n,)``, or on chains ``(T,)`` or ``(T, B)``.
        event_shape: ``(C, H, W)`` of a configuration.
        log_weights: ``-E - log q`` of independent samples of a flow, ``(n,)``; the moments are
            those of Markov chains of the target if None.

    Raises:
        ValueError: If shapes do not fit, or something is not finite.

    >>> x = torch.randn(1000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> report = observable_report(o.measure(x), (1, 4, 4))
    >>> sorted(report)[:3]
    ['abs_m', 'binder', 'connected_susceptibility']
    >>> report["susceptibility"].value, report["susceptibility"].error  # of white noise: 1
    (1.0..., 0.0...)
    """
    height, width = event_shape[-2:]
    sites = height * width
    m = moments
    rows: dict[str, tuple[Callable[..., Tensor], tuple[Tensor | None, ...]]] = {
        "abs_m": (_itself, (m.abs_m,)),
        "m2": (_itself, (m.m2,)),
        "m4": (_itself, (m.m4,)),
        "susceptibility": (partial(o.susceptibility, sites=sites), (m.m2,)),
        "connected_susceptibility": (
            partial(o.connected_susceptibility, sites=sites),
            (m.abs_m, m.m2),
        ),
        "binder": (o.binder_cumulant, (m.m2, m.m4)),
        "energy_per_site": (lambda e: e / sites, (m.energy,)),
        "specific_heat": (partial(o.specific_heat, sites=sites), (m.energy, m.energy_squared)),
        "correlation_length": (partial(o.correlation_length, side=width), (m.m2, m.structure)),
    }
    if log_weights is None:
        estimate = derived_with_error
    else:
        estimate = partial(derived_reweighted, log_weights=log_weights)
    return {
        name: estimate(function, *series)
        for name, (function, series) in rows.items()
        if all(one is not None for one in series)
    }


def energy_report(
    energy: Energy,
    x: Tensor,
    energies: Tensor,
    log_weights: Tensor | None = None,
    seed: int = 0,
) -> dict[str, Measured]:
    """`observable_report` of what the fields of an energy stand for.

    For `Ising` the rows are those of the spins +1 and -1, averaged over the spins given x where
    that is possible in closed form, otherwise with one draw of them (``abs_m``,
    ``connected_susceptibility``, ``specific_heat``); for `XY` those of the unit vectors
    ``(cos theta, sin theta)`` and their energy. For both the rows of the auxiliary field x follow,
    under names that begin with ``field_``.

    Args:
        energy: Of which x are states.
        x: Samples of a flow ``(n, C, L, L)`` with their weights, or chains ``(T, C, L, L)`` or
            ``(T, B, C, L, L)``.
        energies: ``E(x)``, of the leading shape of x.
        log_weights: See `observable_report`.
        seed: Of the spins.

    Raises:
        ValueError: See `observable_report`.

    >>> from rgflow.energies import GaussianField
    >>> field = GaussianField(side=4, m2=0.5)
    >>> x = field.sample(1000, torch.Generator().manual_seed(0))
    >>> energy_report(field, x, field.energy(x))["energy_per_site"]  # exactly 1/2
    Measured(value=0.50..., error=0.005..., tau=0.50...)
    """
    flat, shape = x.flatten(0, -4), energy.event_shape
    leading = x.shape[:-3]

    def table(
        measure: Callable[..., o.Moments], event_shape: tuple[int, ...], *more: Tensor
    ) -> dict[str, Measured]:
        return observable_report(
            _in_parts(measure, leading, flat, *more), event_shape, log_weights
        )

    fields = table(o.measure, shape, energies.flatten())
    if isinstance(energy, Ising):
        generator = generator_for("spins", seed)
        drawn = table(lambda part: _measure_spins(energy, part, generator), shape)
        averaged = table(lambda part: o.measure_spins_of_field(part, energy.coupling), shape)
        spins = drawn | averaged
    elif isinstance(energy, XY):
        spins = table(lambda part: _measure_vectors(energy, part), (2, *shape[1:]))
    else:
        return fields
    return spins | {f"field_{name}": row for name, row in fields.items()}


def _in_parts(
    measure: Callable[..., o.Moments], leading: tuple[int, ...], *tensors: Tensor
) -> o.Moments:
    """Moments of many configurations, with memory that does not grow with their number."""
    parts = [measure(*part) for part in zip(*(t.split(PART) for t in tensors), strict=True)]
    columns = zip(*parts, strict=True)
    return o.Moments(*(None if c[0] is None else torch.cat(c).reshape(leading) for c in columns))


def _measure_spins(energy: Ising, x: Tensor, generator: torch.Generator) -> o.Moments:
    """Of one draw of the spins."""
    spins = energy.spins(x, generator)
    down, right = forward_neighbours(spins)
    bonds = (spins * (down + right)).sum((1, 2, 3), dtype=torch.float64)
    return o.measure(spins, -energy.coupling * bonds)


def _measure_vectors(energy: XY, x: Tensor) -> o.Moments:
    return o.measure(unit_vectors(energy, x), energy.angle_energy(energy.angles(x)))


def two_point_report(
    energy: Energy, x: Tensor, log_weights: Tensor | None = None
) -> list[Measured]:
    """``G(r)`` along the axes with errors, for r = 0 to L/2; nothing on a lattice not square.

    For `Ising` that of the spins, averaged over them given x; for `XY` that of the unit vectors,
    ``<cos(theta_x - theta_{x+r})>``; both are exactly 1 at r = 0.

    Args:
        energy: Of which x are states.
        x: Samples of a flow ``(n, C, L, L)`` with their weights, or chains
            ``(T, C, L, L)`` or ``(T, B, C, L, L)``.
        log_weights: See `observable_report`.

    Raises:
        ValueError: See `observable_report`.
    """
    if x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return []
    leading = x.shape[:-3]
    parts = x.flatten(0, -4).split(PART)  # so that memory does not grow with the count
    columns = torch.cat([_two_point(energy, part) for part in parts]).unflatten(0, leading)
    columns = columns.unbind(-1)
    if log_weights is None:
        points = [mean_with_error(column) for column in columns]
    else:
        points = [reweighted(column, log_weights) for column in columns]
    return points if kind_of(energy) == "field" else [Measured(1.0, 0.0), *points[1:]]


def _two_point(energy: Energy, x: Tensor) -> Tensor:
    """``(n, L // 2 + 1)``."""
    if isinstance(energy, XY):
        return o.two_point_on_axes(unit_vectors(energy, x))
    if isinstance(energy, Ising):
        # given x the spins of two sites are independent with means tanh x, for r > 0
        return o.two_point_on_axes(x.double().tanh())
    return o.two_point_on_axes(x)


def _itself(mean: Tensor) -> Tensor:
    return mean
