"""What a trained flow is worth: reports, their comparison, and the figures of a report."""

from rgflow.evaluation.fields import evaluate_energy, reference_report
from rgflow.evaluation.figure import evaluation_figure, reference_figure
from rgflow.evaluation.images import evaluate_bits_per_dim, evaluate_split
from rgflow.evaluation.weighted_samples import draw_weighted
from rgflow.montecarlo.weighted import WeightedSamples

__all__ = [
    "WeightedSamples",
    "draw_weighted",
    "evaluate_bits_per_dim",
    "evaluate_energy",
    "evaluate_split",
    "evaluation_figure",
    "reference_figure",
    "reference_report",
]
