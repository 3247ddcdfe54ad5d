"""What training minimises, as pure functions of a flow and tensors, and its estimate on a set."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.pixels import bits_per_dim, dequantize

if TYPE_CHECKING:
    from rgflow.flow import Flow


class Estimate(NamedTuple):
    """A mean and its standard error."""

    mean: float
    standard_error: float


def negative_log_likelihood(flow: "Flow", x: Tensor) -> Tensor:
    r"""Negative log-likelihood of samples of the data, ``-ln p(x)``.

    Its mean over the data is the cross-entropy: the Kullback-Leibler divergence of the flow from
    the law of the data, plus that law's entropy.

    Args:
        flow: The flow; it is called, not asked for ``log_prob``, so that a compiled or a
            distributed wrapper of it takes effect.
        x: Samples, ``(B, C, L, L)``; images with intensities in [0, 1], dequantized.

    Returns:
        Nats per sample, ``(B,)``.
    """
    return -flow(x)


@torch.no_grad()
def evaluate_bits_per_dim(
    flow: "Flow", images: Tensor, batch_size: int = 256, seed: int = 0
) -> Estimate:
    """Bits per dimension of a set of images, with one draw of dequantization noise for each.

    Args:
        flow: The flow, on any device.
        images: uint8 ``(N, C, L, L)``, N at least 2.
        batch_size: Images at a time.
        seed: Of the noise, which does not depend on the device.

    Returns:
        Mean over the images and its standard error, in bits per dimension.

    Raises:
        ValueError: If there are fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(f"got {len(images)} images, expected at least 2 for a standard error")
    generator = torch.Generator().manual_seed(seed)
    weight = next(flow.parameters())  # whose device and type the images take
    parts = []
    for batch in images.cpu().split(batch_size):
        nats = negative_log_likelihood(flow, dequantize(batch, generator).to(weight))
        parts.append(bits_per_dim(-nats.double().cpu(), flow.event_shape))
    bits = torch.cat(parts)
    return Estimate(float(bits.mean()), float(bits.std() / len(bits) ** 0.5))
