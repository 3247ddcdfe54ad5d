"""Looking into a trained flow: features by scale."""

from rgflow.analysis.completion_search import Effort
from rgflow.analysis.encoding import encode_images
from rgflow.analysis.inpaint import Inpainted, inpaint, posterior_samples
from rgflow.analysis.levels import latents_by_level, level_reconstructions
from rgflow.analysis.mixing import mix, mixing_strip
from rgflow.analysis.nearest import nearest_images

__all__ = [
    "Effort",
    "Inpainted",
    "encode_images",
    "inpaint",
    "latents_by_level",
    "level_reconstructions",
    "mix",
    "mixing_strip",
    "nearest_images",
    "posterior_samples",
]
