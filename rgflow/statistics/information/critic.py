"""Networks that score pairs of samples, for variational bounds on a mutual information."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rgflow.runtime.progress import progress


def random_perceptron(
    inputs: int, hidden: int, outputs: int, generator: torch.Generator
) -> nn.Sequential:
    """A perceptron ``(M, inputs) -> (M, outputs)`` of two hidden layers, with random weights.

    Args:
        inputs: Number of inputs.
        hidden: Width of the hidden layers.
        outputs: Number of outputs.
        generator: Random numbers of the initial weights; the net is on its device.
    """
    net = nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.SiLU(),
        nn.Linear(hidden, hidden),
        nn.SiLU(),
        nn.Linear(hidden, outputs),
    ).to(generator.device)
    for layer in net:
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            for parameter in (layer.weight, layer.bias):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return net


def log_mean_exp(scores: Tensor) -> Tensor:
    """Logarithm of the mean of ``exp`` over the samples, ``(M, ...) -> (...)``."""
    return scores.logsumexp(0) - math.log(len(scores))


def maximise(
    bound: Callable[[Tensor], Tensor],
    groups: Sequence[dict[str, Any]],
    count: int,
    generator: torch.Generator,
    *,
    steps: int,
    batch_size: int,
    what: str,
) -> None:
    """Maximises a bound over random batches by Adam, with a rate that decays as a cosine.

    Args:
        bound: The bound on the samples at some positions ``(batch_size,)``.
        groups: Parameters and their learning rates, as Adam takes them.
        count: Number of samples.
        generator: Random numbers of the batches.
        steps: Number of steps.
        batch_size: Samples in a batch.
        what: What is trained, for the progress bar.
    """
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    device = groups[0]["params"][0].device
    for _ in progress(range(steps), what):
        chosen = torch.randint(count, (batch_size,), generator=generator, device=generator.device)
        loss = -bound(chosen.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
