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
from rgflow.evaluation.fields import evaluate_energy
from rgflow.evaluation.summary import cautions
from rgflow.flow import Flow, check_same_events
from rgflow.montecarlo.reference import Reference
from rgflow.objectives import negative_log_likelihood, path_gradient, reverse_kl
from rgflow.runtime.seeds import generator_for
from rgflow.training.energy_setup import check_annealing, check_symmetries, match_spectrum
from rgflow.training.flow_module import FlowTraining
from rgflow.training.target_states import TargetStates
from rgflow.training.validation_tally import Tally

log = logging.getLogger(__name__)

OBJECTIVES = ("path", "reverse", "forward", "mixture")
MONITORS = {"forward": "cross_entropy", "mixture": "mixture"}
"""What tells the best checkpoint, where it is not the bound."""
ANNEALING_STAGES = 50


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
            Where they cannot be drawn there is no comparison, and a warning.
        anneal_from: Factor on the coupling at the first step, of the reverse objectives; 1 for no
            annealing.
        anneal_steps: Steps until the factor is 1; 0 for no annealing.
        z2: Whether the energy is even, so that the forward KL may turn the sign of samples.
        translations: Whether it does not change under lattice translations, in the same way.
        seed: Of all noise.
        compile: Compile the flow's call.
        settings: Fields of `OptimizerSettings`.

    The best checkpoint has the smallest value of what is minimised: the bound, for the forward KL
    the cross-entropy of states that are neither trained on nor in the report, for the mixture the
    same mixture of both (``monitor``).

    Raises:
        ValueError: If shapes differ, a setting is out of its range, or the flow or the forward KL
            has a symmetry that the energy has not.

    Reference: NeuralRG, arXiv:1802.02840; path gradients, arXiv:2207.08219.
    """

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
        check_same_events(flow, energy)
        _check(
            ("objective", objective, objective in OBJECTIVES, f"one of {OBJECTIVES}"),
            ("forward_weight", forward_weight, 0 <= forward_weight <= 1, "a number in [0, 1]"),
            ("batch_size", batch_size, batch_size >= 1, "at least 1"),
            ("eval_samples", eval_samples, eval_samples >= 2, "at least 2"),
            ("report_samples", report_samples, report_samples >= 2, "at least 2"),
            (
                "reference_states",
                reference_states,
                reference_states == 0 or reference_states >= 2,
                "0 for none, or at least 2",
            ),
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
        check_annealing(anneal_from, anneal_steps)
        check_symmetries(flow, energy, even=z2, translations=translations and needs_states)
        self.energy = energy.requires_grad_(False)  # what it is made of is not trained
        self.objective = objective
        self.monitor = f"validation/{MONITORS.get(objective, 'free_energy_bound')}"
        shares = {"forward": 1.0, "mixture": forward_weight}
        self._forward_share: float | None = shares.get(objective)
        self.batch_size = batch_size
        self.eval_samples = eval_samples
        self.report_samples = report_samples
        self.annealing = (anneal_from, anneal_steps)
        self.states = TargetStates(
            energy, reference_states, eval_samples, seed, even=z2, translations=translations
        )
        self._tally = Tally("cpu")
        self._scores: dict[str, Any] = {}
        self._annealed = lru_cache(maxsize=2)(energy.scaled)
        match_spectrum(flow, energy)

    def train_dataloader(self) -> DataLoader:
        """Place holders as long as a batch: there are no data."""
        return DataLoader([torch.zeros(self.batch_size, 0)] * 1000, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Place holders for the batches of a validation, which every process has."""
        batch = min(self.eval_samples, 2048)
        batches = -(-self.eval_samples // batch)
        return DataLoader([torch.zeros(batch, 0)] * batches, batch_size=None)

    def configure_callbacks(self) -> list[Callback]:
        """Pictures in TensorBoard, and the average of weights."""
        from rgflow.training.callbacks.field_pictures import FieldPictures

        return [
            FieldPictures(self.energy, self.reference, self.seed),
            *super().configure_callbacks(),
        ]

    def training_loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Nats per site of ``len(batch)`` fresh samples."""
        losses: list[tuple[float, Tensor]] = []
        share = self._forward_share or 0.0
        if share < 1:
            estimate = reverse_kl if self.objective == "reverse" else path_gradient
            values = estimate(self.flow, self.current_energy(), len(batch), generator)
            annealed = self.global_step < self.annealing[1]
            name = "train/annealed_bound" if annealed else "train/free_energy_bound"
            self.log(name, values.detach().mean(), prog_bar=True)
            if len(values) > 1:
                self.log("train/spread_of_log_weights", values.detach().std())
            losses.append((1 - share, values.mean()))
        if share > 0:
            x = self.states.batch(len(batch), generator)
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
        """States of the target, drawn at the first call; None if none are wanted or can be had."""
        return self.states.reference()

    def on_fit_start(self) -> None:
        """Draw the states that are trained on and validated with.

        Raises:
            ValueError: If Monte Carlo fails on the energy.
        """
        if self._forward_share is not None:
            self.states.prepare()

    def on_validation_epoch_start(self) -> None:
        """Forget the numbers of the validation before."""
        self._tally = Tally(self.device)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Weights of fresh samples, the same latents at each validation, and held-out states."""
        key = ("validation", self.seed, self.global_rank, batch_idx)
        with torch.autocast(self.device.type, enabled=False):
            generator = generator_for(*key, device=self.device)
            x, log_prob = self.flow.sample_and_log_prob(len(batch), generator=generator)
            self._tally.add_samples(-self.energy.energy(x).double() - log_prob.double())
            if self._forward_share is not None:
                ranks, batches = self.trainer.world_size, self.trainer.num_val_batches[0]
                part = batch_idx * ranks + self.global_rank
                mine = self.states.held_out(part, batches * ranks)
                if len(mine):
                    self._tally.add_states(negative_log_likelihood(self.flow, mine.to(x)))

    def on_validation_epoch_end(self) -> None:
        """Log the bound and the quality of the weights, of all samples of all processes."""
        numbers = self._tally.numbers(self.all_gather, self.energy.log_z)
        share, cross_entropy = self._forward_share, numbers.pop("cross_entropy")
        if share is not None:
            numbers["cross_entropy"] = cross_entropy
        if self.objective == "mixture":
            bound = numbers["free_energy_bound"]
            numbers["mixture"] = (1 - share) * bound + share * cross_entropy
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
        ``report_error`` beside them; where Monte Carlo failed, there is a ``reference_error``.
        """
        from rgflow.evaluation.figure import evaluation_figure
        from rgflow.evaluation.weighted_samples import draw_weighted
        from rgflow.plotting.images import save_figure

        arguments = {"samples": self.report_samples, "seed": self.seed}
        reference = self.reference()
        missing = {} if self.states.error is None else {"reference_error": self.states.error}
        try:
            scores = evaluate_energy(self.flow, self.energy, reference=reference, **arguments)
            shown = draw_weighted(self.flow, self.energy, 10_000, seed=self.seed)
            figure = evaluation_figure(self.energy, shown, reference)
        except ValueError as error:
            log.warning("no final evaluation: %s", error)
            self._scores = self._scores | missing | {"report_error": str(error)}
            return
        self._scores = scores | missing
        for line in cautions(scores):
            log.warning("%s", line.removeprefix("warning: "))
        save_figure(figure, directory / "observables.png")


def _check(*settings: tuple[str, object, bool, str]) -> None:
    for name, value, is_right, expected in settings:
        if not is_right:
            raise ValueError(f"training.{name}: got {value!r}, expected {expected}")
