"""Pairs of images of MSDS mixed at every level, with the factors of the mixtures measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from rgflow.analysis.encoding import latents_of_images
from rgflow.analysis.mixed_factors import MixedPairs, mix_pairs
from rgflow.evaluation.msds_factors import measured_factors, msds_kind, msds_test_images
from rgflow.flow import Flow
from rgflow.runtime.seeds import generator_for


def mixed_ellipses(
    flow: Flow,
    node: Mapping[str, Any] | None,
    pairs: int,
    *,
    of: str = "images",
    temperature: float = 1.0,
    seed: int = 0,
    trust: str | Sequence[str] = (),
) -> MixedPairs:
    """Mixes pairs of test images, or of samples, of a flow of MSDS; see `mix_pairs`.

    A copy of the flow in float64 is used: with the digits of float32, some images would not come
    back from their latents, and what stands for A and B would be no test images.

    Args:
        flow: The flow.
        node: The node ``data`` of its configuration.
        pairs: Number of pairs, at least 2.
        of: ``"images"`` of the test set, or ``"samples"``.
        temperature: Of samples.
        seed: Seed of all random numbers.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the data are not MSDS or have too few test images, or the flow has no
            hierarchy.
    """
    kind = msds_kind(node)
    flow.known_hierarchy()
    flow = deepcopy(flow).double()
    if of == "samples":
        generator = generator_for("pairs", seed, device=flow.device)
        z = flow.prior.sample(2 * pairs, temperature, generator)
    else:
        z = latents_of_images(flow, msds_test_images(node, 2 * pairs, trust).images, seed)
    return mix_pairs(flow, *z.chunk(2), partial(measured_factors, kind=kind), seed=seed)
