"""Looking into a trained flow: features by scale."""

from rgflow.analysis.encoding import encode_images
from rgflow.analysis.geometry import bulk_distance
from rgflow.analysis.independence import (
    Independence,
    held_out_latents,
    latent_independence,
)
from rgflow.analysis.levels import latents_by_level, level_reconstructions
from rgflow.analysis.mixing import mix, mixing_strip
from rgflow.analysis.nearest import nearest_images
from rgflow.statistics.information import latent_mutual_information

__all__ = [
    "Independence",
    "bulk_distance",
    "encode_images",
    "held_out_latents",
    "latent_independence",
    "latent_mutual_information",
    "latents_by_level",
    "level_reconstructions",
    "mix",
    "mixing_strip",
    "nearest_images",
]
