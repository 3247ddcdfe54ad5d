"""The parts of a study, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rgflow.analysis.generation_layers import scales_of
from rgflow.evaluation.study.features import factors, mixing
from rgflow.evaluation.study.latents import LEAST, independence, restoration
from rgflow.evaluation.study.scales import fields, samples, temperatures, walks
from rgflow.evaluation.study.setting import Findings, Setting


class Part(NamedTuple):
    """A part of a study.

    Attributes:
        name: Its name, also that of its JSON file and on the progress bar.
        weight: About how long it takes, in seconds, for pictures of 32 x 32 on two cores.
        write: Does it.
        needs_levels: How many levels of latents it takes at least.
        needs_hierarchy: Whether it takes a flow with a hierarchy, which one with a map in Fourier
            space in front of its levels has not.
        needs_factors: Whether it takes images whose factors are known.
        needs_images: How many test images it takes at least, for a flow of images.
        most_channels: How many components of the field it takes at most; any number if 0.
    """

    name: str
    weight: float
    write: Callable[[Setting], Findings]
    needs_levels: int = 0
    needs_hierarchy: bool = False
    needs_factors: bool = False
    needs_images: int = 0
    most_channels: int = 0

    def missing(self, setting: Setting) -> str | None:
        """Why the part cannot be done for a flow; None if it can be."""
        if self.needs_levels:
            scales = scales_of(setting.flow)
            if scales is None:
                return "the latents of the flow have no levels"
            if scales.levels < self.needs_levels:
                return f"it needs {self.needs_levels} levels, and the flow has {scales.levels}"
        if self.needs_hierarchy and setting.flow.hierarchy is None:
            return "the latents of the flow have no levels"
        if self.needs_factors and not setting.is_of_ellipses:
            return "factors are known for MSDS only"
        if self.needs_images and setting.is_of_images:
            count = len(setting.test_images)
            if count < self.needs_images:
                return f"the test set has {count} images, expected at least {self.needs_images}"
        channels = setting.flow.event_shape[0]
        if self.most_channels and channels > self.most_channels:
            return f"it takes {self.most_channels} components at most, the flow has {channels}"
        return None


PARTS = (
    Part("samples", 2, samples),
    Part("temperatures", 40, temperatures, needs_levels=2),
    Part("walks", 40, walks, needs_levels=1),
    Part("receptive_fields", 90, fields, needs_images=1),
    Part("factors", 60, factors, needs_factors=True, needs_images=20),
    Part("mixing", 20, mixing, needs_hierarchy=True),
    Part("restoration", 90, restoration, needs_images=1),
    Part("independence", 20, independence, needs_images=LEAST),
)
