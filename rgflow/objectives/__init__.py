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

from rgflow.objectives.base import Batch, Loss, Objective
from rgflow.objectives.divergences import (
    forward_path_gradient,
    frozen,
    negative_log_likelihood,
    path_gradient,
    reverse_kl,
)
from rgflow.objectives.kinds import (
    ForwardKL,
    ForwardPath,
    Likelihood,
    Mixture,
    PathGradient,
    ReverseKL,
)

__all__ = [
    "Batch",
    "ForwardKL",
    "ForwardPath",
    "Likelihood",
    "Loss",
    "Mixture",
    "Objective",
    "PathGradient",
    "ReverseKL",
    "forward_path_gradient",
    "frozen",
    "negative_log_likelihood",
    "path_gradient",
    "reverse_kl",
]
