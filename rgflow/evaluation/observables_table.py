"""Tables of observables with errors, from weighted samples of a flow or from Markov chains."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rgflow import observables as o
from rgflow.energies import Energy, PhysicalVariables
from rgflow.energies.physical import unit_vectors
from rgflow.evaluation.physical_variables import kind_of, vectors
from rgflow.runtime.seeds import generator_for
from rgflow.statistics import (
    Measured,
    derived_reweighted,
    derived_with_error,
    mean_with_error,
    reweighted,
)

PART = 1024
"""Configurations that are measured at a time, so that memory does not grow with their number."""


def observable_report(
    moments: o.Moments, event_shape: tuple[int, ...], log_weights: Tensor | None = None
) -> dict[str, Measured]:
    r"""Table of observables: name -> (value, error, autocorrelation time).

    ``abs_m``, ``m2``, ``m4``, ``susceptibility`` (``N <m^2>``), ``connected_susceptibility``
    (``N (<m^2> - <|m|>^2)``), ``binder``, ``energy_per_site``, ``specific_heat``,
    ``correlation_length`` (meaningless in the ordered phase, since nothing is subtracted). Rows
    whose ingredients were not measured are left out.

    Args:
        moments: Moments of independent samples ``(n,)``, or of chains ``(T,)`` or ``(T, B)``.
        event_shape: ``(C, H, W)`` of a configuration.
        log_weights: ``-E - log q`` of independent samples of a flow, ``(n,)``; None if the moments
            are those of Markov chains of the target.

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
    """`observable_report` of the variables that the fields of an energy stand for.

    Where the energy offers ``physical`` variables, the rows are those of the spins, or of the unit
    vectors ``(cos theta, sin theta)`` of the angles, and of their energy. Spins whose means are
    known given x are averaged over, where that is possible in closed form; the other rows
    (``abs_m``, ``connected_susceptibility``, ``specific_heat``) are from one draw of the spins.
    Fields of two components and angles have further rows: ``amplitude``, and where the hopping is
    known ``helicity_modulus``. The rows of the auxiliary field x follow, under names that begin
    with ``field_``.

    Args:
        energy: The target.
        x: Samples of a flow ``(n, C, L, L)`` with their weights, or chains ``(T, C, L, L)`` or
            ``(T, B, C, L, L)``.
        energies: ``E(x)``, of the leading shape of x.
        log_weights: See `observable_report`.
        seed: Seed of the random numbers that draw the spins.

    Raises:
        ValueError: If shapes do not fit, or something is not finite.

    >>> from rgflow.energies import GaussianField
    >>> field = GaussianField(side=4, m2=0.5)
    >>> x = field.sample(1000, torch.Generator().manual_seed(0))
    >>> energy_report(field, x, field.energy(x))["energy_per_site"]  # exactly 1/2
    Measured(value=0.50..., error=0.005..., tau=0.50...)
    """
    leading, flat = x.shape[:-3], x.flatten(0, -4)

    def table(measure: Callable[..., o.Moments], *more: Tensor) -> dict[str, Measured]:
        moments = _in_parts(measure, leading, flat, *more)
        return observable_report(moments, energy.event_shape, log_weights)

    fields, physical = table(o.measure, energies.flatten()), energy.physical
    further = _rows_of_two_components(energy, leading, flat, log_weights, seed)
    if physical is None:
        return fields | further
    generator = generator_for("spins", seed)
    rows = table(lambda part: _measure_drawn(physical, part, generator))
    if physical.mean is not None:
        rows |= table(lambda part: _measure_averaged(physical, part))
    return rows | further | {f"field_{name}": row for name, row in fields.items()}


def _rows_of_two_components(
    energy: Energy, leading: tuple[int, ...], x: Tensor, log_weights: Tensor | None, seed: int
) -> dict[str, Measured]:
    """Mean length of a complex field, and the stiffness of its phase or of angles."""
    hopping = energy.cluster_hopping
    functions: dict[str, Callable[[Tensor], Tensor]] = {}
    if energy.physical is None and energy.event_shape[0] == 2:
        functions["amplitude"] = o.amplitude
    if hopping is not None and (functions or kind_of(energy) == "angles"):
        functions["helicity_modulus"] = partial(o.helicity_modulus, hopping=hopping)
    rows = {}
    for name, function in functions.items():
        generator = generator_for("spins", seed)
        parts = [function(vectors(energy, part, generator)) for part in x.split(PART)]
        series = torch.cat(parts).reshape(leading)
        if log_weights is None:
            rows[name] = mean_with_error(series)
        else:
            rows[name] = reweighted(series, log_weights=log_weights)
    return rows


def _in_parts(
    measure: Callable[..., o.Moments], leading: tuple[int, ...], *tensors: Tensor
) -> o.Moments:
    """Moments of many configurations, measured part by part."""
    parts = [measure(*part) for part in zip(*(t.split(PART) for t in tensors), strict=True)]
    columns = zip(*parts, strict=True)
    return o.Moments(*(None if c[0] is None else torch.cat(c).reshape(leading) for c in columns))


def _measure_drawn(
    physical: PhysicalVariables, x: Tensor, generator: torch.Generator
) -> o.Moments:
    v = physical.draw(x, generator)
    return o.measure(unit_vectors(v) if physical.kind == "angles" else v, physical.energy(v))


def _measure_averaged(physical: PhysicalVariables, x: Tensor) -> o.Moments:
    mean = physical.mean(x)
    return o.measure_independent_spins(mean, physical.energy(mean))


def two_point_report(
    energy: Energy, x: Tensor, log_weights: Tensor | None = None
) -> list[Measured]:
    """``G(r)`` along the axes with errors, for r = 0 to L/2; empty if the lattice is not square.

    It is that of the physical variables, if the energy offers any: of spins, averaged over them
    given x if their means are known, or of the unit vectors of angles,
    ``<cos(theta_x - theta_{x+r})>``. Both are exactly 1 at r = 0.

    Args:
        energy: The target.
        x: Samples of a flow ``(n, C, L, L)`` with their weights, or chains
            ``(T, C, L, L)`` or ``(T, B, C, L, L)``.
        log_weights: See `observable_report`.

    Raises:
        ValueError: If shapes do not fit, or something is not finite.
    """
    if x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return []
    leading, generator = x.shape[:-3], generator_for("spins of the two-point function")
    parts = x.flatten(0, -4).split(PART)  # so that memory does not grow with the count
    points = torch.cat([_two_point(energy, part, generator) for part in parts])
    columns = points.unflatten(0, leading).unbind(-1)
    if log_weights is None:
        estimate = mean_with_error
    else:
        estimate = partial(reweighted, log_weights=log_weights)
    if kind_of(energy) == "field":
        return [estimate(column) for column in columns]
    return [Measured(1.0, 0.0), *(estimate(column) for column in columns[1:])]


def _two_point(energy: Energy, x: Tensor, generator: torch.Generator) -> Tensor:
    """``G`` of every configuration, ``(n, L // 2 + 1)``."""
    physical = energy.physical
    if physical is not None and physical.mean is not None:
        # for r > 0 the spins of two sites are independent given x
        return o.two_point_on_axes(physical.mean(x))
    return o.two_point_on_axes(vectors(energy, x, generator))


def _itself(mean: Tensor) -> Tensor:
    return mean
