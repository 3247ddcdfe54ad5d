"""Training of a block's RBM, which finds the block variable of real-space renormalization."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from rgflow.realspace.block_variable.block_loss import block_loss
from rgflow.realspace.coupling_map.marginal import nearest_coupling
from rgflow.realspace.model.block_geometry import PLAQUETTE
from rgflow.realspace.model.rbm import BlockRBM
from rgflow.training.callbacks.progress import PICTURES
from rgflow.training.flow_module import FlowTraining

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MAX_COUPLING = 1.5
"""Largest coupling that gradient descent by Adam resolves in a thousand steps."""


class RBMModule(FlowTraining):
    r"""Minimises ``D_KL(P_loc || P_RBM) - beta I(s_env : t)`` of a plaquette, by exact sums.

    There are no data: a batch is a placeholder, and a step draws no random numbers. Logs the loss,
    both of its parts and every weight.

    Args:
        flow: The RBM, with four spins; it takes the place of a flow in the configuration.
        coupling: J of the Ising model, which includes the inverse temperature, from 0 to 1.5.
            Beyond, the gradient falls like ``exp(-4J)``, and only Newton's method finds the
            minimum, as in `realspace.coupling_map.marginal`.
        beta: Weight of the mutual information with the environment, >= 0.
        seed: Seed of the run; the configuration draws the initial weights with it.
        compile: Whether to compile the RBM's call.
        settings: Fields of `OptimizerSettings`.

    Raises:
        ValueError: If the RBM has another number of spins than four, a number is out of its range,
            or there is an energy.

    Reference: mutual information with the environment, arXiv:1704.06279.
    """

    monitor = "validation/loss_nats"

    def __init__(
        self,
        flow: BlockRBM,
        *,
        coupling: float,
        beta: float = 0.0,
        seed: int = 0,
        compile: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(flow, seed=seed, compile=compile, **settings)
        spins = len(flow.weights)
        if spins != 4 or not 0 <= coupling <= MAX_COUPLING or not 0 <= beta < torch.inf:
            raise ValueError(
                f"training: got coupling={coupling} and beta={beta} for {spins} spins, expected 0 "
                f"to {MAX_COUPLING}, a finite number >= 0, and four spins"
            )
        self.coupling = coupling
        self.beta = beta
        self._scores: dict[str, float] = {}

    def train_dataloader(self) -> DataLoader:
        """Placeholders for the steps of an epoch."""
        return DataLoader(range(1000))

    def val_dataloader(self) -> DataLoader:
        """One placeholder."""
        return DataLoader(range(1))

    def training_loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """The loss in nats."""
        divergence, information = block_loss(self.coupling, self.flow.weights)
        loss = divergence - self.beta * information
        self.log("train/loss_nats", loss.detach(), prog_bar=True)
        self.log("train/divergence_nats", divergence.detach())
        self.log("train/information_nats", information.detach())
        for (spin, unit), weight in _entries(self.flow.weights.detach()):
            self.log(f"weights/spin{spin}_unit{unit}", weight)
        return loss

    @torch.no_grad()
    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Both parts of the loss, and the renormalized couplings."""
        divergence, information = block_loss(self.coupling, self.flow.weights)
        loss = divergence - self.beta * information
        values = {
            "loss_nats": loss,
            "divergence_nats": divergence,
            "information_nats": information,
        }
        for (i, j), value in _entries(nearest_coupling(PLAQUETTE, self.flow.weights)):
            values[f"renormalized_coupling_{i}_{j}"] = value
        self._scores = {name: float(value) for name, value in values.items()}
        for name, value in values.items():
            self.log(f"validation/{name}", value)
        if isinstance(self.logger, TensorBoardLogger) and not self.trainer.sanity_checking:
            figure, step = self.figure(), self.trainer.global_step
            self.logger.experiment.add_figure(f"{PICTURES}/observables", figure, step)

    def scores(self) -> dict[str, float | None]:
        """The numbers of the latest validation, and the settings."""
        return {**self._scores, "coupling": self.coupling, "beta": self.beta}

    def report(self, directory: Path) -> None:
        """Write ``observables.png``: what spins know of each other, before and after."""
        from rgflow.plotting.images import save_figure

        save_figure(self.figure(), directory / "observables.png")

    @torch.no_grad()
    def figure(self) -> "Figure":
        """Mutual information of pairs of spins, without and given the hidden units."""
        from rgflow.realspace.model.table_information import pair_information
        from rgflow.realspace.report.exact_figures import causal_figure

        joint = self.flow.joint_log_prob().cpu()
        tables = {
            "RBM: I(i : j)": pair_information(joint.logsumexp(1, keepdim=True)),
            "RBM: I(i : j | t)": pair_information(joint),
        }
        return causal_figure(tables)


def _entries(matrix: Tensor) -> list[tuple[tuple[int, int], Tensor]]:
    return [((i, j), value) for i, row in enumerate(matrix) for j, value in enumerate(row)]
