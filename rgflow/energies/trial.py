"""The trial of a user's energy: everything that it has and offers, once, on a few random fields.

A mistake is told here, in a sentence with the member's name, and not after hours of training.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rgflow.energies.attempt import MIXES, check_shape, generator_like, tried, try_force
from rgflow.energies.base import Energy
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.offers import OBSERVABLES, OF_TWO_COMPONENTS
from rgflow.energies.symmetries import (
    agree_on_probes,
    probe_fields,
    seems_even,
    seems_translation_invariant,
)
from rgflow.energies.trial_of_variables import try_hopping, try_physical
from rgflow.lattice.operators import parseval_weights, quadratic_form
from rgflow.lattice.spectrum import check_spectrum

ROWS = (*OBSERVABLES, *OF_TWO_COMPONENTS)
PROBE = 5
"""Fields in the random batch on which a user's energy is tried."""


def try_out(energy: Energy, model: Any) -> None:
    """Tries an energy and all that it offers on a few random fields.

    Args:
        energy: The energy.
        model: The user's object whose class has the name for messages; the energy itself where
            that is what the user wrote.

    Raises:
        ValueError: If something is not what this package takes it for.
    """
    name = type(model).__name__
    x = probe_fields(energy, PROBE)
    _try_energy(energy, name, x)
    try_force(f"{name}.force", energy.force, energy.energy, x)
    _try_spectrum(energy, name)
    _try_log_z(energy, name)
    _try_symmetries(energy, name)
    _try_exact_answers(energy, name, is_ours=type(model).__module__.startswith("rgflow."))
    try_physical(energy, name, x)
    try_hopping(energy, name, x)
    _try_sampler(energy, name, x)
    _try_scaled(energy, name, x)


def _try_energy(energy: Energy, name: str, x: Tensor) -> None:
    """Shape, finite values, samples that do not influence each other, a derivative."""
    with torch.no_grad():
        values = tried(f"{name}.energy", energy.energy, x)
    check_shape(f"{name}.energy", values, (PROBE,), f" for a batch of {PROBE}")
    if not values.isfinite().all():
        raise ValueError(
            f"{name}.energy: got {values.tolist()} for normal fields, expected finite energies"
        )

    def one_by_one(x: Tensor) -> Tensor:
        return torch.cat([energy.energy(field) for field in x.split(1)])

    if not tried(f"{name}.energy of a batch of 1", agree_on_probes, energy, one_by_one):
        raise ValueError(f"{name}.energy: {MIXES}")
    slope = tried(f"{name}.energy, differentiated", minus_gradient, energy.energy, x)
    if not slope.isfinite().all() or not slope.any():
        kind = "zero" if not slope.any() else "not finite"
        raise ValueError(
            f"{name}.energy: got a derivative that is {kind}, expected a function of x that torch "
            "can differentiate"
        )


def _try_log_z(energy: Energy, name: str) -> None:
    log_z = tried(f"{name}.log_z", lambda: energy.log_z)
    if log_z is not None and not math.isfinite(log_z):
        raise ValueError(f"{name}.log_z: got {log_z}, expected a finite number or None")


def _try_spectrum(energy: Energy, name: str) -> None:
    spectrum = tried(f"{name}.spectrum", lambda: energy.spectrum)
    if spectrum is not None:
        check_spectrum(spectrum, f"{name}.spectrum", shape=energy.event_shape[-2:])
    if not tried(f"{name}.gaussian", lambda: energy.gaussian):
        return
    if spectrum is None:
        raise ValueError(f"{name}.gaussian: got True without a spectrum, expected both or neither")
    weights = parseval_weights(spectrum.double().reciprocal() / 2)
    if not agree_on_probes(energy, lambda x: quadratic_form(x, weights).sum(1)):
        raise ValueError(
            f"{name}.gaussian: got True for an energy that is not "
            "sum_ck |x_ck|^2 / (2 N spectrum_k), expected False"
        )


def _try_symmetries(energy: Energy, name: str) -> None:
    for member, holds, equation in (
        ("even", seems_even, "E(-x) = E(x)"),
        ("translation_invariant", seems_translation_invariant, "E of a moved field = E(x)"),
    ):
        declared = tried(f"{name}.{member}", lambda member=member: getattr(energy, member))
        if declared not in (None, True, False):
            raise ValueError(f"{name}.{member}: got {declared!r}, expected True, False or None")
        if declared and not holds(energy):
            raise ValueError(
                f"{name}.{member}: got True, but random fields do not have {equation}, expected "
                "False, or no such attribute"
            )


def _try_exact_answers(energy: Energy, name: str, is_ours: bool) -> None:
    shape = energy.event_shape
    two_point = tried(f"{name}.exact_two_point", energy.exact_two_point)
    if two_point is not None:
        check_shape(f"{name}.exact_two_point", two_point, (shape[-1] // 2 + 1,))
    if is_ours:  # for large Ising lattices the rows take seconds
        return
    rows = tried(f"{name}.exact_observables", energy.exact_observables)
    if not isinstance(rows, Mapping) or any(
        row.removeprefix("field_") not in ROWS or not math.isfinite(value)
        for row, value in rows.items()
    ):
        raise ValueError(
            f"{name}.exact_observables: got {rows!r}, expected finite numbers for some of "
            f"{', '.join(ROWS)}, of an auxiliary field with field_ before the name"
        )


def _try_sampler(energy: Energy, name: str, x: Tensor) -> None:
    sample = tried(f"{name}.sample", lambda: energy.sample)
    if sample is None:
        return
    drawn = tried(f"{name}.sample", sample, 2, generator_like(x))
    check_shape(f"{name}.sample", drawn, (2, *energy.event_shape), " for n = 2")


def _try_scaled(energy: Energy, name: str, x: Tensor) -> None:
    scaled = tried(f"{name}.scaled", energy.scaled, 0.5)
    if not isinstance(scaled, Energy) or scaled.event_shape != energy.event_shape:
        raise ValueError(
            f"{name}.scaled: got {type(scaled).__name__}, expected an energy of fields of shape "
            f"{energy.event_shape}"
        )
    values = tried(f"{name}.scaled(0.5).energy", scaled.to(x.device).energy, x)
    check_shape(f"{name}.scaled(0.5).energy", values, (PROBE,))
