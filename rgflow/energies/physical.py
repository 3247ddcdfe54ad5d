"""The physical variables that the field of an energy stands for."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Kind = Literal["field", "spins", "angles"]
"""Spins of +1 and -1, angles in [-pi, pi], or a field of any real numbers."""


class PhysicalVariables(NamedTuple):
    """Variables v whose observables a physicist wants, where these are not the field x itself.

    Flows need unbounded, continuous variables. Where the physics is in others, such as the spins
    of the Ising model, the field x is an auxiliary one, and reports, figures and Monte Carlo ask
    for what stands here. Magnetization and two-point function are those of the spins, of the unit
    vectors ``(cos v, sin v)`` of the angles, or of the variables themselves if their kind is
    ``field``. x has the shape ``(n, *event_shape)``, v is ``(n, C', H, W)``, with one channel
    for spins and angles.

    Attributes:
        kind: What the variables are.
        draw: ``(x, generator) -> v``, one draw of the variables given the field. Where they are a
            function of the field, the generator is not used.
        energy: ``v -> H(v)``, ``(n,)``, in units of the temperature. For spins it must not
            contain a square of one spin, so that with ``mean`` it gives the mean energy as well.
        mean: ``x -> <v>`` given the field, in float64, for spins that are independent of each
            other once the field is given. With it averages over the spins are exact, without a
            draw.
        field: ``(v, generator) -> x``, one draw of the field given the variables. With it Monte
            Carlo moves spins (by clusters, with the energy's ``cluster_hopping``) and angles (by
            HMC, with clusters if there is a ``cluster_hopping``) in the place of the field.
        force: ``v -> -dH/dv`` for HMC of angles; by automatic differentiation if None.
    """

    kind: Kind
    draw: Callable[[Tensor, torch.Generator], Tensor]
    energy: Callable[[Tensor], Tensor]
    mean: Callable[[Tensor], Tensor] | None = None
    field: Callable[[Tensor, torch.Generator], Tensor] | None = None
    force: Callable[[Tensor], Tensor] | None = None


def unit_vectors(angles: Tensor) -> Tensor:
    """``(cos theta, sin theta)`` as two channels, ``(..., 1, H, W) -> (..., 2, H, W)``."""
    return torch.cat([angles.cos(), angles.sin()], -3)
