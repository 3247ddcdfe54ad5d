"""What a flow of images is worth, on the data that its checkpoint names."""

from collections.abc import Mapping, Sequence
from typing import Any

from rgflow.flow import Flow
from rgflow.objectives import evaluate_bits_per_dim
from rgflow.runtime.config import build


def evaluate_split(
    flow: Flow,
    node: Mapping[str, Any],
    split: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    trust: Sequence[str] = (),
) -> dict[str, Any]:
    """Bits per dimension on a split of a data set, of plain numbers.

    Args:
        flow: The flow.
        node: Configuration of a data module of `rgflow.data` or of a trusted module.
        split: ``train``, ``validation`` or ``test``.
        limit: Only the first so many images, at least 2; all if None.
        seed: Seed of the dequantization noise.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the node is no data module of this package or of a trusted module, or there
            are fewer than two images.
        FileNotFoundError: If the data are not there.
    """
    data = build(node, "data", within=("rgflow.data", *trust))
    data.prepare_data()
    data.setup("test")
    images = data.images(split)[:limit]
    result = evaluate_bits_per_dim(flow, images, seed=seed)
    return {
        "bits_per_dim": result.mean,
        "standard_error": result.standard_error,
        "images": len(images),
        "split": split,
        "seed": seed,
    }
