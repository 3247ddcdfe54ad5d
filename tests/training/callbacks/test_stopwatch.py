"""Times of a run, by a clock that moves only where the test says so."""

import signal
from types import SimpleNamespace

import pytest
from tiny_run import TINY_ENERGY, metrics, stop_after, train

from rgflow.training.callbacks import stopwatch
from rgflow.training.energy import EnergyModule

STEP, VALIDATION, MONTE_CARLO, REPORT = 1, 10, 100, 1000


@pytest.fixture
def clock(monkeypatch):
    """A clock that steps, validations, the first call for Monte Carlo and the report advance."""
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(stopwatch, "time", clock)
    durations = {"training_loss": STEP, "validation_step": VALIDATION}
    for name, duration in durations.items():
        monkeypatch.setattr(EnergyModule, name, slow(clock, getattr(EnergyModule, name), duration))

    def reference(self):
        if not hasattr(self, "has_reference"):
            clock.now += MONTE_CARLO
        self.has_reference = True

    monkeypatch.setattr(EnergyModule, "reference", reference)
    monkeypatch.setattr(EnergyModule, "report", slow(clock, lambda self, directory: None, REPORT))
    return clock


def slow(clock, original, duration):
    def slowed(*args):
        clock.now += duration
        return original(*args)

    return slowed


def times(directory):
    found = metrics(directory)
    return tuple(found[name] for name in ("training_seconds", "report_seconds", "seconds"))


@pytest.mark.usefixtures("small_figures")
def test_times_of_all_sessions_add_up_and_training_is_told_from_the_rest(
    clock, tmp_path, monkeypatch
):
    def run(name, *more):
        common = [*TINY_ENERGY, "validation_every=2", f"hydra.run.dir={tmp_path}/{name}"]
        return train(*common, *more, tiny=False)

    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert run("first") == 128 + signal.SIGTERM
    training = 3 * STEP + VALIDATION
    assert times(tmp_path / "first") == (training, MONTE_CARLO, training + MONTE_CARLO)
    assert run("second", f"ckpt_path={tmp_path}/first/checkpoints/last.ckpt") == 0
    training = 4 * STEP + 2 * VALIDATION
    report = 2 * MONTE_CARLO + REPORT  # each session draws the states anew
    assert times(tmp_path / "second") == (training, report, training + report)


def test_reporting_in_the_middle_of_training_and_outside(clock):
    watch = stopwatch.Stopwatch()
    clock.now = 5.0
    with watch.reporting():
        clock.now += 1
    watch.on_fit_start(None, None)
    clock.now += 10
    with watch.reporting():
        clock.now += 100
        assert watch.training_seconds == 10
    clock.now += 20
    assert watch.training_seconds == 30
    watch.on_exception(None, None, RuntimeError())
    clock.now += 1000
    assert (watch.training_seconds, watch.report_seconds, watch.seconds) == (30, 101, 1136)


def test_a_trainer_without_a_stopwatch_needs_none():
    with stopwatch.reporting(SimpleNamespace(callbacks=[])):
        pass
