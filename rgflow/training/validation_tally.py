"""What one validation of a flow on an energy adds up, over batches and processes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.statistics import LEAST_FOR_ESS, effective_sample_size, metropolis_acceptance


class Tally:
    """Log weights of the flow's samples, and the log-likelihood of the target's states.

    >>> tally = Tally("cpu")
    >>> tally.add_samples(torch.tensor([1.0, 3.0]))
    >>> tally.numbers(lambda t: t, log_z=2.5)["kl_nats"]
    0.5
    """

    def __init__(self, device: torch.device | str) -> None:
        self._log_weights: list[Tensor] = []
        self._states = torch.zeros(2, dtype=torch.float64, device=device)  # sum of nats, number

    def add_samples(self, log_weights: Tensor) -> None:
        """``-E(x) - log q(x)`` of samples of q, ``(B,)``."""
        self._log_weights.append(log_weights.double())

    def add_states(self, nats: Tensor) -> None:
        """``-log q(x)`` of states of the target, ``(B,)``."""
        self._states += torch.stack([nats.double().sum(), self._states.new_tensor(len(nats))])

    def numbers(
        self, all_gather: Callable[[Tensor], Tensor], log_z: float | None
    ) -> dict[str, float]:
        """The bound, the quality of the weights, and ``cross_entropy`` (NaN without states).

        Args:
            all_gather: Collects the tensors of all processes, along a new first axis if many.
            log_z: ln Z where it is known; then there is ``kl_nats``.
        """
        log_weights = all_gather(torch.cat(self._log_weights)).flatten().cpu()
        total, count = all_gather(self._states).view(-1, 2).sum(0).tolist()
        bound = float(-log_weights.mean())
        found = {
            "free_energy_bound": bound,
            "cross_entropy": total / count if count else math.nan,
        }
        if log_z is not None:
            found["kl_nats"] = bound + log_z
        if bool(log_weights.isfinite().all()):
            quality = effective_sample_size(log_weights, minimum=2)
            found["ess" if len(log_weights) >= LEAST_FOR_ESS else "ess_of_few"] = quality.ess
            found["largest_share"] = quality.largest_share
            if math.isfinite(quality.pareto_k):
                found["pareto_k"] = quality.pareto_k
            found["acceptance"] = metropolis_acceptance(log_weights)
        return found
