"""The parts of a study, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rgflow.analysis.generation_layers import scales_of
from rgflow.evaluation.study.features import factors, mixing
from rgflow.evaluation.study.latents import independence, restoration
from rgflow.evaluation.study.scales import fields, samples, temperatures, walks
from rgflow.evaluation.study.setting import Findings, Setting


class Part(NamedTuple):
    """A part of a study.

    Attributes:
        name: Its short name, also that of its JSON file.
        what: What is done, for the progress bar.
        weight: About how long it takes, in seconds, for pictures of 32 x 32 on two cores.
        write: Does it.
        needs_levels: Whether it takes latents that have a level.
        needs_hierarchy: Whether it takes a flow with a hierarchy, which one with a map in Fourier
            space in front of its levels has not.
        needs_factors: Whether it takes images whose factors are known.
    """

    name: str
    what: str
    weight: float
    write: Callable[[Setting], Findings]
    needs_levels: bool = False
    needs_hierarchy: bool = False
    needs_factors: bool = False

    def missing(self, setting: Setting) -> str | None:
        """Why the part cannot be done for a flow; None if it can be."""
        if self.needs_levels and scales_of(setting.flow) is None:
            return "the flow has no levels"
        if self.needs_hierarchy and setting.flow.hierarchy is None:
            return "the flow has no hierarchy"
        if self.needs_factors and setting.data.get("dataset") not in ("msds1", "msds2"):
            return "factors are known for MSDS only"
        return None


PARTS = (
    Part("samples", "samples", 2, samples),
    Part("temperatures", "temperatures", 40, temperatures, needs_levels=True),
    Part("walks", "principal directions", 40, walks, needs_levels=True),
    Part("receptive_fields", "receptive fields", 90, fields),
    Part("factors", "levels and factors", 60, factors, needs_factors=True),
    Part("mixing", "mixing", 20, mixing, needs_hierarchy=True),
    Part("restoration", "restoration", 90, restoration),
    Part("independence", "independence", 20, independence),
)
