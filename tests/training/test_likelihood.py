import itertools
import logging
import math

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from rgflow.bijectors.pixels import bits_per_dim, dequantize
from rgflow.models import ConvLevels, Outside, conv_flow
from rgflow.objectives import negative_log_likelihood
from rgflow.runtime.seeds import generator_for
from rgflow.training import LikelihoodModule
from rgflow.training.flow_module import DivergedError


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def tiny_flow(seed=0):
    torch.manual_seed(seed)
    flow = conv_flow(
        side=8, channels=3, levels=ConvLevels((2,), hidden=8), outside=Outside(pixels=True)
    )
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return flow


def batches(count, size=4):
    generator = torch.Generator().manual_seed(5)
    shape = (count * size, 3, 8, 8)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return DataLoader(images, batch_size=size)


def fit(module, steps, **settings):
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(module, batches(steps), batches(2, 6))
    return trainer


class Faulty(LikelihoodModule):
    """Makes the loss of some steps infinite or not a number."""

    def __init__(self, flow, faults, **settings):
        super().__init__(flow, **settings)
        self.faults = faults
        self.snapshots = []

    def training_loss(self, batch, generator):
        weights = torch.cat([p.detach().flatten() for p in self.flow.parameters()])
        self.snapshots.append(weights.clone())
        loss = super().training_loss(batch, generator)
        return loss + self.faults.get(self.global_step, 0.0)


def test_steps_with_a_loss_that_is_not_finite_are_skipped_and_counted():
    faults = {1: math.inf, 3: math.nan}
    module = Faulty(tiny_flow(), faults, ema_decay=None, warmup_steps=0)
    fit(module, 6)
    assert module.nonfinite_steps == 2
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(module.snapshots)]
    assert changed == [True, False, True, False, True]
    assert all(p.isfinite().all() for p in module.flow.parameters())


def test_divergence_stops_the_run():
    faults = dict.fromkeys(range(1, 9), math.nan)
    module = Faulty(tiny_flow(), faults, ema_decay=None, max_nonfinite=3)
    with pytest.raises(DivergedError, match=r"got 3 steps.*expected"):
        fit(module, 9)
    assert module.nonfinite_steps == 3


def test_gradients_are_clipped_and_the_norm_before_clipping_is_logged():
    module = LikelihoodModule(tiny_flow(), gradient_clip=1e-3, ema_decay=None)
    norms = []
    module.on_before_zero_grad = lambda _: norms.append(
        math.hypot(*(float(p.grad.norm()) for p in module.parameters() if p.grad is not None))
    )
    trainer = fit(module, 3)
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)
    assert float(trainer.callback_metrics["train/gradient_norm"]) > 0.1


def test_validation_is_the_mean_over_images_with_noise_that_stays_the_same():
    module = LikelihoodModule(tiny_flow(), lr=1e-30, ema_decay=None)
    trainer = fit(module, 2)
    expected = []
    for i, batch in enumerate(batches(2, 6)):
        x = dequantize(batch, generator_for("validation", 0, 0, i))
        expected.append(bits_per_dim(-negative_log_likelihood(module.flow, x), (3, 8, 8)))
    got = float(trainer.callback_metrics["validation/bits_per_dim"])
    assert got == pytest.approx(float(torch.cat(expected).detach().mean()), rel=1e-6)


def test_noise_and_flips_differ_between_ranks_and_steps(monkeypatch):
    images = next(iter(batches(1)))

    def loss(rank, step, flip=False):
        module = LikelihoodModule(tiny_flow(), seed=4)
        monkeypatch.setattr(LikelihoodModule, "global_rank", rank)
        monkeypatch.setattr(LikelihoodModule, "global_step", step)
        monkeypatch.setattr(module, "log", lambda *_, **__: None)
        datamodule = type("Data", (), {"horizontal_flip": flip})
        fields = {"accumulate_grad_batches": 1, "datamodule": datamodule}
        monkeypatch.setattr(LikelihoodModule, "trainer", type("Trainer", (), fields))
        return float(module.training_step(images, 0).detach())

    cases = [(0, 0), (1, 0), (0, 1), (0, 0, True)]
    losses = [loss(*case) for case in cases]
    assert len(set(losses)) == len(cases)
    assert losses == [loss(*case) for case in cases]


def test_wrong_picture_settings_are_refused():
    with pytest.raises(ValueError, match="temperatures"):
        LikelihoodModule(tiny_flow(), temperatures=[-1.0])
