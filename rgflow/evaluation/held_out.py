"""Latents of what a flow has not been trained on: test images, or states of its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.encoding import AT_ONCE, latents_of_images
from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.energies.from_config import build_energy
from rgflow.evaluation.images import split_images
from rgflow.flow import Flow
from rgflow.montecarlo.reference import reference_samples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress

CHAINS = 64  # Markov chains of states of a target


class HeldOut(NamedTuple):
    """Latents ``(N, C, L, L)`` on the CPU, and of how many Markov chains they are.

    Those of a chain follow one another, and all chains are equally long. ``chains`` is None for
    independent images.
    """

    latents: Tensor
    chains: int | None


@torch.no_grad()
@takes_counts
def held_out_latents(
    flow: Flow,
    config: Mapping[str, Any],
    n: int,
    *,
    split: str = "test",
    seed: int = 0,
    trust: str | Sequence[str] = (),
) -> HeldOut:
    """Latents of images of a split, or of Monte-Carlo states of the energy.

    Args:
        flow: The flow.
        config: The configuration of its training, see `rgflow.checkpoint.load_config`.
        n: Number of images, or fewer where there are not so many; number of states, rounded up
            to a multiple of the number of chains.
        split: ``train``, ``validation`` or ``test``, for images.
        seed: Seed of dequantization noise and of Monte Carlo.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the configuration names neither data nor an energy.
        FileNotFoundError: If the data are not there.
    """
    if acts_on_pixels(flow.bijector):
        node = config.get("data") or {}
        if "_target_" not in node:
            raise ValueError("got a checkpoint without data, expected one that names its data set")
        images = split_images(node, split, limit=n, trust=trust)
        return HeldOut(latents_of_images(flow, images, seed).cpu(), None)
    if not config.get("energy"):
        raise ValueError("got a checkpoint without an energy, expected one that names its target")
    energy = build_energy(config["energy"], trust)
    chains = min(n, CHAINS)
    drawn = reference_samples(energy, chains=chains, states=-(-n // chains), seed=seed)
    return HeldOut(latents_of_states(flow, chain_after_chain(drawn.samples)), chains)


def chain_after_chain(samples: Tensor) -> Tensor:
    """States of B chains, ``(T, B, ...) -> (B T, ...)``: those of a chain follow one another."""
    return samples.transpose(0, 1).flatten(0, 1)


@torch.no_grad()
def latents_of_states(flow: Flow, states: Tensor) -> Tensor:
    """Latents of fields ``(N, C, L, L)``, on the CPU."""
    parts = progress(states.split(AT_ONCE), "states that are encoded")
    return torch.cat([flow.encode(part.to(flow.device, flow.dtype)).cpu() for part in parts])
