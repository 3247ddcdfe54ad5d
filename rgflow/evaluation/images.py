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


DOMINATES = 0.25
"""Share of the sum of squared deviations from the mean, above which one image dominates it."""


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


def dominant_images(bits: Tensor) -> list[int]:
    """The images that dominate a mean, those with the most bits first.

    An affine coupling may give a single image a density so small that its bits outweigh those of
    all others. Such an image is one whose share of the sum of squared deviations from the mean is
    above `DOMINATES`, or whose bits are not finite. It is then taken out, and the rest looked at,
    down to 100 images: among fewer, an ordinary image may pass this bound by chance.

    Args:
        bits: ``(N,)``.
    """
    order = bits.argsort(descending=True)
    found: list[int] = []
    while len(order) > 100:
        rest = bits[order].double()
        squares = (rest - rest.mean()).square()
        if rest[0].isfinite() and squares[0] <= DOMINATES * squares.sum():
            break
        found.append(int(order[0]))
        order = order[1:]
    return found


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
    number, and what the mean and its error are without the images that dominate it, if any do
    (see `dominant_images`).

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
    if dominant := dominant_images(bits):
        rest = torch.ones(len(bits), dtype=torch.bool)
        rest[dominant] = False
        mean, error = _estimate(bits[rest])
        report |= {"dominant_images": dominant, "without_them": mean, "error_without_them": error}
    return report
