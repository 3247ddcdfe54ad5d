"""The trial of a user's energy: everything that it has and offers, once, on a few random fields.

A mistake is told here, in a sentence with the member's name, and not after hours of training.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.offers import OBSERVABLES
from rgflow.energies.physical import Kind, PhysicalVariables
from rgflow.energies.symmetries import (
    agree_on_probes,
    probe_fields,
    seems_even,
    seems_translation_invariant,
)
from rgflow.lattice.operators import bond_sum, parseval_weights, quadratic_form
from rgflow.lattice.spectrum import check_spectrum

PROBE = 5
"""Fields in the random batch on which a user's energy is tried."""
FORCE_TOLERANCE = 1e-2
"""Largest difference of a force from the derivative, relative to the largest component."""
HOPPING_TOLERANCE = 1e-2
"""Largest part of the hopping energy that the energy may lack."""


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
    _try_force(name, "force", energy.force, energy.energy, x)
    _try_spectrum(energy, name)
    _try_log_z(energy, name)
    _try_symmetries(energy, name)
    _try_exact_answers(energy, name, is_ours=type(model).__module__.startswith("rgflow."))
    _try_physical(energy, name, x)
    _try_hopping(energy, name, x)
    _try_sampler(energy, name, x)
    _try_scaled(energy, name, x)


def _try_energy(energy: Energy, name: str, x: Tensor) -> None:
    """Shape, finite values, samples that do not influence each other, a derivative."""
    with torch.no_grad():
        values = _tried(f"{name}.energy", energy.energy, x)
    _check_shape(f"{name}.energy", values, (PROBE,), f" for a batch of {PROBE}")
    if not values.isfinite().all():
        raise ValueError(
            f"{name}.energy: got {values.tolist()} for normal fields, expected finite energies"
        )

    def one_by_one(x: Tensor) -> Tensor:
        return torch.cat([energy.energy(field) for field in x.split(1)])

    if not _tried(f"{name}.energy of a batch of 1", agree_on_probes, energy, one_by_one):
        raise ValueError(
            f"{name}.energy: got other energies for the same fields alone and in a batch, "
            "expected that samples of a batch do not influence each other: sums and means over "
            "the axes of a field, never over the first axis"
        )
    slope = _tried(f"{name}.energy, differentiated", minus_gradient, energy.energy, x)
    if not slope.isfinite().all() or not slope.any():
        kind = "zero" if not slope.any() else "not finite"
        raise ValueError(
            f"{name}.energy: got a derivative that is {kind}, expected a function of x that torch "
            "can differentiate"
        )


def _try_force(
    name: str,
    member: str,
    force: Callable[[Tensor], Tensor],
    energy: Callable[[Tensor], Tensor],
    x: Tensor,
) -> None:
    got = _tried(f"{name}.{member}", force, x)
    _check_shape(f"{name}.{member}", got, tuple(x.shape))
    expected = minus_gradient(energy, x)
    if not (got - expected).abs().max() <= FORCE_TOLERANCE * expected.abs().max():
        at = (got - expected).abs().argmax()
        raise ValueError(
            f"{name}.{member}: got {float(got.flatten()[at]):.4g} where -dE/dx is "
            f"{float(expected.flatten()[at]):.4g}, expected minus the derivative of the energy"
        )


def _try_log_z(energy: Energy, name: str) -> None:
    log_z = _tried(f"{name}.log_z", lambda: energy.log_z)
    if log_z is not None and not math.isfinite(log_z):
        raise ValueError(f"{name}.log_z: got {log_z}, expected a finite number or None")


def _try_spectrum(energy: Energy, name: str) -> None:
    spectrum = _tried(f"{name}.spectrum", lambda: energy.spectrum)
    if spectrum is not None:
        check_spectrum(spectrum, f"{name}.spectrum", shape=energy.event_shape[-2:])
    if not _tried(f"{name}.gaussian", lambda: energy.gaussian):
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
        declared = _tried(f"{name}.{member}", lambda member=member: getattr(energy, member))
        if declared not in (None, True, False):
            raise ValueError(f"{name}.{member}: got {declared!r}, expected True, False or None")
        if declared and not holds(energy):
            raise ValueError(
                f"{name}.{member}: got True, but random fields do not have {equation}, expected "
                "False, or no such attribute"
            )


def _try_exact_answers(energy: Energy, name: str, is_ours: bool) -> None:
    shape = energy.event_shape
    two_point = _tried(f"{name}.exact_two_point", energy.exact_two_point)
    if two_point is not None:
        _check_shape(f"{name}.exact_two_point", two_point, (shape[-1] // 2 + 1,))
    if is_ours:  # for large Ising lattices the rows take seconds
        return
    rows = _tried(f"{name}.exact_observables", energy.exact_observables)
    if not isinstance(rows, Mapping) or any(
        row.removeprefix("field_") not in OBSERVABLES or not math.isfinite(value)
        for row, value in rows.items()
    ):
        raise ValueError(
            f"{name}.exact_observables: got {rows!r}, expected finite numbers for some of "
            f"{', '.join(OBSERVABLES)}, of an auxiliary field with field_ before the name"
        )


def _try_physical(energy: Energy, name: str, x: Tensor) -> None:
    physical = _tried(f"{name}.physical", lambda: energy.physical)
    if physical is None:
        return
    if not isinstance(physical, PhysicalVariables) or physical.kind not in get_args(Kind):
        raise ValueError(
            f"{name}.physical: got {physical!r}, expected a PhysicalVariables of one of the kinds "
            f"{get_args(Kind)}, or None"
        )
    name, kind, generator = f"{name}.physical", physical.kind, _generator(x)
    v = _tried(f"{name}.draw", physical.draw, x, generator)
    channels = v.shape[1] if kind == "field" and isinstance(v, Tensor) and v.dim() > 1 else 1
    _check_shape(f"{name}.draw", v, (PROBE, channels, *x.shape[2:]))
    if kind == "spins" and not (v.abs() == 1).all():
        raise ValueError(f"{name}.draw: got {v.unique()[:5].tolist()}, expected spins +1 and -1")
    if kind == "angles" and not v.abs().max() <= math.pi + 1e-6:
        raise ValueError(f"{name}.draw: got {v.abs().max():.4g}, expected angles in [-pi, pi]")
    _check_shape(f"{name}.energy", _tried(f"{name}.energy", physical.energy, v), (PROBE,))
    if physical.mean is not None:
        mean = _tried(f"{name}.mean", physical.mean, x)
        _check_shape(f"{name}.mean", mean, tuple(v.shape))
        if kind != "spins" or mean.dtype != torch.float64 or not (mean.abs() <= 1).all():
            raise ValueError(
                f"{name}.mean: got means of {kind} up to {mean.abs().max():.4g} in {mean.dtype}, "
                "expected means of spins, in [-1, 1], in torch.float64"
            )
    if physical.field is not None:
        field = _tried(f"{name}.field", physical.field, v, generator)
        _check_shape(f"{name}.field", field, tuple(x.shape))
    if physical.force is not None:
        _try_force(name, "force", physical.force, physical.energy, v)


def _try_hopping(energy: Energy, name: str, x: Tensor) -> None:
    """Without its hopping the energy may depend on the lengths of the vectors v alone."""
    hopping = _tried(f"{name}.cluster_hopping", lambda: energy.cluster_hopping)
    if hopping is None:
        return
    if not isinstance(hopping, int | float) or not math.isfinite(hopping):
        raise ValueError(f"{name}.cluster_hopping: got {hopping!r}, expected a number or None")
    physical, generator = energy.physical, _generator(x)
    if physical is None:  # vectors of the same lengths: reflected on a plane at half of the sites
        normal = torch.randn(x.shape[1:2], generator=generator, device=x.device)
        normal = (normal / normal.norm()).view(-1, 1, 1)
        half_of_sites = torch.rand(x[:, :1].shape, generator=generator, device=x.device) < 0.5
        reflected = x - 2 * half_of_sites * (x * normal).sum(1, keepdim=True) * normal
        first, second = x, reflected
        energies = energy.energy(first), energy.energy(second)
    elif physical.kind == "field":
        raise ValueError(
            f"{name}.cluster_hopping: got {hopping} with physical variables of the kind field, "
            "expected None: clusters are known for spins, for angles, and for the field x itself"
        )
    else:  # all vectors have the length 1
        v = physical.draw(x, generator)
        first = torch.cat([v.cos(), v.sin()], 1) if physical.kind == "angles" else v
        second = first.roll(1, 0)
        energies = physical.energy(v), physical.energy(v).roll(1, 0)
    bonds = [hopping * bond_sum(vectors).sum(1) for vectors in (first, second)]
    difference = (energies[0].double() - energies[1].double()) + (bonds[0] - bonds[1])
    rounding = 1e-5 * energies[0].abs().max().clamp_min(1)
    if not difference.abs().max() <= rounding + HOPPING_TOLERANCE * bonds[0].abs().max():
        raise ValueError(
            f"{name}.cluster_hopping: got {hopping}, but the energy is not "
            "-t sum_<ij> v_i . v_j + sum_i V(|v_i|) with this t, expected None"
        )


def _try_sampler(energy: Energy, name: str, x: Tensor) -> None:
    sample = _tried(f"{name}.sample", lambda: energy.sample)
    if sample is None:
        return
    drawn = _tried(f"{name}.sample", sample, 2, _generator(x))
    _check_shape(f"{name}.sample", drawn, (2, *energy.event_shape), " for n = 2")


def _try_scaled(energy: Energy, name: str, x: Tensor) -> None:
    scaled = _tried(f"{name}.scaled", energy.scaled, 0.5)
    if not isinstance(scaled, Energy) or scaled.event_shape != energy.event_shape:
        raise ValueError(
            f"{name}.scaled: got {type(scaled).__name__}, expected an energy of fields of shape "
            f"{energy.event_shape}"
        )
    values = _tried(f"{name}.scaled(0.5).energy", scaled.to(x.device).energy, x)
    _check_shape(f"{name}.scaled(0.5).energy", values, (PROBE,))


def _generator(x: Tensor) -> torch.Generator:
    return torch.Generator(x.device).manual_seed(0)


def _check_shape(what: str, value: Any, expected: tuple[int, ...], asked: str = "") -> None:
    got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if got != expected:
        raise ValueError(f"{what}: got {got}{asked}, expected a tensor of shape {expected}")


def _tried(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value, or a ValueError that says which member raised what."""
    try:
        return function(*arguments)
    except Exception as error:  # of code that is not ours
        raise ValueError(f"{what}: got {type(error).__name__}: {error}") from error
