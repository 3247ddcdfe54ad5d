"""Training on an energy, without data: from the flow's own samples, or from the target's."""

import logging
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from rgflow.energies import Energy
from rgflow.evaluation import Reference, evaluate_energy, reference_samples
from rgflow.flow import Flow
from rgflow.objectives import negative_log_likelihood, path_gradient, reverse_kl
from rgflow.seeds import derived_seed, generator_for
from rgflow.statistics import effective_sample_size, metropolis_acceptance
from rgflow.training.base import FlowTraining
from rgflow.training.target import is_even, match_spectrum, translated

log = logging.getLogger(__name__)

OBJECTIVES = ("path", "reverse", "forward", "mixture")
ANNEALING_STAGES = 50
REFERENCE_CHAINS = 64
MINIMUM_FOR_ESS = 10_000


class EnergyModule(FlowTraining):
    r"""Minimises ``KL(q || p)`` of the flow q from ``p = exp(-E) / Z``, ``KL(p || q)``, or both.

    Logs per step the bound ``mean(log q + E) >= -ln Z`` and its spread over samples; at each
    validation the bound, the effective sample size, the acceptance of independence Metropolis and,
    where ln Z is known, the divergence in nats.

    Args:
        flow: q, with fields of the energy's shape.
        energy: E; see ``rgflow.energies.as_energy`` for one's own.
        objective: ``"path"`` (reverse KL with the gradient along paths), ``"reverse"`` (reverse
            KL, reparametrised), ``"forward"`` (likelihood of Monte-Carlo samples of the target,
            each moved by a random translation and sign), or ``"mixture"`` of path and forward.
        forward_weight: Share of the forward KL in the mixture.
        batch_size: Samples per step and process.
        eval_samples: Samples of a validation.
        report_samples: Samples of the final evaluation.
        reference_states: States of the target that Monte Carlo draws once, for comparison and for
            the upper bound on ln Z, and as many others as the data of the forward KL; 0 for none.
        anneal_from: Factor on the coupling at the first step, of the reverse objectives; 1 for no
            annealing.
        anneal_steps: Steps until the factor is 1.
        z2: Whether the energy is even, so that the forward KL may turn the sign of samples.
        translations: Whether it does not change under lattice translations, in the same way.
        seed: Of all noise.
        compile: Compile the flow's call.
        settings: Fields of `OptimizerSettings`.

    Raises:
        ValueError: If shapes differ or a setting is out of its range.

    Reference: NeuralRG, arXiv:1802.02840; path gradients, arXiv:2207.08219.
    """

    monitor = "validation/free_energy_bound"

    def __init__(
        self,
        flow: Flow,
        energy: Energy,
        *,
        objective: str = "path",
        forward_weight: float = 0.5,
        batch_size: int = 256,
        eval_samples: int = 16_384,
        report_samples: int = 100_000,
        reference_states: int = 20_000,
        anneal_from: float = 1.0,
        anneal_steps: int = 0,
        z2: bool = True,
        translations: bool = True,
        seed: int = 0,
        compile: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(flow, seed=seed, compile=compile, **settings)
        if tuple(flow.event_shape) != tuple(energy.event_shape):
            raise ValueError(
                f"energy: got fields of shape {tuple(energy.event_shape)}, expected "
                f"{tuple(flow.event_shape)} as the flow has"
            )
        _check(
            ("objective", objective, objective in OBJECTIVES, f"one of {OBJECTIVES}"),
            ("forward_weight", forward_weight, 0 <= forward_weight <= 1, "a number in [0, 1]"),
            ("batch_size", batch_size, batch_size >= 1, "at least 1"),
            ("eval_samples", eval_samples, eval_samples >= 2, "at least 2"),
            ("report_samples", report_samples, report_samples >= 2, "at least 2"),
            ("reference_states", reference_states, reference_states >= 0, "at least 0"),
            ("anneal_from", anneal_from, 0 < anneal_from < math.inf, "a positive number"),
            ("anneal_steps", anneal_steps, anneal_steps >= 0, "at least 0"),
        )
        needs_states = objective in ("forward", "mixture")
        if needs_states and not reference_states:
            raise ValueError(
                f"training.reference_states: got 0, expected at least 1 for objective={objective}"
            )
        if needs_states and anneal_steps:
            raise ValueError(
                f"training.anneal_steps: got {anneal_steps} for objective={objective}, whose "
                "samples are those of the full coupling, expected 0"
            )
        if z2 and not is_even(energy):
            raise ValueError(
                "training.z2: got true for an energy whose E(-x) is not E(x), expected false, "
                "with flow.symmetry=none"
            )
        self.energy = energy.requires_grad_(False)  # what it is made of is not trained
        self.objective = objective
        self.forward_weight = forward_weight
        self.batch_size = batch_size
        self.eval_samples = eval_samples
        self.report_samples = report_samples
        self.reference_states = reference_states
        self.annealing = (anneal_from, anneal_steps)
        self.even_energy, self.translations = z2, translations
        self._reference: Reference | None = None
        self._states: Tensor | None = None
        self._weights: list[Tensor] = []
        self._scores: dict[str, Any] = {}
        self._annealed = lru_cache(maxsize=2)(energy.scaled)
        match_spectrum(flow, energy)

    def train_dataloader(self) -> DataLoader:
        """Place holders as long as a batch: there are no data."""
        return DataLoader([torch.zeros(self.batch_size, 0)] * 1000, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Place holders for the batches of a validation, over all processes."""
        batch = min(self.eval_samples, 2048)
        batches = -(-self.eval_samples // batch)
        return DataLoader([torch.zeros(batch, 0)] * batches, batch_size=None)

    def configure_callbacks(self) -> list[Callback]:
        """Pictures in TensorBoard, and the average of weights."""
        from rgflow.training.field_pictures import FieldPictures

        return [FieldPictures(self.seed), *super().configure_callbacks()]

    def training_loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Nats per site of ``len(batch)`` fresh samples."""
        losses: list[tuple[float, Tensor]] = []
        share = {"forward": 1.0, "mixture": self.forward_weight}.get(self.objective, 0.0)
        if share < 1:
            estimate = reverse_kl if self.objective == "reverse" else path_gradient
            values = estimate(self.flow, self.current_energy(), len(batch), generator)
            annealed = self.global_step < self.annealing[1]
            name = "train/annealed_bound" if annealed else "train/free_energy_bound"
            self.log(name, values.detach().mean(), prog_bar=True)
            self.log("train/spread_of_log_weights", values.detach().std())
            losses.append((1 - share, values.mean()))
        if share > 0:
            x = self._states_of_target(len(batch), generator)
            nats = negative_log_likelihood(self.flow, x).mean()
            self.log("train/cross_entropy", nats.detach(), prog_bar=True)
            losses.append((share, nats))
        return sum(weight * loss for weight, loss in losses) / math.prod(self.flow.event_shape)

    def current_energy(self) -> Energy:
        """The energy at this step's coupling, which grows in stages while it is annealed."""
        start, steps = self.annealing
        if self.global_step >= steps:
            return self.energy
        stage = self.global_step * ANNEALING_STAGES // steps
        factor = start + (1 - start) * stage / ANNEALING_STAGES
        return self._annealed(factor).to(self.device)

    def reference(self) -> Reference | None:
        """States of the target, drawn at the first call; None if none are wanted."""
        if self._reference is None and self.reference_states:
            self._reference = self._draw(self.seed)
        return self._reference

    def _draw(self, seed: int) -> Reference:
        chains = min(REFERENCE_CHAINS, self.reference_states)
        per_chain = -(-self.reference_states // chains)
        return reference_samples(self.energy, chains=chains, states=per_chain, seed=seed)

    def on_validation_epoch_start(self) -> None:
        """Forget the weights of the validation before."""
        self._weights = []

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Weights of fresh samples, the same latents at each validation."""
        key = ("validation", self.seed, self.global_rank, batch_idx)
        with torch.autocast(self.device.type, enabled=False):
            generator = generator_for(*key, device=self.device)
            x, log_prob = self.flow.sample_and_log_prob(len(batch), generator=generator)
            self._weights.append(-self.energy.energy(x).double() - log_prob.double())

    def on_validation_epoch_end(self) -> None:
        """Log the bound and the quality of the weights, of all samples of all processes."""
        log_weights = self.all_gather(torch.cat(self._weights)).flatten().cpu()
        self._weights = []
        bound = float(-log_weights.mean())
        numbers: dict[str, float | None] = {"free_energy_bound": bound}
        if self.energy.log_z is not None:
            numbers["kl_nats"] = bound + self.energy.log_z
        if bool(log_weights.isfinite().all()):
            quality = effective_sample_size(log_weights, minimum=2)
            numbers["ess" if len(log_weights) >= MINIMUM_FOR_ESS else "ess_of_few"] = quality.ess
            numbers["largest_share"] = quality.largest_share
            numbers["acceptance"] = metropolis_acceptance(log_weights)
        self._scores = numbers
        for name, value in numbers.items():
            shown = name in ("kl_nats", "ess")
            self.log(f"validation/{name}", value, prog_bar=shown, rank_zero_only=False)

    def scores(self) -> dict[str, Any]:
        """The final evaluation, or, before it, the latest validation."""
        unknown = dict.fromkeys(("free_energy_bound", "kl_nats", "ess", "acceptance"))
        return {**unknown, "log_z_exact": self.energy.log_z, **self._scores}

    def report(self, directory: Path) -> None:
        """Evaluate at length, and write ``observables.png``.

        Where samples are not finite the scores stay those of the last validation, with a
        ``report_error`` beside them.
        """
        from rgflow.evaluation import draw_weighted, evaluation_figure
        from rgflow.plotting import save_figure

        arguments = {"samples": self.report_samples, "seed": self.seed}
        reference = self.reference()
        try:
            scores = evaluate_energy(self.flow, self.energy, reference=reference, **arguments)
            shown = draw_weighted(self.flow, self.energy, 10_000, seed=self.seed)
            figure = evaluation_figure(self.energy, shown, reference)
        except ValueError as error:
            log.warning("no final evaluation: %s", error)
            self._scores["report_error"] = str(error)
            return
        self._scores = scores
        save_figure(figure, directory / "observables.png")

    def _states_of_target(self, n: int, generator: torch.Generator) -> Tensor:
        """Random states of the target, moved by its symmetries."""
        if self._states is None:
            # others than those of the report, whose bound would else be that of training data
            states = self._draw(derived_seed("training states", self.seed)).samples
            self._states = states.flatten(0, 1)
        chosen = torch.randint(len(self._states), (n,), generator=generator, device=self.device)
        x = self._states[chosen.to(self._states.device)].to(self.device)
        if self.translations:
            x = translated(x, generator)
        if self.even_energy:
            uniform = torch.rand(n, generator=generator, device=self.device)
            x = x * torch.where(uniform < 0.5, -1.0, 1.0).view(-1, 1, 1, 1)
        return x


def _check(*settings: tuple[str, object, bool, str]) -> None:
    for name, value, is_right, expected in settings:
        if not is_right:
            raise ValueError(f"training.{name}: got {value!r}, expected {expected}")
