"""Looking into a trained flow: features by scale."""

from rgflow.analysis.broken import broken_samples
from rgflow.analysis.completion_search import Effort
from rgflow.analysis.encoding import encode_images, latents_of_images
from rgflow.analysis.geometry import bulk_distance
from rgflow.analysis.independence import Independence, latent_independence
from rgflow.analysis.inpaint import Inpainted, inpaint, posterior_samples
from rgflow.analysis.level_regression import regression_table
from rgflow.analysis.level_table import LevelTable
from rgflow.analysis.levels import latent_blocks, latents_by_level, level_reconstructions
from rgflow.analysis.mixed_factors import mix_pairs
from rgflow.analysis.mixing import mix, mixing_strip
from rgflow.analysis.nearest import nearest_images
from rgflow.analysis.principal import principal_directions
from rgflow.analysis.receptive_fields import ReceptiveFields, receptive_fields
from rgflow.analysis.redrawing import redraw_table
from rgflow.analysis.temperature import temperature_sheet
from rgflow.analysis.walk import latent_direction, random_directions, walk
from rgflow.statistics.information import latent_mutual_information

__all__ = [
    "Effort",
    "Independence",
    "Inpainted",
    "LevelTable",
    "ReceptiveFields",
    "broken_samples",
    "bulk_distance",
    "encode_images",
    "inpaint",
    "latent_blocks",
    "latent_direction",
    "latent_independence",
    "latent_mutual_information",
    "latents_by_level",
    "latents_of_images",
    "level_reconstructions",
    "mix",
    "mix_pairs",
    "mixing_strip",
    "nearest_images",
    "posterior_samples",
    "principal_directions",
    "random_directions",
    "receptive_fields",
    "redraw_table",
    "regression_table",
    "temperature_sheet",
    "walk",
]
