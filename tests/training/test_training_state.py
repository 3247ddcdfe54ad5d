"""A state of training that no step can go on from is refused in one line, before any step."""

import pytest
import torch
from tiny_run import TINY_ENERGY, checkpoint, train

STEPS = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert (
        train(*TINY_ENERGY, f"hydra.run.dir={run}", "training.report_samples=64", tiny=False) == 0
    )
    assert checkpoint(run)["global_step"] == STEPS
    return run


def moments(content, number=0):
    return content["optimizer_states"][0]["state"][number]


def group(content):
    return content["optimizer_states"][0]["param_groups"][0]


def progress(content):
    return content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]


EDITS = {
    "moment of another shape": lambda c: moments(c).update(exp_avg=torch.zeros(3)),
    "moment of one number": lambda c: moments(c).update(exp_avg_sq=torch.tensor(0.0)),
    "moments exchanged": lambda c: moments(c).update(exp_avg=moments(c, 4)["exp_avg"]),
    "moment that is no tensor": lambda c: moments(c).update(exp_avg=[1.0]),
    "moment missing": lambda c: moments(c).pop("exp_avg_sq"),
    "moment of another kind": lambda c: moments(c).update(max_exp_avg_sq=torch.zeros(3)),
    "moment that is NaN": lambda c: moments(c)["exp_avg"].fill_(torch.nan),
    "moment that is infinite": lambda c: moments(c)["exp_avg_sq"][0].fill_(torch.inf),
    "step of the future": lambda c: moments(c)["step"].fill_(STEPS + 1),
    "step in between": lambda c: moments(c)["step"].fill_(0.5),
    "rate that is text": lambda c: group(c).update(lr="abc"),
    "rate that is NaN": lambda c: group(c).update(lr=torch.nan),
    "rate far too large": lambda c: group(c).update(lr=1e30),
    "betas missing": lambda c: group(c).pop("betas"),
    "betas of one number": lambda c: group(c).update(betas=0.9),
    "betas that are NaN": lambda c: group(c).update(betas=(0.9, torch.nan)),
    "batches that are negative": lambda c: progress(c).update(ready=-3),
    "batches that are text": lambda c: progress(c).update(ready="4"),
    "schedule of the future": lambda c: c["lr_schedulers"][0].update(last_epoch=10**9),
    "schedule without counter": lambda c: c["lr_schedulers"][0].pop("last_epoch"),
    "averages of the future": lambda c: c["averaging_state"]["n_averaged"].fill_(99),
    "averages of a negative number": lambda c: c["averaging_state"]["n_averaged"].fill_(-10),
    "average updated later": lambda c: c["callbacks"]["ExponentialAverage"].update(
        latest_update_step=10**6
    ),
    "skipped steps that are many": lambda c: c.update(nonfinite=[STEPS + 1, 0]),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_state_that_cannot_be_is_refused_in_one_line(edit, trained, tmp_path, capfd):
    content = checkpoint(trained)
    edit(content)
    path = tmp_path / "edited.ckpt"
    torch.save(content, path)
    resumed = [f"ckpt_path={path}", "max_steps=6", f"hydra.run.dir={tmp_path}/run"]
    assert train(*TINY_ENERGY, *resumed, tiny=False) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert str(path) in line
    assert "expected" in line
    assert not (tmp_path / "run").exists()
