"""What a trained flow is worth: reports, their comparison, and the figures of a report."""

from rgflow.evaluation.fields import evaluate_energy, reference_report
from rgflow.evaluation.figure import evaluation_figure, reference_figure
from rgflow.evaluation.images import evaluate_split
from rgflow.evaluation.weighted_samples import WeightedSamples, draw_weighted

__all__ = [
    "WeightedSamples",
    "draw_weighted",
    "evaluate_energy",
    "evaluate_split",
    "evaluation_figure",
    "reference_figure",
    "reference_report",
]
