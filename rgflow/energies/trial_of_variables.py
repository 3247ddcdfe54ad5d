"""The trial of the physical variables that a user's energy offers, and of their hopping."""

import math
from typing import get_args

import torch
from torch import Tensor

from rgflow.energies.attempt import check_separate, check_shape, generator_like, tried, try_force
from rgflow.energies.base import Energy
from rgflow.energies.physical import Kind, PhysicalVariables, unit_vectors
from rgflow.lattice.operators import bond_sum

HOPPING_TOLERANCE = 1e-2
"""Largest part of the hopping energy that the energy may lack."""


def try_physical(energy: Energy, name: str, x: Tensor) -> None:
    """Refuses, with a ValueError, physical variables whose parts do not fit their kind.

    Args:
        energy: The energy.
        name: Its name for messages.
        x: A few fields.
    """
    physical = tried(f"{name}.physical", lambda: energy.physical)
    if physical is None:
        return
    if not isinstance(physical, PhysicalVariables) or physical.kind not in get_args(Kind):
        raise ValueError(
            f"{name}.physical: got {physical!r}, expected a PhysicalVariables of one of the kinds "
            f"{get_args(Kind)}, or None"
        )
    name, kind, generator = f"{name}.physical", physical.kind, generator_like(x)
    v = tried(f"{name}.draw", physical.draw, x, generator)
    channels = v.shape[1] if kind == "field" and isinstance(v, Tensor) and v.dim() > 1 else 1
    check_shape(f"{name}.draw", v, (len(x), channels, *x.shape[2:]))
    if kind == "spins" and not (v.abs() == 1).all():
        raise ValueError(f"{name}.draw: got {v.unique()[:5].tolist()}, expected spins +1 and -1")
    if kind == "angles" and not v.abs().max() <= math.pi + 1e-6:
        raise ValueError(f"{name}.draw: got {v.abs().max():.4g}, expected angles in [-pi, pi]")
    check_shape(f"{name}.energy", tried(f"{name}.energy", physical.energy, v), (len(x),))
    check_separate(f"{name}.energy", physical.energy, v)
    if physical.mean is not None:
        mean = tried(f"{name}.mean", physical.mean, x)
        check_shape(f"{name}.mean", mean, tuple(v.shape))
        if kind != "spins" or mean.dtype != torch.float64 or not (mean.abs() <= 1).all():
            raise ValueError(
                f"{name}.mean: got means of {kind} up to {mean.abs().max():.4g} in {mean.dtype}, "
                "expected means of spins, in [-1, 1], in torch.float64"
            )
        check_separate(f"{name}.mean", physical.mean, x)
    if physical.field is not None:
        field = tried(f"{name}.field", physical.field, v, generator)
        check_shape(f"{name}.field", field, tuple(x.shape))
    if physical.force is not None:
        try_force(f"{name}.force", physical.force, physical.energy, v)


def try_hopping(energy: Energy, name: str, x: Tensor) -> None:
    """Refuses, with a ValueError, a hopping without which the energy depends on directions.

    The rest of the energy may depend on the lengths of the vectors v alone.

    Args:
        energy: The energy, whose physical variables have been tried.
        name: Its name for messages.
        x: A few fields.
    """
    hopping = tried(f"{name}.cluster_hopping", lambda: energy.cluster_hopping)
    if hopping is None:
        return
    if not isinstance(hopping, int | float) or not math.isfinite(hopping):
        raise ValueError(f"{name}.cluster_hopping: got {hopping!r}, expected a number or None")
    physical, generator = energy.physical, generator_like(x)
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
        first = unit_vectors(v) if physical.kind == "angles" else v
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
