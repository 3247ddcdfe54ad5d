"""Mutual information of continuous variables from samples: estimators, errors and baselines."""

from rgflow.statistics.information.estimate import Estimate
from rgflow.statistics.information.gaussian_copula import (
    gaussian_block_information,
    gaussian_information,
)
from rgflow.statistics.information.normal_scores import normal_scores
from rgflow.statistics.information.pair import ESTIMATORS, Estimator, latent_mutual_information

__all__ = [
    "ESTIMATORS",
    "Estimate",
    "Estimator",
    "gaussian_block_information",
    "gaussian_information",
    "latent_mutual_information",
    "normal_scores",
]
