"""A flow whose decoded images are its latents, and factors of them with known importances."""

import torch

from rgflow.analysis.factors import Factor
from rgflow.bijectors import MERA, ElementwiseAffine
from rgflow.flow import Flow
from rgflow.priors import Gaussian

SCALE = 8.0
SIDE = 16


def toy_flow():
    """Two levels; a latent is a pixel: ``z = 8 x - 4``, so that all but 1e-4 are inside [0, 1]."""
    fine = ElementwiseAffine((1, SIDE, SIDE), scale=SCALE, shift=-SCALE / 2)
    levels = [fine, ElementwiseAffine((1, SIDE // 2, SIDE // 2))]
    return Flow(MERA(levels), Gaussian((1, SIDE, SIDE)))


def toy_factors(images):
    """Factors per 8x8 cell of uint8 images ``(N, 1, 16, 16)``; `both` has shares 1/5 and 4/5."""
    x = images.double()[:, 0].unflatten(2, (2, 8)).unflatten(1, (2, 8))  # (N, 2, 8, 2, 8)
    cells = x.transpose(2, 3).flatten(1, 2) / 255 * SCALE - SCALE / 2  # (N, 4, 8, 8)
    fine, coarse = cells[..., 1, 1:2], cells[..., 0, :1]
    seen = torch.ones(fine.shape[:2], dtype=torch.float64)
    return {
        "fine": Factor(fine, seen),
        "coarse": Factor(coarse, seen),
        "both": Factor(fine + 2 * coarse, seen),
        "image": Factor(cells[..., 0, 0].mean(1)[:, None, None], seen[:, :1]),
    }
