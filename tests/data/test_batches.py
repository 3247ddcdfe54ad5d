import warnings

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from rgflow.data import ImageDataModule
from rgflow.data.batches import ResumableBatches, evaluation_batches


def test_a_pass_takes_every_image_once():
    batches = list(ResumableBatches(12, 4, seed=0))
    assert sorted(torch.cat(batches).tolist()) == list(range(12))


def test_passes_and_seeds_differ():
    order = ResumableBatches(64, 64, seed=0)
    assert not torch.equal(order.batch(0), order.batch(1))
    assert not torch.equal(order.batch(0), ResumableBatches(64, 64, seed=1).batch(0))
    assert not torch.equal(order.batch(0), torch.arange(64))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_each_step_without_overlap(world_size):
    ranks = [ResumableBatches(50, 4, 7, rank, world_size) for rank in range(world_size)]
    per_pass = 50 // (4 * world_size)
    assert {len(rank) for rank in ranks} == {per_pass}
    for start in (0, per_pass):
        seen = [i for step in range(per_pass) for rank in ranks for i in rank.batch(start + step)]
        assert len(set(map(int, seen))) == per_pass * 4 * world_size


def test_iteration_starts_where_it_is_told():
    position = [0]
    order = ResumableBatches(20, 4, 0, steps_per_epoch=3, start=lambda: position[0])
    for first in (0, 3, 4, 13):
        position[0] = first
        wanted = [ResumableBatches(20, 4, 0).batch(step) for step in range(first, first + 3)]
        assert all(map(torch.equal, list(order), wanted))


def test_fewer_images_than_a_step():
    with pytest.raises(ValueError, match="got 7, expected at least batch_size x ranks = 4 x 2"):
        ResumableBatches(7, 4, 0, world_size=2)


@pytest.mark.parametrize(("size", "world_size"), [(10, 1), (10, 3), (3, 3)])
def test_evaluation_takes_every_image_once(size, world_size):
    ranks = [torch.cat(evaluation_batches(size, 2, r, world_size)) for r in range(world_size)]
    assert sorted(torch.cat(ranks).tolist()) == list(range(size))
    assert max(map(len, ranks)) - min(map(len, ranks)) <= 1


def test_fewer_images_than_ranks_are_refused():
    with pytest.raises(ValueError, match="too few images to evaluate: got 2"):
        evaluation_batches(2, 1, 0, 3)


class Recorder(LightningModule):
    """Records the images of every step, and after which steps it was validated."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.validated = [], []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch.clone())
        return self.weight * batch.float().mean()

    def validation_step(self, batch, batch_idx):
        self.validated.append(self.trainer.global_step)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAt(Callback):
    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def fit(root, steps, resume=None, callbacks=(), accumulate=1, **arguments):
    data = ImageDataModule(
        "msds1", str(root), side=8, batch_size=4, train_size=27, validation_size=5, test_size=5,
        **arguments,
    )  # fmt: skip
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
    )
    recorder = Recorder()
    trainer.fit(recorder, datamodule=data, ckpt_path=resume, weights_only=True)
    return recorder


# 27 images are 6 batches of 4; epochs of 5 steps are no multiple of a pass.
@pytest.mark.parametrize("stop", [1, 4, 5, 6, 7, 12])
@pytest.mark.parametrize("steps_per_epoch", [None, 5])
def test_resumed_run_sees_the_batches_it_would_have_seen(stop, steps_per_epoch, tmp_path):
    path = tmp_path / "stop.ckpt"
    whole = fit(tmp_path, 14, steps_per_epoch=steps_per_epoch)
    first = fit(tmp_path, stop, callbacks=[SaveAt(stop, path)], steps_per_epoch=steps_per_epoch)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not resumable.*")
        rest = fit(tmp_path, 14, resume=path, steps_per_epoch=steps_per_epoch)
    assert len(whole.seen) == 14
    assert len(first.seen) == stop
    assert len(rest.seen) == 14 - stop
    assert all(map(torch.equal, first.seen + rest.seen, whole.seen))
    assert len({batch.numpy().tobytes() for batch in whole.seen}) == 14
    # The epochs also end where they would have ended without the interruption.
    assert [s for s in whole.validated if s > stop] == [s for s in rest.validated if s > stop]


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [0, 1])
def test_resumption_with_accumulated_gradients_and_workers(stop, workers, tmp_path):
    path = tmp_path / "stop.ckpt"
    options = {"accumulate": 2, "num_workers": workers}
    whole = fit(tmp_path, 7, **options)
    fit(tmp_path, stop, callbacks=[SaveAt(stop, path)], accumulate=2)
    rest = fit(tmp_path, 7, resume=path, **options)
    assert len(whole.seen) == 14
    assert all(map(torch.equal, rest.seen, whole.seen[2 * stop :]))
    assert len(rest.seen) == 14 - 2 * stop


def test_resuming_with_another_order_logs_a_warning(tmp_path, caplog):
    path = tmp_path / "stop.ckpt"
    fit(tmp_path, 2, callbacks=[SaveAt(2, path)])
    fit(tmp_path, 3, resume=path)
    assert "another order" not in caplog.text
    fit(tmp_path, 3, resume=path, seed=1)
    assert "resuming with seed=1 instead of 0" in caplog.text


def test_epoch_that_ends_within_an_accumulated_step(tmp_path):
    with pytest.raises(ValueError, match="got 5, expected a multiple of accum"):
        fit(tmp_path, 4, accumulate=2, steps_per_epoch=5)
