"""The study of a flow: what its scales know, as one page with pictures and tables."""

from rgflow.evaluation.study.parts import PARTS, Part
from rgflow.evaluation.study.setting import Findings, Setting

__all__ = ["PARTS", "Findings", "Part", "Setting"]
