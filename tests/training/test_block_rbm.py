import json

import pytest
import torch
from tiny_run import checkpoint, train

from rgflow.realspace import BlockRBM, coupling_weight, renormalized_coupling
from rgflow.training import RBMModule


def run(folder, *overrides):
    overrides = ["experiment=ising_rbm", "training.coupling=0.6", *overrides]
    return train(f"hydra.run.dir={folder}", "max_steps=300", *overrides, tiny=False)


def test_preset_finds_the_block_variable(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run(tmp_path) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["divergence_nats"] == pytest.approx(0.0677981, abs=1e-7)
    exact = renormalized_coupling(0.6)
    assert metrics["renormalized_coupling_0_0"] == pytest.approx(exact, abs=1e-5)
    weights = checkpoint(tmp_path)["state_dict"]["flow.weights"].abs().flatten()
    assert weights.tolist() == pytest.approx([coupling_weight(0.6)] * 4, abs=1e-5)
    assert (tmp_path / "observables.png").stat().st_size > 0
    events = EventAccumulator(str(tmp_path)).Reload()
    wanted = {"train/loss_nats", "weights/spin3_unit0", "validation/information_nats"}
    assert wanted | {"train/gradient_norm"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["validation_pictures/observables"]


def test_information_is_part_of_the_loss(tmp_path):
    assert run(tmp_path, "training.beta=0.5") == 0
    weights = checkpoint(tmp_path)["state_dict"]["flow.weights"].abs().flatten()
    assert weights.tolist() == pytest.approx([coupling_weight(0.6, 0.5)] * 4, abs=1e-5)


def test_run_can_be_resumed(tmp_path):
    assert run(tmp_path / "part", "max_steps=40", "validation_every=40") == 0
    last = tmp_path / "part/checkpoints/last.ckpt"
    assert run(tmp_path / "rest", "max_steps=80", f"ckpt_path={last}") == 0
    content = checkpoint(tmp_path / "rest")
    assert content["global_step"] == 80
    # the moments of the optimizer have seen all steps
    (state,) = content["optimizer_states"][0]["state"].values()
    assert state["step"] == 80


def test_mistakes_are_one_line_and_leave_nothing(tmp_path, capsys):
    assert run(tmp_path / "run", "flow.spins=3") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "and four spins" in line
    assert not (tmp_path / "run").exists()
    assert run(tmp_path / "run", "data=msds1") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "BlockRBM needs no data" in line
    assert run(tmp_path / "run", "energy=ising") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected none for RBMModule" in line
    for coupling in (-1.0, 1000.0):
        with pytest.raises(ValueError, match=f"coupling={coupling}.*expected 0 to 1.5"):
            RBMModule(BlockRBM(4), coupling=coupling)


def test_initial_weights_come_from_a_generator():
    a, b = (BlockRBM(4, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a.weights, b.weights)
