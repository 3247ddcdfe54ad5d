"""Latents of what a flow has not been trained on: test images, or states of its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rgflow.bijectors.pixels import acts_on_pixels, dequantize
from rgflow.energies.from_config import build_energy
from rgflow.flow import Flow
from rgflow.montecarlo.reference import reference_samples
from rgflow.runtime.config import build, with_trusted
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

PART = 256  # events that are encoded at a time
CHAINS = 64  # Markov chains of states of a target


@torch.no_grad()
@takes_counts
def held_out_latents(
    flow: Flow,
    config: Mapping[str, Any],
    n: int,
    *,
    seed: int = 0,
    data_root: str | None = None,
    trust: str | Sequence[str] = (),
) -> Tensor:
    """Latents of test images, or of Monte-Carlo states of the energy, ``(N, C, L, L)``.

    Args:
        flow: The flow.
        config: The configuration of its training, see `rgflow.checkpoint.load_config`.
        n: Number of events; fewer where there are not so many test images.
        seed: Seed of dequantization noise and of Monte Carlo.
        data_root: Folder of the data, that of training if None.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the configuration names neither data nor an energy.
        FileNotFoundError: If the data are not there.
    """
    x = held_out_events(flow, config, n, seed=seed, data_root=data_root, trust=trust)
    parts = progress(x.split(PART), "events that are encoded")
    return torch.cat([flow.encode(part.to(flow.device, flow.dtype)) for part in parts])


@takes_counts
def held_out_events(
    flow: Flow,
    config: Mapping[str, Any],
    n: int,
    *,
    seed: int = 0,
    data_root: str | None = None,
    trust: str | Sequence[str] = (),
) -> Tensor:
    """The dequantized images or the states behind `held_out_latents`; same arguments."""
    if acts_on_pixels(flow.bijector):
        node = config.get("data") or {}
        if "_target_" not in node:
            raise ValueError("got a checkpoint without data, expected one that names its data set")
        if data_root is not None:
            node = {**node, "root": data_root}
        data = build(node, "data", within=with_trusted(["rgflow.data"], trust))
        data.prepare_data()
        data.setup("test")
        return dequantize(data.images("test")[:n], generator_for("dequantization", seed))
    if not config.get("energy"):
        raise ValueError("got a checkpoint without an energy, expected one that names its target")
    energy = build_energy(config["energy"], trust)
    chains = min(n, CHAINS)
    states = reference_samples(energy, chains=chains, states=-(-n // chains), seed=seed)
    return states.samples.flatten(0, 1)[:n]
