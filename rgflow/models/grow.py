"""A flow on a lattice of side 2 L from one on side L: near a fixed point all levels are alike."""

import torch
from torch import Tensor, nn

from rgflow.bijectors import MERA, CirculantRoot, CommonPhase
from rgflow.flow import Flow


@torch.no_grad()
def grow(flow: Flow, smaller: Flow, doubled: int | None = None) -> None:
    """Start a flow from a trained one on a lattice of half the side.

    One level of the smaller flow becomes two; it should be one that is near the fixed point.
    Level 1 is, by default: the finest level also undoes the lattice, or what a Fourier map has
    left, and the coarsest ones see the finite size of the lattice. All of them keep their place,
    counted from the bottom or from the top. A fixed Fourier spectrum stays that of the larger
    lattice; of a learnt one, the logarithm of its ratio to the spectrum that the larger flow
    starts with is interpolated between momenta.

    Args:
        flow: Flow on side 2 L, whose weights are overwritten.
        smaller: Trained flow on side L, with levels of the same architecture and the same top.
        doubled: The level of the smaller flow that becomes two, 0 for the finest; None for level
            1, or level 0 of a flow of two levels.

    Raises:
        ValueError: If sides, levels or weights do not fit, or there is no such level.

    Reference: the levels of a scale-invariant system are alike, arXiv:1802.02840.
    """
    here, there = _the_only(flow, MERA), _the_only(smaller, MERA)
    levels, given = here.level_bijectors, there.level_bijectors
    side, small_side = here.event_shape[-1], there.event_shape[-1]
    if side != 2 * small_side or len(levels) != len(given) + 1:
        raise ValueError(
            f"grow_from: got a flow of side {small_side} and {len(given)} levels, expected side "
            f"{side / 2:g} and {len(levels) - 1} levels"
        )
    if len(given) < 2:
        raise ValueError("grow_from: got a flow of one level, expected at least two")
    doubled = min(1, len(given) - 2) if doubled is None else doubled
    if not 0 <= doubled < len(given):
        raise ValueError(f"doubled: got {doubled}, expected a level from 0 to {len(given) - 1}")
    for level, source in zip(levels, (*given[: doubled + 1], *given[doubled:]), strict=True):
        _copy(level, source)
    for name, kinds in (
        ("prior", [type(f.prior).__name__ for f in (smaller, flow)]),
        ("z2", [f.z2 for f in (smaller, flow)]),
    ):
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"grow_from: got a flow of {name} {kinds[0]}, expected {kinds[1]} as in the "
                "larger flow"
            )
    maps = [[m for m in f.modules() if isinstance(m, CirculantRoot)] for f in (flow, smaller)]
    if len(maps[0]) != len(maps[1]):
        raise ValueError(
            "grow_from: got one flow with a Fourier map and one without, expected both of one kind"
        )
    turned = [any(isinstance(m, CommonPhase) for m in f.modules()) for f in (flow, smaller)]
    if turned[0] != turned[1]:
        raise ValueError(
            "grow_from: got one flow with symmetry='phase' and one without, expected both of one "
            "kind"
        )
    for large, small in zip(*maps, strict=True):
        learnt = [isinstance(m.log_spectrum, nn.Parameter) for m in (large, small)]
        if learnt[0] != learnt[1]:
            raise ValueError(
                "grow_from: got one flow with a fixed Fourier map and one with a learnt one, "
                "expected both of one kind"
            )
        if learnt[0]:
            start, found = (m.log_spectrum.double()[m.classes] for m in (large, small))
            gained = found - start[::2, ::2]  # at the momenta that both lattices have
            large.set_spectrum((start + _between_momenta(gained)).exp())


def _the_only(flow: Flow, kind: type[MERA]) -> MERA:
    found = [module for module in flow.modules() if isinstance(module, kind)]
    if len(found) != 1:
        raise ValueError(f"grow_from: got a flow with {len(found)} hierarchies, expected one")
    return found[0]


def _copy(level: nn.Module, source: nn.Module) -> None:
    weights, expected = source.state_dict(), level.state_dict()
    wrong = [
        name
        for name in weights.keys() | expected.keys()
        if name not in weights or name not in expected
        or weights[name].shape != expected[name].shape
    ]  # fmt: skip
    if wrong:
        raise ValueError(
            f"grow_from: got levels of another architecture, which differ in {sorted(wrong)[0]}, "
            "expected the same settings but for the side, the same number of couplings in all "
            "levels, and no parameters of single sites (site_bias, site_affine)"
        )
    level.load_state_dict(weights)


def _between_momenta(values: Tensor) -> Tensor:
    """Interpolates a function of ``(L, L)`` momenta to ``(2 L, 2 L)`` momenta.

    Along each axis every other momentum is one of the old ones, and the function is the mean of
    its two neighbours in between.

    >>> _between_momenta(torch.tensor([[0.0, 2.0], [2.0, 4.0]]))[0].tolist()
    [0.0, 1.0, 2.0, 1.0]
    """
    for axis in (0, 1):
        means = (values + values.roll(-1, axis)) / 2
        values = torch.stack((values, means), axis + 1).flatten(axis, axis + 1)
    return values
