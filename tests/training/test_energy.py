"""Training on an energy through the real command: results, resuming, one's own energy, growth."""

import signal

import pytest
import torch
from tiny_run import TINY_ENERGY, assert_equal, checkpoint, metrics, stop_after, train

from rgflow.checkpoint import load_flow
from rgflow.energies import ComplexPhi4, Energy, GaussianField, Ising, Phi4
from rgflow.energies.symmetries import is_phase_invariant
from rgflow.evaluation.summary import report_warnings
from rgflow.models import ConvLevels, Outside, conv_flow
from rgflow.objectives import ForwardKL, ForwardPath, Mixture, PathGradient, ReverseKL
from rgflow.training.energy import EnergyModule
from rgflow.training.energy_setup import translated
from rgflow.training.target_states import TargetStates


def run(directory, *overrides):
    return train(*TINY_ENERGY, f"hydra.run.dir={directory}", *overrides, tiny=False)


LARGEST_KL = {"path": 0.6, "reverse": 0.7, "forward_path": 0.7, "forward": 1.1, "mixture": 0.7}
"""The untrained flow is at 10."""


@pytest.mark.parametrize("objective", LARGEST_KL)
def test_every_objective_brings_the_flow_near_to_the_target(objective, tmp_path, request):
    if objective != "path":  # one picture is enough
        request.getfixturevalue("small_figures")
    settings = [f"objective={objective}", "training.batch_size=64", "training.lr=0.01"]
    settings += ["training.reference_states=2000", "flow.hidden=16", "flow.top_hidden=16"]
    assert run(tmp_path / "a", *settings, "max_steps=60", "seed=1") == 0
    trained, exact = metrics(tmp_path / "a"), Ising(4).log_z
    assert trained["log_z_exact"] == exact
    assert trained["kl_nats"] == pytest.approx(trained["free_energy_bound"] + exact)
    assert -4 * trained["free_energy_bound_error"] < trained["kl_nats"] < LARGEST_KL[objective]
    assert trained["forward_kl_nats"] > -4 * trained["forward_kl_nats_error"]
    assert trained["ess"] is None  # not from so few samples
    assert {"steps", "seconds", "parameters", "seed", "acceptance"} <= trained.keys()
    assert (tmp_path / "a/observables.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("objective", "monitor"),
    [
        (PathGradient(), "free_energy_bound"),
        (ReverseKL(), "free_energy_bound"),
        (ForwardKL(), "cross_entropy"),
        (ForwardPath(), "cross_entropy"),
        (Mixture(), "mixture"),
    ],
)
def test_the_best_checkpoint_is_that_of_what_is_minimised(objective, monitor):
    module = EnergyModule(conv_flow(4, 1, ConvLevels(1)), Ising(4), objective=objective)
    assert module.monitor == f"validation/{monitor}"


@pytest.mark.usefixtures("small_figures")
def test_held_out_states_are_all_used_and_others_than_those_trained_on(tmp_path, monkeypatch):
    seen = []
    original = EnergyModule.on_validation_epoch_end

    def spy(self):
        numbers = self._tally._states.tolist()
        nats = -self.flow.one_image.log_prob(self.states.held_out(0, 1)).double()
        seen.append((numbers, float(nats.sum()), len(nats)))
        trained = self.states._training[:, None]
        assert not (trained == self.states.held_out(0, 1)).flatten(2).all(2).any()
        original(self)

    monkeypatch.setattr(EnergyModule, "on_validation_epoch_end", spy)
    more = ["objective=mixture", "max_steps=2", "training.ema_decay=null"]
    assert run(tmp_path / "a", *more) == 0
    ((total, count), nats, number) = seen[-1]
    assert count == number == 64
    assert total == pytest.approx(nats)
    found = metrics(tmp_path / "a")
    assert found["validation_mixture"] is not None


def fails(*args, **kwargs):
    raise RuntimeError("overflow")


@pytest.mark.usefixtures("small_figures")
def test_a_reference_that_cannot_be_had_costs_the_comparison_only(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("rgflow.training.target_states.reference_samples", fails)
    assert run(tmp_path / "a") == 0
    found = metrics(tmp_path / "a")
    assert found["status"] == "finished"
    assert "overflow" in found["reference_error"]
    assert found["log_z_upper"] is None
    assert found["kl_nats"] > 0
    log = (tmp_path / "a/train.log").read_text()
    assert log.count("no comparison with Monte Carlo") == 1
    reasons = report_warnings(found)
    assert reasons  # after so few steps
    for reason in reasons:
        assert log.count(str(reason)) == 1
    assert "package_warnings.py" not in log


def test_without_states_to_train_on_the_run_ends_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rgflow.training.target_states.reference_samples", fails)
    assert run(tmp_path / "a", "objective=forward") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no Monte-Carlo states of the energy: overflow" in line
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("small_figures")
@pytest.mark.parametrize("objective", ["path", "mixture"])
def test_stopping_and_resuming_changes_no_bit(objective, tmp_path, monkeypatch):
    common = [f"objective={objective}", "max_steps=6"]
    if objective == "path":
        common += ["training.anneal_from=0.5", "training.anneal_steps=5"]
        common += ["training.reference_states=0"]
    assert run(tmp_path / "whole", *common) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert run(tmp_path / "first", *common) == 128 + signal.SIGTERM
    last = tmp_path / "first/checkpoints/last.ckpt"
    assert run(tmp_path / "second", *common, f"ckpt_path={last}") == 0
    whole, resumed = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "second")
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        assert_equal(whole[part], resumed[part], part)
    assert metrics(tmp_path / "whole")["kl_nats"] == metrics(tmp_path / "second")["kl_nats"]


OWN = """
class Wells:
    def __init__(self, side: int, depth: float = 1.0) -> None:
        self.event_shape = (1, side, side)
        self.depth = depth

    def energy(self, x):
        bonds = (x - x.roll(1, -1)).square() + (x - x.roll(1, -2)).square()
        return (self.depth * (x**2 - 1).square() + bonds).sum((1, 2, 3))
"""


@pytest.mark.usefixtures("small_figures")
def test_ones_own_energy_trains_with_no_other_change(tmp_path, monkeypatch):
    (tmp_path / "own_wells.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ["experiment=energy", "energy._target_=own_wells.Wells", "+energy.side=4"]
    assert run(tmp_path / "own", *own, "flow.side=4") == 0
    result = metrics(tmp_path / "own")
    assert result["kl_nats"] is None
    assert result["log_z_lower"] < result["log_z_upper"]
    assert load_flow(tmp_path / "own/checkpoints/last.ckpt").event_shape == (1, 4, 4)


@pytest.mark.usefixtures("small_figures")
def test_a_flow_grows_from_a_trained_one(tmp_path):
    quick = ["training.reference_states=0", "energy.coupling=0.09"]  # <m^2> takes seconds above
    assert run(tmp_path / "small", "energy.side=8", *quick) == 0
    grown = [*quick, "energy.side=16", f"grow_from={tmp_path}/small/checkpoints/last.ckpt"]
    assert run(tmp_path / "large", *grown, "max_steps=1", "training.lr=1e-9") == 0
    small, large = (load_flow(tmp_path / n / "checkpoints/last.ckpt") for n in ("small", "large"))
    finest = [next(p for n, p in f.named_parameters() if "level0" in n) for f in (small, large)]
    torch.testing.assert_close(*finest)


def test_annealing_reaches_the_energy_itself():
    flow = conv_flow(4, 1, ConvLevels(1, hidden=2), outside=Outside(prior="gaussian"))
    module = EnergyModule(flow, Ising(4), anneal_from=0.5, anneal_steps=100)
    couplings = []
    for step in (0, 50, 99, 100):
        type(module).global_step = property(lambda self, step=step: step)
        couplings.append(module.current_energy().coupling / Ising(4).coupling)
    del type(module).global_step
    assert couplings == pytest.approx([0.5, 0.75, 0.99, 1.0])


def test_samples_that_are_not_finite_are_reported_beside_the_last_scores(tmp_path, caplog):
    flow = conv_flow(4, 1, ConvLevels(1, hidden=2), outside=Outside(prior="gaussian"))
    with torch.no_grad():
        next(flow.parameters()).fill_(torch.nan)
    module = EnergyModule(flow, Ising(4), report_samples=100, reference_states=0)
    module.report(tmp_path)
    assert "100 of 100 samples" in caplog.text
    assert "not finite" in module.scores()["report_error"]
    assert module.scores()["kl_nats"] is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["objective=elbo"], "Could not find 'objective/elbo'"),
        (["training.objective=forward"], "expected objective=forward"),
        (
            ["objective=mixture", "training.forward_weight=1"],
            "expected objective.forward_weight=1",
        ),
        (["objective=mixture", "objective.forward_weight=2"], "objective.forward_weight: got 2"),
        (["objective=likelihood"], "got Likelihood, which is judged by bits_per_dim, expected"),
        (["objective._target_=rgflow.priors.Gaussian", "+objective.event_shape=[1]"], "objective"),
        (["flow.side=8"], "energy: got fields of shape (1, 4, 4), expected (1, 8, 8)"),
        (["training.anneal_from=0"], "anneal_from: got 0"),
        (["training.batch_size=0"], "batch_size: got 0"),
        (["energy.coupling=-inf"], "coupling: got -inf"),
        (["energy.side=1"], "side"),
        (["energy._target_=own_wells.Missing"], "cannot be found"),
        (["energy._target_=rgflow.priors.Gaussian"], "energy"),
        (["grow_from=nowhere.ckpt"], "nowhere.ckpt"),
        (
            ["objective=forward", "training.reference_states=0"],
            "reference_states: got 0",
        ),
        (["training.reference_states=1"], "reference_states: got 1"),
        (["experiment=phi4_l6", "flow.fourier=fixed"], "no Gaussian part"),
        (["objective=mixture", "training.anneal_steps=9"], "anneal_steps: got 9"),
        (["training.anneal_from=0.5"], "anneal_steps: got 0 with anneal_from=0.5"),
        (["training.anneal_steps=9"], "anneal_from: got 1 with anneal_steps=9"),
    ],
)
def test_a_mistake_is_one_line(overrides, message, tmp_path, capsys):
    assert run(tmp_path / "run", *overrides) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


class Tilted(Energy):
    """Not even, and with a parameter."""

    def __init__(self):
        super().__init__((1, 4, 4))
        self.field = GaussianField(4, 1.0)
        self.tilt = torch.nn.Parameter(torch.tensor(0.5))

    def energy(self, x):
        return self.field.energy(x) + self.tilt * x.sum((1, 2, 3))


class Impure(Energy):
    """Another mass at one site."""

    def __init__(self):
        super().__init__((1, 4, 4))
        self.field = GaussianField(4, 1.0)

    def energy(self, x):
        return self.field.energy(x) + 0.5 * x[:, 0, 1, 2].square()


@pytest.mark.parametrize("symmetry", ["mixture", "equivariant"])
def test_a_flow_that_is_even_is_refused_where_the_energy_is_not(symmetry):
    flow = conv_flow(4, 1, ConvLevels(1), outside=Outside(prior="gaussian", symmetry=symmetry))
    with pytest.raises(ValueError, match=r"flow\.symmetry: got mixture or equivariant"):
        EnergyModule(flow, Tilted(), z2=False)
    EnergyModule(flow, GaussianField(4, 1.0), z2=False)


def test_an_average_over_the_square_is_refused_where_the_energy_has_not_its_symmetry():
    flow = conv_flow(4, 1, ConvLevels(1), outside=Outside("gaussian", average="square"))
    with pytest.raises(ValueError, match=r"flow\.average: got square"):
        EnergyModule(flow, Impure(), z2=False)
    EnergyModule(flow, GaussianField(4, 1.0), z2=False)


@pytest.mark.parametrize("objective", [ForwardKL(), ForwardPath(), Mixture()])
def test_shifts_of_samples_are_refused_where_they_change_the_energy(objective):
    flow = conv_flow(4, 1, ConvLevels(1), outside=Outside(prior="gaussian"))
    with pytest.raises(ValueError, match=r"training\.translations: got true"):
        EnergyModule(flow, Impure(), objective=objective)
    EnergyModule(flow, Impure(), objective=objective, translations=False)
    EnergyModule(flow, Impure())  # without samples of the target nothing is shifted


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_the_energy_is_not_trained_and_its_symmetry_is_checked():
    flow = conv_flow(4, 1, ConvLevels(1), outside=Outside(prior="gaussian"))
    with pytest.raises(ValueError, match="z2: got true"):
        EnergyModule(flow, Tilted())
    module = EnergyModule(flow, Tilted(), objective=ReverseKL(), z2=False)
    module.training_loss(torch.zeros(8, 0), torch.Generator().manual_seed(0)).backward()
    assert module.energy.tilt.grad is None
    assert any(p.grad is not None for p in flow.parameters())


def test_training_samples_are_not_those_of_the_report():
    flow = conv_flow(4, 1, ConvLevels(1))
    module = EnergyModule(flow, GaussianField(4, 1.0), objective=ForwardKL(), z2=False,
                          reference_states=100, translations=False)  # fmt: skip
    seen = module.states.batch(1000, torch.Generator().manual_seed(0))
    assert len(seen.unique(dim=0)) == 128  # 64 chains of two states
    report = module.reference().samples.flatten(0, 1)
    assert not (seen[:, None] == report).flatten(2).all(2).any()


def test_each_field_is_translated_by_itself():
    x = torch.arange(12.0).view(1, 1, 3, 4).expand(200, 1, 3, 4)
    moved = translated(x, torch.Generator().manual_seed(0))
    everywhere = [x[0].roll((i, j), (-2, -1)) for i in range(3) for j in range(4)]
    seen = {int(sum(i * bool(torch.equal(m, e)) for i, e in enumerate(everywhere, 1)))
            for m in moved}  # fmt: skip
    assert seen == set(range(1, 13))


def test_states_to_train_on_have_all_phases_where_the_energy_allows_it():
    energy = ComplexPhi4(4, 1.0, -2.0, 1.0)
    states = TargetStates(
        energy, 2, 2, 0, even=False, translations=False, phases=is_phase_invariant(energy)
    )
    states.prepare()
    seen = states.batch(2000, torch.Generator().manual_seed(0))
    assert len(energy.energy(seen.double()).round(decimals=3).unique()) == 2
    phases = torch.angle(torch.complex(*seen.mean((2, 3)).double().unbind(1)))
    for harmonic in range(1, 5):
        assert torch.polar(torch.ones_like(phases), harmonic * phases).mean().abs() < 0.08


def test_phases_of_a_field_without_them_are_not_turned():
    flow = conv_flow(4, 1, ConvLevels(1))
    for objective in (ForwardKL(), PathGradient()):  # also where no states are trained on
        with pytest.raises(ValueError, match="phases: got true"):
            EnergyModule(flow, Phi4(4, -1.0, 1.0), objective=objective, phases=True)
    assert not EnergyModule(flow, Phi4(4, -1.0, 1.0), phases=None).states.phases
    two = conv_flow(4, 2, ConvLevels(1))
    assert EnergyModule(two, ComplexPhi4(4, 1.0, -2.0, 1.0), phases=None).states.phases


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="expected \\(1, 4, 4\\) as the flow has"):
        EnergyModule(conv_flow(4, 1, ConvLevels(1)), Phi4(6, -4.0, 6.975))
