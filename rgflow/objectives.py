"""What training minimises: an objective is one object, which says what it needs.

A new objective is one class, wherever it is::

    class LogVariance(Objective):
        monitor = "free_energy_bound"

        def loss(self, flow, energy, batch):
            x = flow.sample(batch.size, generator=batch.generator).detach()
            variance = (flow(x) + energy.energy(x)).var()
            return Loss(variance, {"log_variance": variance.detach()})

``python -m rgflow.train experiment=ising_l8 objective._target_=mypackage.LogVariance`` trains with
it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import torch
from torch import Tensor, nn

from rgflow.bijectors.pixels import bits_per_dim

if TYPE_CHECKING:
    from rgflow.energies import Energy
    from rgflow.flow import Flow


@dataclass(frozen=True)
class Batch:
    """What one step gives to an objective, in each process.

    Attributes:
        size: Number of samples, B.
        generator: Source of all random numbers of the step, on the flow's device. It is seeded by
            the run's seed, the process and the step, so that a resumed run goes on exactly.
        draw: Draws B states of the target with a generator.
    """

    size: int
    generator: torch.Generator
    draw: Callable[[torch.Generator], Tensor]

    def states(self) -> Tensor:
        """States of the target, ``(B, *event_shape)``, drawn anew by each call.

        They are images with dequantization noise, or, for an energy, Monte-Carlo states that were
        moved by its symmetries.
        """
        return self.draw(self.generator)


class Loss(NamedTuple):
    """The result of an objective for one batch.

    Attributes:
        nats: What is minimised, ``()``, in nats per sample.
        metrics: What the curves show as ``train/NAME``, each ``()`` and without a graph.
    """

    nats: Tensor
    metrics: dict[str, Tensor]


class Objective(ABC):
    """What training minimises.

    Attributes:
        monitor: Name of the number of a validation whose smallest value marks the best
            checkpoint. On an energy a validation gives ``free_energy_bound``, ``kl_nats`` where
            ln Z is known, and with states of the target ``cross_entropy``; on images it gives
            ``bits_per_dim``.
        needs_states: Whether it learns from states of the target.
    """

    monitor: str
    needs_states: bool = False

    @abstractmethod
    def loss(self, flow: "Flow", energy: "Energy | None", batch: Batch) -> Loss:
        """The loss of one batch.

        Args:
            flow: q. It is called, not asked for ``log_prob``, where a compiled or a distributed
                wrapper of it is to take effect.
            energy: E of the target ``p = exp(-E) / Z``, at this step's coupling; None for images.
            batch: Number of samples, random numbers, and states of the target.
        """

    def monitored(self, numbers: Mapping[str, float]) -> float:
        """The number called `monitor`, from those of a validation.

        Raises:
            ValueError: If a validation does not give it.
        """
        if self.monitor not in numbers:
            raise ValueError(
                f"objective: got the monitor {self.monitor!r} of {type(self).__name__}, expected "
                f"a number of this training's validation: {', '.join(numbers)}"
            )
        return numbers[self.monitor]


@final
class PathGradient(Objective):
    """Minimises ``KL(q || p)`` by the gradient along the paths of samples, `path_gradient`."""

    monitor = "free_energy_bound"

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The bound ``mean(log q + E) >= -ln Z`` over samples of the flow."""
        return _bound(path_gradient(flow, energy, batch.size, batch.generator))


@final
class ReverseKL(Objective):
    """Minimises ``KL(q || p)`` by the gradient of its reparametrised estimate, `reverse_kl`."""

    monitor = "free_energy_bound"

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The bound ``mean(log q + E) >= -ln Z`` over samples of the flow."""
        return _bound(reverse_kl(flow, energy, batch.size, batch.generator))


@final
class ForwardKL(Objective):
    """Minimises ``KL(p || q)``: the cross-entropy ``-mean(log q)`` over states of the target."""

    monitor = "cross_entropy"
    needs_states = True

    def loss(self, flow: "Flow", energy: "Energy | None", batch: Batch) -> Loss:
        """The cross-entropy."""
        nats = negative_log_likelihood(flow, batch.states()).mean()
        return Loss(nats, {"cross_entropy": nats.detach()})


@final
class ForwardPath(Objective):
    """Minimises ``KL(p || q)`` by the gradient along paths, `forward_path_gradient`."""

    monitor = "cross_entropy"
    needs_states = True

    def loss(self, flow: "Flow", energy: "Energy", batch: Batch) -> Loss:
        """The cross-entropy, as in `ForwardKL`, whose gradient has more noise."""
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
    return -flow(x, one_image=True)


def reverse_kl(
    flow: "Flow", energy: "Energy", n: int, generator: torch.Generator | None = None
) -> Tensor:
    r"""``log q(x) + E(x)`` of samples of the flow; its mean is ``KL(q || p) - ln Z``.

    The gradient is that of the reparametrised estimate, ``x = g(z)``.

    Args:
        flow: q.
        energy: E, of the target ``p = exp(-E) / Z``.
        n: Number of samples.
        generator: Random numbers of the latents.

    Returns:
        Nats, ``(n,)``, whose mean is a variational bound on ``-ln Z``.

    Reference: arXiv:1802.02840.
    """
    x, log_prob = flow.sample_and_log_prob(n, generator=generator, one_image=True)
    return log_prob + energy.energy(x)


def path_gradient(
    flow: "Flow", energy: "Energy", n: int, generator: torch.Generator | None = None
) -> Tensor:
    r"""Values of `reverse_kl`, with the gradient through the samples alone.

    The gradient is ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``. What it
    leaves out, the score ``d log q_theta / d theta``, has mean zero; what it keeps has no variance
    where q = p. It is also called "sticking the landing".

    Args:
        flow: q. Its parameters are frozen for a moment and left as they were.
        energy: E, of the target ``p = exp(-E) / Z``.
        n: Number of samples.
        generator: Random numbers of the latents.

    Returns:
        Nats, ``(n,)``.

    Reference: arXiv:1703.09194, arXiv:2207.08219.
    """
    x = flow.sample(n, generator=generator, one_image=True)
    return _along_paths(flow, energy, x, x.detach())[0]


def forward_path_gradient(
    flow: "Flow", energy: "Energy", x: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    r"""``-log q(x)`` of states of the target, with a gradient that has no variance where q = p.

    The latents z of a state are found, and the gradient is that of `path_gradient` at
    ``g_theta(z) = x``: ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``, for
    states of p instead of samples of q. Its mean is the gradient of the cross-entropy. With a
    mixture of both signs, the sign and the latents of a state are drawn from what the flow says
    about them.

    Args:
        flow: q. Its parameters are frozen for a moment and left as they were.
        energy: E, of the target ``p = exp(-E) / Z``.
        x: States of the target, ``(B, C, L, L)``.
        generator: Random numbers of the signs.

    Returns:
        Nats, ``(B,)``, whose mean is ``KL(p || q)`` plus the entropy of p.

    Reference: arXiv:2207.08219, arXiv:2403.15881.
    """
    made, position = flow.made_again(x, generator)
    values, log_prob = _along_paths(flow, energy, made, position)
    return values - values.detach() - log_prob


def _along_paths(
    flow: "Flow", energy: "Energy", x: Tensor, position: Tensor
) -> tuple[Tensor, Tensor]:
    """``log q + E`` with the gradient through x alone, and ``log q`` without a graph.

    Args:
        flow: q.
        energy: E.
        x: Fields as functions of the flow's parameters.
        position: The same fields without a graph.
    """
    position.requires_grad_()
    with frozen(flow):
        log_prob = flow(position, one_image=True)
        values = log_prob + energy.energy(position)
        (slope,) = torch.autograd.grad(values.sum(), position)
    along = (x * slope).flatten(1).sum(1)
    return values.detach() + along - along.detach(), log_prob.detach()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, parameters do not require gradients; ``requires_grad`` is restored afterwards."""
    asking = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
