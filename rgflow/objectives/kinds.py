"""The objectives: both divergences, with several gradients, and their mixture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from torch import Tensor

from rgflow.bijectors.pixels import bits_per_dim
from rgflow.objectives.base import Batch, Loss, Objective
from rgflow.objectives.divergences import (
    forward_path_gradient,
    negative_log_likelihood,
    path_gradient,
    reverse_kl,
)

if TYPE_CHECKING:
    from rgflow.energies import Energy
    from rgflow.flow import Flow


@final
class PathGradient(Objective):
    """Minimises ``KL(q || p) = E_q[log q + E] + ln Z`` along the paths of samples of q.

    The gradient is that of `path_gradient`, which has no noise where q is p (arXiv:1703.09194,
    arXiv:2207.08219).
    """

    monitor = "free_energy_bound"

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The bound ``mean(log q + E) >= -ln Z`` over samples of the flow."""
        return _bound(path_gradient(flow, energy, batch.size, batch.generator))


@final
class ReverseKL(Objective):
    """Minimises ``KL(q || p) = E_q[log q + E] + ln Z`` by differentiating the mean over samples.

    Its gradient, that of `reverse_kl`, has more noise than that of `PathGradient`
    (arXiv:1802.02840).
    """

    monitor = "free_energy_bound"

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The bound ``mean(log q + E) >= -ln Z`` over samples of the flow."""
        return _bound(reverse_kl(flow, energy, batch.size, batch.generator))


@final
class ForwardKL(Objective):
    """Minimises ``KL(p || q) = -E_p[log q] - H(p)`` over states of the target.

    Without the entropy H(p) of the target, which is a constant, it is the cross-entropy.
    """

    monitor = "cross_entropy"
    needs_states = True

    def loss(self, flow: "Flow", energy: "Energy | None", batch: Batch) -> Loss:
        """The cross-entropy."""
        nats = negative_log_likelihood(flow, batch.states()).mean()
        return Loss(nats, {"cross_entropy": nats.detach()})


@final
class ForwardPath(Objective):
    """Minimises ``KL(p || q)`` over states of the target, along their paths.

    The gradient is that of `forward_path_gradient`, which has no noise where q is p
    (arXiv:2207.08219).
    """

    monitor = "cross_entropy"
    needs_states = True

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The cross-entropy ``-mean(log q)``, with less noise in its gradient than `ForwardKL`."""
        values = forward_path_gradient(flow, energy, batch.states(), batch.generator)
        return Loss(values.mean(), {"cross_entropy": values.detach().mean()})


@final
class Mixture(Objective):
    """Minimises ``(1 - w) KL(q || p) + w KL(p || q)``, of `PathGradient` and `ForwardPath`.

    Args:
        forward_weight: Share w of the forward divergence, in [0, 1].

    Raises:
        ValueError: If the share is not in [0, 1].
    """

    monitor = "mixture"
    needs_states = True

    def __init__(self, forward_weight: float = 0.5) -> None:
        if not 0 <= forward_weight <= 1:
            raise ValueError(
                f"objective.forward_weight: got {forward_weight}, expected a number in [0, 1]"
            )
        self.forward_weight = forward_weight

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """Both parts, of which one without weight is not computed."""
        shares = ((1 - self.forward_weight, PathGradient()), (self.forward_weight, ForwardPath()))
        parts = [(w, part.loss(flow, energy, batch)) for w, part in shares if w > 0]
        metrics = {name: value for _, part in parts for name, value in part.metrics.items()}
        return Loss(sum(w * part.nats for w, part in parts), metrics)

    def monitored(self, numbers: Mapping[str, float]) -> float:
        """The same mixture of the bound and of the cross-entropy."""
        bound, cross_entropy = (
            part.monitored(numbers) for part in (PathGradient(), ForwardPath())
        )
        return (1 - self.forward_weight) * bound + self.forward_weight * cross_entropy


@final
class Likelihood(Objective):
    """Minimises ``-mean(log q)`` over images, in bits per dimension."""

    monitor = "bits_per_dim"
    needs_states = True

    def loss(self, flow: "Flow", energy: "Energy | None", batch: Batch) -> Loss:
        """The cross-entropy in nats; in the curves, in bits per dimension."""
        nats = negative_log_likelihood(flow, batch.states()).mean()
        return Loss(nats, {"bits_per_dim": bits_per_dim(-nats.detach(), flow.event_shape)})


def _bound(values: Tensor) -> Loss:
    """The mean of ``log q + E``, and how much it differs from sample to sample."""
    metrics = {"free_energy_bound": values.detach().mean()}
    if len(values) > 1:
        metrics["spread_of_log_weights"] = values.detach().std()
    return Loss(values.mean(), metrics)
