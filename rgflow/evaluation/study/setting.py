"""What all parts of a study share: the flow, its data, the folder of the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.evaluation.images import split_images
from rgflow.evaluation.msds_factors import is_msds
from rgflow.flow import Flow
from rgflow.plotting.images import save_figure
from rgflow.plotting.page import Picture, Section
from rgflow.runtime.seeds import generator_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Findings(NamedTuple):
    """What a part of a study found: its section of the page, and its numbers for JSON."""

    section: Section
    report: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A flow that is studied, and with what effort.

    Attributes:
        flow: The flow.
        config: The configuration of its training.
        folder: Where pictures go.
        seed: Seed of all random numbers.
        effort: Factor on the numbers of samples and images; 1 takes some minutes for a picture
            of 32 x 32.
        trust: Names of users' own modules that may be imported and called.
    """

    flow: Flow
    config: Mapping[str, Any]
    folder: Path
    seed: int = 0
    effort: float = 1.0
    trust: str | Sequence[str] = ()

    @property
    def is_of_images(self) -> bool:
        """Whether the flow is one of images, and not of fields."""
        return acts_on_pixels(self.flow.bijector)

    @property
    def is_of_ellipses(self) -> bool:
        """Whether its data are MSDS, whose factors are known."""
        return self.is_of_images and is_msds(self.data)

    @cached_property
    def test_images(self) -> Tensor:
        """The test images of its data, uint8 ``(N, C, L, L)``."""
        return split_images(self.data, "test", trust=self.trust)

    @property
    def data(self) -> dict[str, Any]:
        """The node ``data`` of the configuration."""
        return dict(self.config.get("data") or {})

    def count(self, usual: int, least: int = 2) -> int:
        """A number of samples or images, with the effort."""
        return max(least, round(self.effort * usual))

    def test_count(self, usual: int, least: int = 2) -> int:
        """The same, of test images: no more than there are. States of an energy are unlimited."""
        count = self.count(usual, least)
        return min(count, len(self.test_images)) if self.is_of_images else count

    def picture(self, figure: Figure, file: str, caption: str) -> Picture:
        """Writes a figure into the folder, for the page."""
        save_figure(figure, self.folder / file)
        return Picture(file, caption)

    @torch.no_grad()
    def examples(self, count: int) -> Tensor:
        """Test images, uint8 ``(N, C, L, L)``, or samples of a flow of fields."""
        if self.is_of_images:
            return self.test_images[:count]
        return self.flow.sample(count, generator=self.generator("examples"))

    def generator(self, purpose: str) -> torch.Generator:
        """Random numbers for one purpose, on the flow's device."""
        return generator_for(f"study, {purpose}", self.seed, device=self.flow.device)
