"""Training on an energy, without data: from the flow's own samples, or from the target's."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from rgflow.energies import Energy
from rgflow.energies.symmetries import is_phase_invariant
from rgflow.evaluation.fields import evaluate_with_samples
from rgflow.flow import Flow
from rgflow.montecarlo.reference import Reference
from rgflow.objectives import (
    Batch,
    Objective,
    PathGradient,
    negative_log_likelihood,
)
from rgflow.runtime.fields import check_same_events
from rgflow.runtime.seeds import generator_for
from rgflow.training.config_checks import check_objective
from rgflow.training.energy_setup import Annealing, check_symmetries, find_faults, match_spectrum
from rgflow.training.flow_module import FlowTraining
from rgflow.training.target_states import TargetStates
from rgflow.training.validation_tally import Tally

log = logging.getLogger(__name__)


class EnergyModule(FlowTraining):
    r"""Trains a flow q on an energy E, towards its law ``p = exp(-E) / Z``.

    Logs per step what the objective measures, for instance the bound ``mean(log q + E) >= -ln Z``
    and its spread over samples; at each validation the bound, the effective sample size, the
    acceptance of independence Metropolis and, where ln Z is known, the divergence in nats; with an
    objective that learns from states of the target also the cross-entropy of states that are
    neither trained on nor in the report.

    Args:
        flow: q, with fields of the energy's shape.
        energy: E; see ``rgflow.energies.as_energy`` for one's own.
        objective: What is minimised; `PathGradient` if None.
        batch_size: Samples per step and process.
        eval_samples: Samples of a validation in each process; above 2,048 they are rounded up to
            whole batches of so many.
        report_samples: Samples of the final evaluation.
        reference_states: States of the target that Monte Carlo draws once, for comparison and for
            the upper bound on ln Z, and as many others for an objective that learns from them; 0
            for none. Where they cannot be drawn there is no comparison, and a warning.
        anneal_from: Factor on the coupling at the first step; 1 for no annealing.
        anneal_steps: Steps until the factor is 1; 0 for no annealing.
        z2: Whether the energy is even, so that states of the target may have their sign
            flipped.
        translations: Whether it does not change under lattice translations, so that states of
            the target may be translated.
        phases: Whether it does not change when all phases of a complex field are turned, so that
            those of the states may be; None to find out.
        seed: Seed of all random numbers.
        compile: Whether to compile the flow's call.
        settings: Fields of `OptimizerSettings`.

    Raises:
        ValueError: If shapes differ, a setting is out of its range, or the flow or the states
            that are trained on have a symmetry that the energy has not.

    Reference: NeuralRG, arXiv:1802.02840; path gradients, arXiv:2207.08219.
    """

    def __init__(
        self,
        flow: Flow,
        energy: Energy,
        objective: Objective | None = None,
        *,
        batch_size: int = 256,
        eval_samples: int = 16_384,
        report_samples: int = 100_000,
        reference_states: int = 20_000,
        anneal_from: float = 1.0,
        anneal_steps: int = 0,
        z2: bool = True,
        translations: bool = True,
        phases: bool | None = False,
        seed: int = 0,
        compile: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(flow, seed=seed, compile=compile, **settings)
        check_same_events(flow, energy)
        for name, number, least in (
            ("batch_size", batch_size, 1),
            ("eval_samples", eval_samples, 2),
            ("report_samples", report_samples, 2),
        ):
            if number < least:
                raise ValueError(f"training.{name}: got {number}, expected at least {least}")
        self.objective = PathGradient() if objective is None else objective
        numbers = ["free_energy_bound", "cross_entropy"]
        check_objective(self.objective, numbers if energy.log_z is None else [*numbers, "kl_nats"])
        needs_states, kind = self.objective.needs_states, type(self.objective).__name__
        if needs_states and not reference_states:
            raise ValueError(
                f"training.reference_states: got 0 for {kind}, which learns from states of the "
                "target, expected at least 2"
            )
        if needs_states and anneal_steps:
            raise ValueError(
                f"training.anneal_steps: got {anneal_steps} for {kind}, which learns from states "
                "at the full coupling, expected 0"
            )
        check_symmetries(
            flow,
            energy,
            even=z2,
            translations=translations and needs_states,
            phases=bool(phases),
        )
        self.energy = energy.requires_grad_(False)  # what it is made of is not trained
        self.annealing = Annealing(energy, anneal_from, anneal_steps)
        self.monitor = f"validation/{self.objective.monitor}"
        self.batch_size = batch_size
        self.eval_samples = eval_samples
        self.report_samples = report_samples
        self.states = TargetStates(
            energy,
            reference_states,
            eval_samples,
            seed,
            even=z2,
            translations=translations,
            phases=is_phase_invariant(energy) if phases is None else phases,
        )
        self._tally = Tally("cpu")
        self._scores: dict[str, Any] = {}
        match_spectrum(flow, energy)

    def train_dataloader(self) -> DataLoader:
        """Placeholders as long as a batch, since there are no data."""
        return DataLoader([torch.zeros(self.batch_size, 0)] * 1000, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Placeholders for the batches of a validation; every process has as many."""
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
        """What the objective minimises for as many samples, in nats per entry of a sample."""
        drawn = Batch(len(batch), generator, partial(self._draw_states, len(batch)))
        loss = self.objective.loss(self.flow.one_image, self.current_energy(), drawn)
        if not self.annealing.is_over(self.global_step):  # the bound is that of another coupling
            names = {"free_energy_bound": "annealed_bound"}
            loss = loss._replace(metrics={names.get(n, n): v for n, v in loss.metrics.items()})
        return self.log_loss(loss)

    def _draw_states(self, count: int, generator: torch.Generator) -> Tensor:
        """States of the target, for objectives that said that they need some."""
        if not self.objective.needs_states:
            raise ValueError(
                f"objective: {type(self.objective).__name__} asks for states of the target, "
                "expected needs_states = True in its class"
            )
        return self.states.batch(count, generator)

    def current_energy(self) -> Energy:
        """The energy at this step's coupling."""
        return self.annealing.at(self.global_step).to(self.device)

    def reference(self) -> Reference | None:
        """States of the target, drawn at the first call; None if there are none."""
        return self.states.reference()

    def on_fit_start(self) -> None:
        """Draw the states that are trained on and validated with.

        Raises:
            ValueError: If Monte Carlo fails on the energy.
        """
        if self.objective.needs_states:
            self.states.prepare()

    def nonfinite_reason(self) -> str:
        """Whether the energy or its force is not finite for some finite fields of the flow."""
        generator = generator_for("nonfinite", self.seed, self.global_step, device=self.device)
        sizes = [self.batch_size] * self.settings.max_nonfinite  # of the steps that were skipped
        fault = find_faults(self.flow, self.energy, sizes, generator)
        return fault or super().nonfinite_reason()

    def on_validation_epoch_start(self) -> None:
        """Forget the numbers of the validation before."""
        self._tally = Tally(self.device)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Weigh samples, of the same latents at each validation, and held-out states."""
        key = ("validation", self.seed, self.global_rank, batch_idx)
        with torch.autocast(self.device.type, enabled=False):
            generator = generator_for(*key, device=self.device)
            flow = self.flow.one_image
            x, log_prob = flow.sample_and_log_prob(len(batch), generator=generator)
            self._tally.add_samples(-self.energy.energy(x).double() - log_prob.double())
            if self.objective.needs_states:
                ranks, batches = self.trainer.world_size, self.trainer.num_val_batches[0]
                part = batch_idx * ranks + self.global_rank
                mine = self.states.held_out(part, batches * ranks)
                if len(mine):
                    self._tally.add_states(negative_log_likelihood(flow, mine.to(x)))

    def on_validation_epoch_end(self) -> None:
        """Log the bound and the quality of the weights, of all samples of all processes."""
        numbers = self._tally.numbers(self.all_gather, self.energy.log_z)
        cross_entropy = numbers.pop("cross_entropy")
        if self.objective.needs_states:
            numbers["cross_entropy"] = cross_entropy
        numbers[self.objective.monitor] = self.objective.monitored(numbers)
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
        from rgflow.plotting.images import save_figure

        arguments = {"samples": self.report_samples, "seed": self.seed}
        reference = self.reference()
        states = 0 if reference is None else reference.energies.numel()
        text = "final evaluation on %d samples of the flow and %d states of the target"
        log.info(text, self.report_samples, states)
        missing = {} if self.states.error is None else {"reference_error": self.states.error}
        try:
            scores, drawn = evaluate_with_samples(
                self.flow, self.energy, reference=reference, **arguments
            )
            figure = evaluation_figure(self.energy, drawn, reference)
        except ValueError as error:
            log.warning("no final evaluation: %s", error)
            self._scores = self._scores | missing | {"report_error": str(error)}
            return
        self._scores = scores | missing
        save_figure(figure, directory / "observables.png")
