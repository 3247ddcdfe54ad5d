"""What a flow of images is worth: bits per dimension."""

import math
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


FAR = 20.0
"""Spreads above the median, from which on the bits of an image lie far off."""


@torch.no_grad()
def bits_by_image(flow: Flow, images: Tensor, batch_size: int = 256, seed: int = 0) -> Tensor:
    """Bits per dimension of each image, float64 ``(N,)``, with one draw of dequantization noise.

    Args:
        flow: The flow, on any device.
        images: Intensities in uint8, ``(N, C, L, L)``.
        batch_size: Images that go through the flow at a time.
        seed: Seed of the noise, which is the same on every device.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = next(flow.parameters())  # whose device and type the images take
    parts = []
    for batch in progress(images.cpu().split(batch_size), "images"):
        nats = negative_log_likelihood(flow, dequantize(batch, generator).to(weight))
        parts.append(bits_per_dim(-nats.double().cpu(), flow.event_shape))
    return torch.cat(parts)


def evaluate_bits_per_dim(
    flow: Flow, images: Tensor, batch_size: int = 256, seed: int = 0
) -> Estimate:
    """Mean of `bits_by_image` over at least two images, and its standard error.

    Raises:
        ValueError: If there are fewer than two images.
    """
    return _estimate(bits_by_image(flow, images, batch_size, seed))


def _estimate(bits: Tensor) -> Estimate:
    if len(bits) < 2:
        raise ValueError(f"got {len(bits)} images, expected at least 2 for a standard error")
    return Estimate(float(bits.mean()), float(bits.std() / len(bits) ** 0.5))


def far_images(bits: Tensor) -> list[int]:
    """The images that lie far above all others, those with the most bits first.

    An affine coupling may give a single image a density so small that its bits outweigh those of
    all others in the mean. Far off are images whose bits are not finite, or more than `FAR`
    spreads above the median; the spread is half the distance of the quantiles at 16% and 84%.

    Args:
        bits: ``(N,)``.
    """
    finite = bits[bits.isfinite()].double()
    if not len(finite):
        return bits.argsort(descending=True).tolist()
    low, median, high = finite.quantile(finite.new_tensor([0.16, 0.5, 0.84])).tolist()
    is_far = ~bits.isfinite() | (bits > median + FAR * (high - low) / 2)
    order = bits.argsort(descending=True)
    return order[is_far[order]].tolist()


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

    Beside the mean it has the median, the largest bits of a single image with that image's
    number, and what the mean and its error are without the images that lie far above the
    others, if any do (see `far_images`).

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
    bits = bits_by_image(flow, images, seed=seed)
    mean, error = _estimate(bits)
    report: dict[str, Any] = {
        "bits_per_dim": mean,
        "standard_error": error,
        "median": float(bits.median()),
        "worst": float(bits.max()),
        "worst_image": int(bits.argmax()),
        "images": len(images),
        "split": split,
        "seed": seed,
    }
    if far := far_images(bits):
        rest = torch.ones(len(bits), dtype=torch.bool)
        rest[far] = False
        mean, error = _estimate(bits[rest]) if rest.sum() > 1 else (math.nan, math.nan)
        report |= {"far_images": far, "without_them": mean, "error_without_them": error}
    return report
