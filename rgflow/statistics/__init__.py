"""Errors of Markov chains, and of samples that carry weights."""

from rgflow.statistics.chains import (
    AutocorrelationTime,
    Measured,
    derived_with_error,
    integrated_autocorrelation_time,
    mean_with_error,
)
from rgflow.statistics.reweighting import derived_reweighted, reweighted
from rgflow.statistics.tail import UNTRUSTED, pareto_k
from rgflow.statistics.warning_classes import (
    ChainWarning,
    ExactValueWarning,
    FewSamplesWarning,
    ForwardWarning,
    HeavyTailWarning,
    ShortChainWarning,
    StatisticsWarning,
    StuckChainWarning,
    WeightWarning,
)
from rgflow.statistics.weights import (
    LEAST_FOR_ESS,
    EffectiveSampleSize,
    LogZ,
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
)

__all__ = [
    "LEAST_FOR_ESS",
    "UNTRUSTED",
    "AutocorrelationTime",
    "ChainWarning",
    "EffectiveSampleSize",
    "ExactValueWarning",
    "FewSamplesWarning",
    "ForwardWarning",
    "HeavyTailWarning",
    "LogZ",
    "Measured",
    "ShortChainWarning",
    "StatisticsWarning",
    "StuckChainWarning",
    "WeightWarning",
    "derived_reweighted",
    "derived_with_error",
    "effective_sample_size",
    "integrated_autocorrelation_time",
    "log_z_estimates",
    "mean_with_error",
    "metropolis_acceptance",
    "pareto_k",
    "reweighted",
]
