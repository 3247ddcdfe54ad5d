"""The parts of the report that are estimated from Monte-Carlo configurations."""

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.montecarlo.blocking import block_spins
from rgflow.montecarlo.cluster import swendsen_wang
from rgflow.plotting.images import labelled_grid
from rgflow.realspace.report.report import Row, Section
from rgflow.realspace.report.sampling_figures import exponent_figure, filters_figure
from rgflow.realspace.samples.block_filter import filter_spins
from rgflow.realspace.samples.mcrg import (
    EVEN_COUPLINGS,
    ThermalExponent,
    measure_levels,
    thermal_exponent,
)
from rgflow.realspace.samples.neural_information import (
    LearnedFilter,
    learn_filter,
)
from rgflow.realspace.samples.torus_information import torus_information
from rgflow.realspace.samples.windows import Windows, cut_windows, split_torus
from rgflow.realspace.samples.zoom import black_and_white, blocked_views, caption, zoom_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHASES = {"ordered, J = 0.46": 0.46, "critical": CRITICAL_COUPLING, "disordered, J = 0.42": 0.42}
"""Couplings of the configurations in the zoom pictures."""


def critical_configurations(
    generator: torch.Generator, side: int = 64, sweeps: int = 6000
) -> Tensor:
    """Spins at the critical coupling from 8 Swendsen-Wang chains, every second sweep.

    Args:
        generator: Random numbers of the chains.
        side: Side of the lattice in sites.
        sweeps: Number of sweeps of each chain.

    Returns:
        Spins +1 and -1, int8 ``(sweeps / 2, 8, side, side)``.
    """
    return swendsen_wang(
        side,
        side,
        CRITICAL_COUPLING,
        sweeps=sweeps,
        chains=8,
        warmup=100,
        generator=generator,
        thin=2,
    ).samples


def check_section(generator: torch.Generator, sweeps: int = 200, steps: int = 1500) -> Section:
    """The neural bounds on a torus of 4x4 spins, where the mutual information is known exactly.

    Args:
        generator: Random numbers of the chains and of the training.
        sweeps: Number of sweeps of each chain.
        steps: Number of training steps.
    """
    spins = swendsen_wang(
        4, 4, CRITICAL_COUPLING, sweeps=sweeps, chains=512, warmup=20, generator=generator
    ).samples.flatten(0, 1)
    rows = []
    for side in (2, 3):
        windows = _split(split_torus(spins, side), 0.5)
        learned = learn_filter(*windows, generator, steps=steps)
        weights = learned.weights.double()
        exact = torus_information(CRITICAL_COUPLING, 4, 4, weights).item()
        majority = torus_information(CRITICAL_COUPLING, 4, 4, torch.full_like(weights, 20.0))
        bounds = learned.bounds
        dv, dv_error = bounds.donsker_varadhan, bounds.donsker_varadhan_error
        rows += [
            Row(f"{side}x{side}: InfoNCE (nats)", bounds.info_nce, exact, bounds.info_nce_error),
            Row("  Donsker-Varadhan (nats)", dv, exact, dv_error),
            Row("  majority rule, exact (nats)", majority.item()),
        ]
    return Section("Learned block variable on 4x4 spins, all other spins known", rows, {})


def learned_filters(
    spins: Tensor, generator: torch.Generator, steps: int = 1000
) -> dict[int, LearnedFilter]:
    """Learned filters of blocks of 2x2, 3x3 and 4x4 spins, by side of the block.

    The environment of a block is a ring of sites, one site away from the block.

    Args:
        spins: Configurations, ``(T, chains, H, W)``; the last quarter is kept for the bounds.
        generator: Random numbers of the training.
        steps: Number of training steps of each filter.
    """
    subset = spins[:: max(1, len(spins) // 250)].flatten(0, 1)
    return {
        side: learn_filter(*_split(cut_windows(subset, side, 1, 8), 0.75), generator, steps=steps)
        for side in (2, 3, 4)
    }


def filters_section(filters: dict[int, LearnedFilter], lattice: int) -> Section:
    """Bounds on the mutual information of learned block variables and their environment."""
    rows = []
    for side, learned in filters.items():
        bounds = learned.bounds
        rows += [
            Row(f"{side}x{side}: InfoNCE (nats)", bounds.info_nce, None, bounds.info_nce_error),
            Row(
                "  Donsker-Varadhan (nats)",
                bounds.donsker_varadhan,
                None,
                bounds.donsker_varadhan_error,
            ),
        ]
    picture = filters_figure({f"{side}x{side} spins": f for side, f in filters.items()})
    return Section(f"Learned block variables, L = {lattice}", rows, {"filters": picture})


def exponent_section(spins: Tensor, weights: Tensor, generator: torch.Generator) -> Section:
    """The exponent nu from Swendsen's matrix, for the majority rule and a learned filter.

    Args:
        spins: Critical configurations, ``(T, chains, L, L)``.
        weights: The learned filter, ``(2, 2)``.
        generator: Random numbers of the blocking.
    """
    rules = {
        "majority": lambda s: block_spins(s, generator=generator),
        "learned filter": lambda s: filter_spins(s, weights, generator=generator),
    }
    side, levels, rows, results = spins.shape[-1], 3, [], {}
    names = [f"{side >> n} to {side >> (n + 1)}" for n in range(levels)]
    for rule, block in rules.items():
        measured = measure_levels(spins, block, levels)
        results[rule] = [_by_couplings(fine, coarse) for fine, coarse in pairwise(measured)]
        for name, by_couplings in zip(names, results[rule], strict=True):
            for count in (1, 4, len(EVEN_COUPLINGS)):
                nu = by_couplings[count - 1]
                is_result = name == names[1] and count == len(EVEN_COUPLINGS)
                label = f"{rule}, {name}, {count} couplings: nu{' *' if is_result else ''}"
                rows.append(Row(label, nu.nu, 1.0, nu.nu_error))
    title = f"Monte-Carlo renormalization group, L = {side}"
    notes = (
        "* The result: the second blocking with all couplings. The first blocking is not yet at",
        "  the fixed point, few couplings truncate the map, and the last lattices are small.",
    )
    return Section(title, rows, {"mcrg": exponent_figure(results, names)}, notes)


def zoom_pictures(
    generator: torch.Generator, side: int = 1024, window: int = 128, sweeps: int = 60
) -> "tuple[dict[str, Tensor], Figure, Tensor]":
    """Pictures of one configuration in each phase, seen from farther and farther away.

    Args:
        generator: Random numbers of the configurations and of ties.
        side: Side of the lattice in sites, which is blocked until its side is twice the window.
        window: Number of sites across a view.
        sweeps: Number of cluster updates of the critical configuration; the other two take half
            as many.

    Returns:
        The views by phase, uint8 ``(levels + 1, 1, window, window)``; a figure of all views; and a
        film of the three phases side by side, uint8 ``(frames, H, W)``.
    """
    levels = (side // window).bit_length() - 2
    views, films = {}, []
    for name, coupling in PHASES.items():
        # away from the critical point, half of the updates bring the spins to equilibrium
        warmup = sweeps if coupling == CRITICAL_COUPLING else sweeps // 2
        spins = swendsen_wang(
            side, side, coupling, sweeps=1, chains=1, warmup=warmup, generator=generator
        ).samples[0, 0]
        seen = blocked_views(spins, levels, window, generator)
        views[name] = black_and_white(torch.stack(seen))[:, None]
        frames, sizes = zoom_frames(spins, levels, window, 10, generator)
        films.append(caption(frames, [f"{name}: {size} spins across" for size in sizes]))
    labels = [f"{window << n} spins across" for n in range(levels + 1)]
    title = (
        "the middle of a lattice, blocked by majorities of 2x2 spins:\n"
        "only at the critical coupling do all views look alike"
    )
    figure = labelled_grid(
        list(views.values()), list(views), [labels, *[[""] * len(labels)] * 2], title
    )
    figure.set_size_inches(2 * figure.get_size_inches())  # more than one pixel per spin
    gap = torch.full_like(films[0][:, :, :12], 128)
    film = torch.cat([films[0], gap, films[1], gap, films[2]], 2)
    return views, figure, film


def _by_couplings(fine: Tensor, coarse: Tensor) -> list[ThermalExponent]:
    """Exponents from the first 1, 2, ... couplings."""
    counts = range(1, len(EVEN_COUPLINGS) + 1)
    return [thermal_exponent(fine[..., :n], coarse[..., :n]) for n in counts]


def _split(windows: Windows, share: float) -> tuple[Windows, Windows]:
    """Windows to learn from and, from later configurations, windows for the bounds."""
    cut = int(share * len(windows.blocks))
    return Windows(*(x[:cut] for x in windows)), Windows(*(x[cut:] for x in windows))
