"""Looking into a trained flow: features by scale."""

from rgflow.analysis.broken import broken_samples
from rgflow.analysis.encoding import encode_images
from rgflow.analysis.levels import latents_by_level, level_reconstructions
from rgflow.analysis.mixing import mix, mixing_strip
from rgflow.analysis.nearest import nearest_images
from rgflow.analysis.principal import principal_directions
from rgflow.analysis.receptive_fields import ReceptiveFields, receptive_fields
from rgflow.analysis.temperature import temperature_sheet
from rgflow.analysis.walk import latent_direction, random_directions, walk

__all__ = [
    "ReceptiveFields",
    "broken_samples",
    "encode_images",
    "latent_direction",
    "latents_by_level",
    "level_reconstructions",
    "mix",
    "mixing_strip",
    "nearest_images",
    "principal_directions",
    "random_directions",
    "receptive_fields",
    "temperature_sheet",
    "walk",
]
