"""A lower bound on a mutual information from a trained critic, on samples that it has not seen."""

import math

import torch
from torch import Tensor

from rgflow.statistics.information.blocks import check_blocks, deranged, derangement
from rgflow.statistics.information.critic import log_mean_exp, maximise, random_perceptron
from rgflow.statistics.information.estimate import Estimate, baseline_of, two_dimensional
from rgflow.statistics.information.normal_scores import normal_scores
from rgflow.statistics.jackknife import jackknife_error

_FEATURES = 16
_DECAY = 1e-3


class _Critic:
    """``f(a, b) = g(a) . h(b)`` with two perceptrons, which scores all pairs by one product."""

    def __init__(self, p: int, q: int, hidden: int, generator: torch.Generator) -> None:
        self.of_a = random_perceptron(p, hidden, _FEATURES, generator)
        self.of_b = random_perceptron(q, hidden, _FEATURES, generator)

    def parameters(self) -> list[Tensor]:
        return [*self.of_a.parameters(), *self.of_b.parameters()]

    def features(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.of_a(a), self.of_b(b) / _FEATURES**0.5


def neural_information(
    a: Tensor,
    b: Tensor,
    *,
    blocks: int,
    permutations: int = 0,
    seed: int = 0,
    steps: int = 600,
    batch_size: int = 256,
    hidden: int = 32,
    learning_rate: float = 2e-3,
) -> Estimate:
    r"""The Donsker-Varadhan bound ``I >= E_P(a,b) f - ln E_P(a)P(b) exp f`` of a trained critic f.

    One critic is trained on the blocks of even number and judged on the others, a second one the
    other way round; the value is the mean of both bounds. A critic cannot gain from the noise of
    samples that it has not seen: the bound comes out low, or negative, where there is too little
    information to learn from. Therefore no baseline is subtracted unless it is asked for.

    Args:
        a: Samples ``(N,)`` or ``(N, p)``.
        b: Samples ``(N,)`` or ``(N, q)``.
        blocks: Even number of blocks of consecutive samples, for the error.
        permutations: Number of shuffles for a baseline, each with critics of its own.
        seed: Seed of shuffles, weights and batches.
        steps: Steps of the training of one critic.
        batch_size: Samples in a batch; all pairs of a batch stand for the product law.
        hidden: Width of the critics.
        learning_rate: Initial learning rate.

    Raises:
        ValueError: For samples of other shapes, or blocks that are odd in number or do not tile
            them.

    Reference: arXiv:1801.04062; critics of two nets: arXiv:1905.06922.
    """
    check_blocks(len(a), blocks)
    if blocks % 2:
        raise ValueError(f"blocks: got {blocks}, expected an even number, half of them to train")
    generator = torch.Generator().manual_seed(seed)
    a, b = (normal_scores(two_dimensional(x)).float().cpu() for x in (a, b))
    settings = {
        "steps": steps,
        "batch_size": batch_size,
        "hidden": hidden,
        "learning_rate": learning_rate,
    }
    value, error = _cross_fitted(a, b, blocks, generator, **settings)
    shuffled = [
        _cross_fitted(a, deranged(b, blocks, generator), blocks, generator, **settings)[0]
        for _ in range(permutations)
    ]
    return baseline_of(torch.tensor(value), torch.tensor(error), torch.tensor(shuffled))


def _cross_fitted(
    a: Tensor, b: Tensor, blocks: int, generator: torch.Generator, **settings: float
) -> tuple[float, float]:
    """Mean of the bounds of two critics, each on the half that the other has learned from."""
    halves = [tuple(x.unflatten(0, (blocks, -1))[i::2] for x in (a, b)) for i in range(2)]
    results = [_bound(*halves[i], *halves[1 - i], generator, **settings) for i in range(2)]
    (first, first_error), (second, second_error) = results
    # the critics share all samples, so that their errors are not independent
    return (first + second) / 2, max(first_error, second_error) / 2**0.5


def _bound(
    seen_a: Tensor,
    seen_b: Tensor,
    new_a: Tensor,
    new_b: Tensor,
    generator: torch.Generator,
    *,
    steps: int,
    batch_size: int,
    hidden: int,
    learning_rate: float,
) -> tuple[float, float]:
    """Bound of a critic that has ``seen`` samples ``(blocks, M, p)``, with its jackknife error."""
    critic = _Critic(seen_a.shape[-1], seen_b.shape[-1], hidden, generator)
    flat_a, flat_b = seen_a.flatten(0, 1), seen_b.flatten(0, 1)
    paired = torch.eye(batch_size, dtype=torch.bool)

    def bound(chosen: Tensor) -> Tensor:
        g, h = critic.features(flat_a[chosen], flat_b[chosen])
        shrinking = _DECAY * (g.square().mean() + h.square().mean())
        scores = g @ h.T  # (batch, batch)
        unpaired = scores.masked_fill(paired, -torch.inf).flatten().logsumexp(0)
        pairs = batch_size * (batch_size - 1)
        return scores.diagonal().mean() - unpaired + math.log(pairs) - shrinking

    groups = [{"params": critic.parameters(), "lr": learning_rate}]
    counts = {"steps": steps, "batch_size": batch_size, "what": "training the critic"}
    maximise(bound, groups, len(flat_a), generator, **counts)
    with torch.no_grad():
        g, h = critic.features(new_a, new_b)  # (blocks, M, features)
        joint = (g * h).sum(-1).mean(1).double()  # (blocks,)
        partner = h[derangement(len(h), generator)]
        product = torch.stack(
            [log_mean_exp((x @ y.T).flatten()) for x, y in zip(g, partner, strict=True)]
        ).double()
    left_out = [joint[kept].mean() - log_mean_exp(product[kept]) for kept in _without_one(g)]
    value = joint.mean() - log_mean_exp(product)
    return float(value), jackknife_error(torch.stack(left_out))


def _without_one(blocks: Tensor) -> Tensor:
    """For each block, whether each block is kept when that one is left out."""
    return ~torch.eye(len(blocks), dtype=torch.bool)
