"""Looking into a trained flow: features by scale."""

from rgflow.analysis.encoding import encode_images, latents_of_images
from rgflow.analysis.level_regression import regression_table
from rgflow.analysis.level_table import LevelTable
from rgflow.analysis.levels import latent_blocks, latents_by_level, level_reconstructions
from rgflow.analysis.mixed_factors import mix_pairs
from rgflow.analysis.mixing import mix, mixing_strip
from rgflow.analysis.nearest import nearest_images
from rgflow.analysis.redrawing import redraw_table

__all__ = [
    "LevelTable",
    "encode_images",
    "latent_blocks",
    "latents_by_level",
    "latents_of_images",
    "level_reconstructions",
    "mix",
    "mix_pairs",
    "mixing_strip",
    "nearest_images",
    "redraw_table",
    "regression_table",
]
