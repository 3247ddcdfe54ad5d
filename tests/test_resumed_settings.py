"""A resumed run has the settings of its run; what changes, and what that means, is said."""

import shlex
import signal
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from tiny_run import TINY_ENERGY, assert_equal, checkpoint, metrics, stop_after, train

from rgflow.checkpoint import load_config
from rgflow.training import LikelihoodModule
from rgflow.training.energy import EnergyModule

OWN = [
    "energy.coupling=0.3",
    "seed=7",
    "training.lr=0.003",
    "training.ema_decay=0.9",
    "training.warmup_steps=1",
]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A training on an energy of two steps, with settings of its own."""
    run = tmp_path_factory.mktemp("first") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EnergyModule, "report", lambda self, directory: None)
        more = ["max_steps=2", "training.reference_states=0", f"hydra.run.dir={run}"]
        assert train(*TINY_ENERGY, *OWN, *more, tiny=False) == 0
    return run


@pytest.fixture
def resume(first, tmp_path, monkeypatch):
    """Resumes it in a new folder; gives the exit status, the folder and the lines of its log."""
    monkeypatch.setattr(EnergyModule, "report", lambda self, directory: None)

    def resumed(*overrides):
        run = tmp_path / "run"
        last = first / "checkpoints/last.ckpt"
        status = train(f"ckpt_path={last}", f"hydra.run.dir={run}", *overrides, tiny=False)
        log = run / "train.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return status, run, [line.split(" ", 1)[1] for line in lines]

    return resumed


def changes(lines):
    return {line.partition(":")[0] for line in lines if "from now on" in line}


@pytest.mark.parametrize("preset", [[], ["experiment=ising_l4"]])
def test_settings_need_not_be_repeated(preset, first, resume):
    status, run, lines = resume("max_steps=4", *preset)
    assert status == 0
    before, after = (load_config(folder / "checkpoints/last.ckpt") for folder in (first, run))
    before["trainer"]["max_steps"] = before["max_steps"] = 4
    assert after == before | {"ckpt_path": str(first / "checkpoints/last.ckpt")}
    assert changes(lines) == {"max_steps"}
    assert any(line.startswith("resumed at step 2 of 4 from ") for line in lines)
    assert not any("forgotten" in line for line in lines)


def test_the_run_may_go_on_into_new_folders_by_default(resume, first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(f"ckpt_path={first}/checkpoints/last.ckpt", "max_steps=3", tiny=False) == 0
    assert len(list(Path().glob("outputs/ising_l4/*/metrics.json"))) == 1


def test_copies_of_a_setting_follow_it_and_are_not_listed(resume):
    status, run, lines = resume("max_steps=3", "seed=8", "log_every=2")
    assert status == 0
    config = load_config(run / "checkpoints/last.ckpt")
    assert config["seed"] == config["training"]["seed"] == 8
    assert config["trainer"]["max_steps"] == 3
    assert config["trainer"]["log_every_n_steps"] == 2
    assert changes(lines) == {"max_steps", "seed", "log_every"}


@pytest.mark.parametrize(
    ("override", "listed"),
    [
        ("energy.coupling=0.2", "energy.coupling"),
        ("flow.scale_bound=3.0", "flow.scale_bound"),
        ("objective=forward", "objective._target_"),
        ("training.eval_samples=128", "training.eval_samples"),
        ("trainer.limit_val_batches=1", "trainer.limit_val_batches"),
    ],
)
def test_a_score_of_something_else_is_forgotten(override, listed, first, resume):
    more = ["training.reference_states=200"] if override.startswith("objective") else []
    before = checkpoint(first, "best")
    status, run, lines = resume("max_steps=4", override, *more)
    assert status == 0
    assert changes(lines) >= {listed, "max_steps"}
    (line,) = [line for line in lines if "the best score so far is forgotten" in line]
    assert listed in line
    best = checkpoint(run, "best")
    assert best["global_step"] == 4
    assert best["config"] != before["config"]


def test_how_it_is_trained_leaves_the_best_score(resume):
    changed = ["training.gradient_clip=0.5", "training.max_nonfinite=1", "validation_every=3"]
    status, _, lines = resume("max_steps=3", *changed)
    assert status == 0
    assert not any("forgotten" in line for line in lines)
    assert changes(lines) == {c.partition("=")[0] for c in changed} | {"max_steps"}


def test_another_preset_is_refused(resume, capfd):
    status, run, _ = resume("experiment=msds2")
    assert status == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "experiment: got msds2, expected ising_l4 or none" in line
    assert not run.exists()


@pytest.mark.parametrize("override", ["energy.copling=0.2", "+energy.copling=0.2"])
def test_a_misspelt_setting_is_refused(override, resume, capfd):
    status, run, _ = resume(override)
    assert status == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "copling" in line
    assert not run.exists()


def test_a_flow_alone_is_refused(tmp_path, capfd):
    import rgflow
    from rgflow.checkpoint import save_flow

    node = {"_target_": "rgflow.models.block_flow", "side": 4, "channels": 1}
    flow = rgflow.models.block_flow(side=4, channels=1)
    save_flow(flow, node, tmp_path / "flow.ckpt")
    assert train(f"ckpt_path={tmp_path}/flow.ckpt", tiny=False) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "got the flow alone, expected a checkpoint made by training" in line


def test_a_longer_training_announces_the_jump_of_its_learning_rate(resume):
    _, run, lines = resume("max_steps=40")
    (line,) = [line for line in lines if line.startswith("learning rate")]
    assert line == "learning rate: it jumps from 3e-05 to 0.003, as it falls until step 40 now"
    rates = dict(scalars(run, "train/lr"))
    assert rates[4] == pytest.approx(0.003, rel=0.02)


def test_a_training_of_the_same_length_has_no_jump_to_announce(resume):
    _, _, lines = resume()
    assert not any("learning rate" in line for line in lines)


@pytest.fixture(autouse=True)
def sessions_in_order(monkeypatch):
    """Counts the files of events from 0 in each test.

    They are read in the order of their names, in which 10 stands before 9 within a second.
    """
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def scalars(run, tag):
    return [(e.step, e.value) for e in EventAccumulator(str(run)).Reload().Scalars(tag)]


def test_the_final_numbers_of_an_energy_stand_beside_the_curves(first):
    (point,) = scalars(first, "validation_final/free_energy_bound")
    assert point == (2, pytest.approx(metrics(first)["free_energy_bound"]))
    tags = EventAccumulator(str(first)).Reload().Tags()["scalars"]
    groups = sorted({tag.partition("/")[0] for tag in tags})
    assert groups == ["train", "validation", "validation_final"]  # TensorBoard opens the first two


def test_after_ctrl_c_the_printed_command_goes_on_in_the_same_folder(tmp_path, monkeypatch):
    run = tmp_path / "my run"
    common = ["max_steps=6", "validation_every=2", f"data.root={tmp_path}"]
    assert train(*common, f"hydra.run.dir={tmp_path}/whole") == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 3, signal.SIGINT)
        assert train(*common, f'hydra.run.dir="{run}"') == 128 + signal.SIGINT
    interrupted = metrics(run)
    assert interrupted["validation_bits_per_dim"] is not None
    log = (run / "train.log").read_text()
    command = log.partition("to go on: ")[2].splitlines()[0]
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "rgflow.train"]
    assert train(*words[3:], tiny=False) == 0
    curve, whole = (scalars(r, "train/bits_per_dim") for r in (run, tmp_path / "whole"))
    assert curve == [point for point in whole if point[0] != 3]  # the step of the signal
    assert [step for step, _ in scalars(run, "validation/bits_per_dim")] == [2, 4, 6]
    assert "resumed at step 3 of 6" in (run / "train.log").read_text()
    finished = f"ckpt_path={tmp_path}/whole/checkpoints/last.ckpt"
    assert train(finished, f"hydra.run.dir={tmp_path}/again", tiny=False) == 0
    assert "resumed at step 6 of 6" in (tmp_path / "again" / "train.log").read_text()
    parts = metrics(run), metrics(tmp_path / "whole")
    assert parts[0]["bits_per_dim"] == parts[1]["bits_per_dim"]
    assert parts[0]["validation_bits_per_dim"] == parts[1]["validation_bits_per_dim"]


def test_steps_that_are_made_again_are_not_drawn_twice(tmp_path, monkeypatch):
    """Steps after the checkpoint, of a session that ended without one."""
    run = tmp_path / "run"
    common = ["validation_every=2", f"data.root={tmp_path}", f"hydra.run.dir={run}"]
    with monkeypatch.context() as patch:
        stop_after(patch, 4, signal.SIGINT, times=2)
        assert train(*common, "max_steps=9") == 128 + signal.SIGINT
    assert checkpoint(run)["global_step"] == 2
    assert train(f"ckpt_path={run}/checkpoints/last.ckpt", f"hydra.run.dir={run}", tiny=False) == 0
    steps = [step for step, _ in scalars(run, "train/bits_per_dim")]
    assert steps == list(range(1, 10))


@pytest.mark.parametrize("stopped_in", ["report", "validation", "test"])
def test_a_run_that_has_all_its_steps_is_finished(stopped_in, tmp_path, monkeypatch):
    common = ["max_steps=4", "validation_every=3", f"data.root={tmp_path}"]
    assert train(*common, f"hydra.run.dir={tmp_path}/whole") == 0
    run = tmp_path / "run"
    hook = {"report": "report", "validation": "validation_step", "test": "test_step"}[stopped_in]
    original = getattr(LikelihoodModule, hook)

    def stopped(self, *args):
        if self.global_step == 4:
            signal.raise_signal(signal.SIGTERM)
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(LikelihoodModule, hook, stopped)
        assert train(*common, f"hydra.run.dir={run}") == 128 + signal.SIGTERM
    (run / "metrics.json").unlink()  # as after kill -9
    assert train(f"ckpt_path={run}/checkpoints/last.ckpt", f"hydra.run.dir={run}", tiny=False) == 0
    assert (run / "samples.png").read_bytes() == (tmp_path / "whole/samples.png").read_bytes()
    found, wanted = metrics(run), metrics(tmp_path / "whole")
    for name in ("bits_per_dim", "validation_bits_per_dim", "steps", "status", "seed"):
        assert found[name] == wanted[name], name
    for name in ("best", "last"):
        assert_equal(
            checkpoint(run, name)["state_dict"], checkpoint(tmp_path / "whole", name)["state_dict"]
        )
    steps = [step for step, _ in scalars(run, "validation/bits_per_dim")]
    assert steps == [3, 4]  # the last one was made again, and stands there once
