"""Cluster updates of the Ising spins that are embedded in a field."""

import math

import torch
from torch import Tensor

from rgflow.montecarlo.cluster import cluster_sweep, neighbours, numpy_generator
from rgflow.runtime.fields import check_field


@torch.no_grad()
def embedded_clusters(x: Tensor, generator: torch.Generator, hopping: float) -> Tensor:
    r"""Updates the clusters of fields with ``E = -t sum_<ij> phi_i . phi_j + sum_i V(|phi_i|)``.

    Along a random direction r of the channels every field is ``phi_i = s_i a_i r + rest`` with
    ``a_i = |phi_i . r|``. At fixed ``a`` and rest the signs s are Ising spins whose coupling is
    ``t a_i a_j`` on the bond ij, and they get a Swendsen-Wang update: neighbours of equal sign are
    bound with probability ``1 - exp(-2 t a_i a_j)``, and every cluster is reflected,
    ``phi -> phi - 2 (phi . r) r``, with probability 1/2 (Wolff's form reflects a single cluster).
    Lengths do not change, so that it must alternate with updates that change them.

    Args:
        x: Fields, ``(B, C, H, W)``, with the bonds of `swendsen_wang`.
        generator: Source of all randomness, on any device.
        hopping: t >= 0, where each bond counts once.

    Returns:
        New fields like x.

    Raises:
        ValueError: If the hopping is negative or not finite.

    Reference: Wolff, Phys. Rev. Lett. 62, 361 (1989); phi^4: Brower and Tamayo, Phys. Rev. Lett.
    62, 1087 (1989).

    >>> x = torch.tensor([1.0, -2.0, 3.0, 0.5]).view(1, 1, 2, 2)
    >>> moved = embedded_clusters(x, torch.Generator().manual_seed(0), hopping=0.1)
    >>> bool((moved.abs() == x.abs()).all())
    True
    """
    if not 0 <= hopping < math.inf:
        raise ValueError(f"got the hopping {hopping}, expected a finite number >= 0")
    check_field(x, "embedded_clusters")
    batch, channels, height, width = x.shape
    shape = (batch, height, width)
    r = torch.randn(batch, channels, 1, 1, generator=generator, device=generator.device)
    r = torch.nn.functional.normalize(r.to(x), dim=1)
    along = (x * r).sum(1)  # (B, H, W)
    magnitudes = along.abs().cpu().numpy().ravel()
    signs = torch.where(along < 0, -1, 1).to("cpu", torch.int8).numpy().ravel()
    bonds = neighbours(shape)
    couplings = hopping * magnitudes[:, None] * magnitudes[bonds]
    before = signs.copy()
    cluster_sweep(signs, bonds, couplings, numpy_generator(generator))
    flipped = torch.from_numpy(signs != before).view(shape).to(x.device)
    return torch.where(flipped[:, None], x - 2 * along[:, None] * r, x)
