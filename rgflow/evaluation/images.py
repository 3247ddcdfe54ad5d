"""What a flow of images is worth: bits per dimension."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.pixels import bits_per_dim, dequantize
from rgflow.flow import Flow
from rgflow.objectives import negative_log_likelihood
from rgflow.runtime.config import build, with_trusted
from rgflow.runtime.progress import progress


class Estimate(NamedTuple):
    """A mean over images and its standard error."""

    mean: float
    standard_error: float


@torch.no_grad()
def evaluate_bits_per_dim(
    flow: Flow, images: Tensor, batch_size: int = 256, seed: int = 0
) -> Estimate:
    """Bits per dimension of a set of images, with one draw of dequantization noise for each.

    Args:
        flow: The flow, on any device.
        images: Intensities in uint8, ``(N, C, L, L)``, N at least 2.
        batch_size: Images that go through the flow at a time.
        seed: Seed of the noise, which is the same on every device.

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
    for batch in progress(images.cpu().split(batch_size), "images"):
        nats = negative_log_likelihood(flow, dequantize(batch, generator).to(weight))
        parts.append(bits_per_dim(-nats.double().cpu(), flow.event_shape))
    bits = torch.cat(parts)
    return Estimate(float(bits.mean()), float(bits.std() / len(bits) ** 0.5))


def split_images(
    node: Mapping[str, Any],
    split: str,
    *,
    limit: int | None = None,
    trust: str | Sequence[str] = (),
) -> Tensor:
    """Images of a split of a data set, uint8 ``(N, C, L, L)``.

    Args:
        node: Configuration of a data module of `rgflow.data` or of a trusted module.
        split: ``train``, ``validation`` or ``test``.
        limit: Number of images from the first on; all of them if None.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the node is no data module of this package or of a trusted module.
        FileNotFoundError: If the data are not there.
    """
    data = build(node, "data", within=with_trusted(["rgflow.data"], trust))
    data.prepare_data()
    data.setup("test")
    return data.images(split)[:limit]


def evaluate_split(
    flow: Flow,
    node: Mapping[str, Any],
    split: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    trust: str | Sequence[str] = (),
) -> dict[str, Any]:
    """Report of bits per dimension on a split of a data set, in plain numbers.

    Args:
        flow: The flow.
        node: Configuration of a data module of `rgflow.data` or of a trusted module.
        split: ``train``, ``validation`` or ``test``.
        limit: Number of images from the first on, at least 2; all of them if None.
        seed: Seed of the dequantization noise.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the node is no data module of this package or of a trusted module, or there
            are fewer than two images.
        FileNotFoundError: If the data are not there.
    """
    images = split_images(node, split, limit=limit, trust=trust)
    result = evaluate_bits_per_dim(flow, images, seed=seed)
    return {
        "bits_per_dim": result.mean,
        "standard_error": result.standard_error,
        "images": len(images),
        "split": split,
        "seed": seed,
    }
