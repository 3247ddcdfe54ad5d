"""What all parts of the geometry share: states of the target, and informations in the bulks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.geometry import (
    BulkCells,
    BulkInformation,
    bulk_cells,
    bulk_information,
    exact_bulk_information,
    haar_flow,
    latent_covariance,
    pair_orbits,
    translation_steps,
)
from rgflow.analysis.geometry.windows import SIGMAS
from rgflow.energies import Energy
from rgflow.energies.from_config import build_energy
from rgflow.evaluation.fields import evaluate_energy
from rgflow.evaluation.held_out import chain_after_chain, latents_of_states
from rgflow.evaluation.study.setting import Setting
from rgflow.flow import Flow
from rgflow.montecarlo.reference import Reference, reference_samples
from rgflow.runtime.fields import check_same_events
from rgflow.statistics.information.blocks import LEAST_BLOCKS

FLOW, HAAR, FIELD, EXACT = "flow", "Haar", "field", "Haar, exact"
WHAT = {
    FLOW: "the trained flow",
    HAAR: "fixed Haar levels on the same states, which nobody has trained",
    FIELD: "no map: the field itself on the sub-lattices of the levels",
}
SAMPLES = 4096  # of the flow, for its effective sample size
MOST_SITES = 2048  # latents whose covariance is computed exactly
GOOD = 0.1  # acceptance and effective sample size below which a flow says little of the target
_MOST_BLOCKS = 64
_MOST_NUMBERS = 2**27  # correlations of all blocks that are kept
_SHIFTED = 8  # fields whose shifts are tried
_UNSHIFTED = "latents of {levels} keep their law under no shift but that by the whole lattice"


class Source(NamedTuple):
    """Where the points of a bulk come from.

    Attributes:
        latents: ``(N, C, L, L)``, chain after chain.
        steps: Shifts in pixels, by level, over which informations are averaged.
        bulk: Informations of all pairs of cells.
    """

    latents: Tensor
    steps: list[int]
    bulk: BulkInformation


@dataclass(frozen=True)
class Bulks:
    """A flow, states of its target, and the bulks that it and two untrained maps make of them.

    Attributes:
        setting: The flow and the folder of the pictures.
        chains: Markov chains.
        states: States of each chain.
        baselines: Whether the untrained maps are looked at too.
    """

    setting: Setting
    chains: int
    states: int
    baselines: bool = True

    def check(self) -> None:
        """Refuses what has no bulk, in one line.

        Raises:
            ValueError: For a flow of images or without a hierarchy, a checkpoint without an
                energy, a last level that stands alone, or too few chains.
        """
        if self.setting.is_of_images:
            raise ValueError("got a flow of images, expected one that was trained on an energy")
        self.setting.flow.known_hierarchy()
        if not self.setting.config.get("energy"):
            raise ValueError("got a checkpoint without an energy, expected one that names it")
        if int(self.cells.level.max()) < 1:
            raise ValueError("got cells of one level, expected a flow with two levels or more")
        least = max(64, 16 * self._per_cell)  # a bootstrap sample repeats states
        if self.chains < LEAST_BLOCKS or self.states < 2 or self.chains * self.states < least:
            raise ValueError(
                f"got {self.chains} chains of {self.states} states, expected at least "
                f"{LEAST_BLOCKS} chains, from which errors come, of 2 states, and {least} states "
                f"in all for cells of {self._per_cell} numbers"
            )
        check_same_events(self.setting.flow, self.energy)

    @cached_property
    def energy(self) -> Energy:
        """The target."""
        return build_energy(self.setting.config["energy"], self.setting.trust)

    @cached_property
    def cells(self) -> BulkCells:
        """The points of the bulk."""
        return bulk_cells(self.setting.flow.known_hierarchy())

    @property
    def _per_cell(self) -> int:
        return 3 * self.setting.flow.event_shape[0]

    @cached_property
    def quality(self) -> dict[str, Any]:
        """The report on the flow: acceptance, effective sample sizes, divergences."""
        count = self.setting.count(SAMPLES, least=64)
        return evaluate_energy(
            self.setting.flow,
            self.energy,
            samples=count,
            reference=self.reference,
            seed=self.setting.seed,
        )

    @property
    def warnings(self) -> list[str]:
        """A sentence if the flow is too bad for its latents to say anything of the target."""
        acceptance, ess = self.quality["acceptance"], self.quality["ess"]
        if acceptance >= GOOD and (ess is None or ess >= GOOD):
            return []
        size = "unknown" if ess is None else f"{ess:.2g}"
        return [
            f"Warning: this flow is far from its target (acceptance {acceptance:.2g}, effective "
            f"sample size {size}, expected at least {GOOD:g} each). What its latents have in "
            "common is then mostly what it has not learned: distances and laws of the flow change "
            "with further training, and no conclusion on the target should be drawn from them."
        ]

    @cached_property
    def exact(self) -> BulkInformation | None:
        """Exact informations behind Haar levels, with the errors of the measured ones.

        They are known for a Gaussian field, up to `MOST_SITES` latents.
        """
        sites = torch.Size(self.setting.flow.event_shape).numel()
        if not self.energy.gaussian or HAAR not in self.sources or sites > MOST_SITES:
            return None
        source = self.sources[HAAR]
        covariance = latent_covariance(self.haar, self.energy.spectrum)
        known = exact_bulk_information(self.cells, covariance, source.steps).means.information
        means = source.bulk.means
        drawn = means.drawn - means.drawn.mean(0) + known
        return source.bulk._replace(means=means._replace(information=known, drawn=drawn))

    @property
    def haar(self) -> Flow:
        """Haar levels with the lattices of the flow's levels, for a side of a power of two."""
        flow = self.setting.flow
        channels, side, _ = flow.event_shape
        return haar_flow(side, channels, int(self.cells.level.max()) + 1)

    @cached_property
    def reference(self) -> Reference:
        """Monte-Carlo states of the target."""
        counts = {"chains": self.chains, "states": self.states}
        return reference_samples(self.energy, **counts, seed=self.setting.seed)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The bulks, by their names."""
        flow = self.setting.flow
        x = chain_after_chain(self.reference.samples)
        some = x[:: max(1, len(x) // _SHIFTED)][:_SHIFTED].to(flow.device, flow.dtype)
        found = {FLOW: self._source(latents_of_states(flow, x), translation_steps(flow, some))}
        if not self.baselines:
            return found
        side = flow.event_shape[-1]
        steps = [2 ** (h + 1) for h in range(int(self.cells.level.max()) + 1)]
        if side & (side - 1) == 0:
            found[HAAR] = self._source(latents_of_states(self.haar.float(), x.float()), steps)
        found[FIELD] = self._source(x, steps)
        return found

    @property
    def notes(self) -> list[str]:
        """Over which shifts means are taken, and what was left out."""
        flow = self.sources[FLOW]
        side = self.cells.side
        steps = flow.steps[: int(self.cells.level.max()) + 1]
        still = [h for h, step in enumerate(steps) if step >= side]
        notes = [
            "Informations are means over the shifts of the lattice that were measured to shift "
            f"the latents alike: by {', '.join(map(str, steps))} sites at the levels "
            f"0 to {len(steps) - 1}."
        ]
        below = [h for h in still if h < len(steps) - 1]
        if below:
            levels = "level " + ", ".join(map(str, below))
            notes.append(f"{_UNSHIFTED.format(levels=levels)}.".capitalize())
        if self.baselines and HAAR not in self.sources:
            notes.append(f"Haar levels are left out: the side {side} is no power of two.")
        sites = torch.Size(self.setting.flow.event_shape).numel()
        if self.energy.gaussian and HAAR in self.sources and sites > MOST_SITES:
            notes.append(
                f"Exact informations are left out: {sites} latents, they are computed for up to "
                f"{MOST_SITES}."
            )
        return notes

    def _source(self, z: Tensor, steps: list[int]) -> Source:
        orbits = int(pair_orbits(self.cells, steps).max()) + 1
        allowed = max(
            LEAST_BLOCKS, min(_MOST_BLOCKS, _MOST_NUMBERS // (orbits * self._per_cell**2))
        )
        # whole chains
        blocks = max(b for b in range(1, self.chains + 1) if self.chains % b == 0 and b <= allowed)
        if blocks < LEAST_BLOCKS:
            blocks = self.chains
        bulk = bulk_information(self.cells, z, steps, blocks=blocks, seed=self.setting.seed)
        return Source(z, steps, bulk)


def signal(bulk: BulkInformation) -> float:
    """Share of all pairs of cells whose information is at least 4 standard errors."""
    means = bulk.means
    is_known = means.information > SIGMAS * means.error
    return float((is_known * means.pairs).sum() / means.pairs.sum())


def mean_information(bulk: BulkInformation) -> tuple[float, float]:
    """Mean over all pairs of cells, with its standard error, in nats."""
    weights = bulk.means.pairs.double() / bulk.means.pairs.sum()
    value, covariance = bulk.means.combined(weights[None])
    return float(value[0]), float(torch.sqrt(covariance[0, 0]))
