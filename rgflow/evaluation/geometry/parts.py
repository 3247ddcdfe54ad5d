"""The parts of the geometry, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.geometry.checks import checks
from rgflow.evaluation.geometry.collective import collective
from rgflow.evaluation.geometry.information import information, states
from rgflow.evaluation.geometry.laws import laws
from rgflow.evaluation.geometry.space import space
from rgflow.evaluation.study.parts import Part
from rgflow.evaluation.study.setting import Findings, Setting


def geometry_parts(bulks: Bulks) -> tuple[Part, ...]:
    """Parts that write sections on the bulks of one flow.

    Args:
        bulks: The flow, and the states that the parts share.
    """

    def part(
        name: str, weight: float, write: Callable[[Bulks], Findings], channels: int = 0
    ) -> Part:
        def of_setting(setting: Setting) -> Findings:
            return write(bulks)

        return Part(name, weight, of_setting, most_channels=channels)

    return (
        part("states", 60, states),
        part("collective", 20, collective, 2),
        part("information", 120, information),
        part("checks", 40, checks),
        part("laws", 5, laws),
        part("space", 40, space),
    )
