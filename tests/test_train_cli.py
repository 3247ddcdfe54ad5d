import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import TINY, checkpoint, train

from rgflow.checkpoint import load_config, load_flow
from rgflow.training import LikelihoodModule

HYDRA = ("config", "hydra", "overrides")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The run directory of a training that went well."""
    root = tmp_path_factory.mktemp("finished")
    run = root / "run"
    overrides = [f"hydra.run.dir={run}", f"data.root={root}", "validation_every=2"]
    assert train(*overrides, has_curve=True) == 0
    return run


def test_run_directory_holds_all_results(finished):
    found = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    wanted = {"metrics.json", "samples.png", "loss.png", "train.log", "checkpoints/last.ckpt"}
    wanted |= {"checkpoints/best.ckpt", *(f".hydra/{n}.yaml" for n in HYDRA)}
    assert {name for name in found if "tfevents" not in name} == wanted
    assert len([name for name in found if "tfevents" in name]) == 1
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["steps"] == 3
    assert metrics["seed"] == 0
    assert metrics["interrupted"] is False
    assert metrics["status"] == "finished"
    assert metrics["nonfinite_steps"] == 0
    for name in ("bits_per_dim", "validation_bits_per_dim"):
        assert 0 < metrics[name] < 12
    for name in ("seconds", "parameters", "samples_per_second", "peak_memory_bytes"):
        assert metrics[name] > 0


def test_checkpoint_is_plain_and_opens_as_a_flow(finished):
    content = checkpoint(finished)
    assert content["config"]["data"]["dataset"] == "msds1"
    assert load_config(finished / "checkpoints/last.ckpt") == content["config"]
    assert all(name.startswith("flow.") for name in content["state_dict"])
    flow = load_flow(finished / "checkpoints/last.ckpt")
    for name, value in flow.state_dict().items():
        assert torch.equal(value, content["state_dict"][f"flow.{name}"])


def test_the_last_step_is_validated_and_tensorboard_has_curves_and_pictures(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished)).Reload()
    tags = events.Tags()
    assert "hp_metric" not in tags["scalars"]
    scalars = {"train/bits_per_dim", "train/lr", "train/gradient_norm", "test/bits_per_dim"}
    assert scalars | {"validation_latents/level0_std", "train/samples_per_second"} <= set(
        tags["scalars"]
    )
    names = ("samples_temperature_0.6", "samples_temperature_1", "original_then_levels_from_h")
    assert {f"validation_pictures/{name}" for name in names} <= set(tags["images"])
    groups = sorted(
        {tag.partition("/")[0] for kind in ("scalars", "images") for tag in tags[kind]}
    )
    assert groups[:3] == ["test", "train", "validation"]  # which TensorBoard opens first
    assert [event.step for event in events.Scalars("validation/bits_per_dim")] == [2, 3]
    lines = (finished / "train.log").read_text()  # whose steps are those of the curves
    for event in events.Scalars("train/bits_per_dim"):
        assert f"step {event.step}/3: train bits_per_dim {event.value:.4g}" in lines
    assert [event.step for event in events.Scalars("test/bits_per_dim")] == [3]


def test_tensorboard_has_the_settings_the_final_numbers_and_pictures_to_look_at(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(finished)).Reload()
    (text,) = events.Tensors("configuration/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    config = load_config(finished / "checkpoints/last.ckpt")
    assert f"    max_steps: {config['max_steps']}\n" in shown
    assert f"      lr: {config['training']['lr']}\n" in shown
    hparams = events.PluginTagToContent("hparams")
    data = HParamsPluginData.FromString(hparams["_hparams_/session_start_info"])
    settings = data.session_start_info.hparams
    assert settings["training.lr"].number_value == config["training"]["lr"]
    assert settings["flow.couplings"].string_value == "[2]"
    data = HParamsPluginData.FromString(hparams["_hparams_/experiment"])
    named = {info.name.tag for info in data.experiment.metric_infos}
    assert named == {"test/bits_per_dim", "validation/bits_per_dim"}
    metrics = json.loads((finished / "metrics.json").read_text())
    (final,) = events.Scalars("test/bits_per_dim")
    assert final.value == pytest.approx(metrics["bits_per_dim"])
    for tag in events.Tags()["images"]:
        for image in events.Images(tag):
            assert min(image.width, image.height) >= 256, tag


def test_default_run_directory_is_below_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train("max_steps=1", f"data.root={tmp_path}", "trainer.limit_val_batches=0") == 0
    (metrics,) = tmp_path.glob("outputs/msds1/*/metrics.json")
    assert json.loads(metrics.read_text())["validation_bits_per_dim"] is None


def test_sweep_makes_a_folder_for_each_job(tmp_path):
    jobs = ["-m", "seed=1,2", "max_steps=1", f"hydra.sweep.dir={tmp_path}/sweep"]
    assert train(*jobs, f"data.root={tmp_path}") == 0
    paths = [tmp_path / f"sweep/{job}/metrics.json" for job in ("0_seed=1", "1_seed=2")]
    metrics = [json.loads(path.read_text()) for path in paths]
    assert [m["seed"] for m in metrics] == [1, 2]
    assert metrics[0]["bits_per_dim"] != metrics[1]["bits_per_dim"]


def test_a_job_that_fails_does_not_stop_the_others_of_a_sweep(tmp_path, capfd):
    jobs = ["-m", "training.lr=-1,0.01", "max_steps=1", f"hydra.sweep.dir={tmp_path}/sweep"]
    assert train(*jobs, f"data.root={tmp_path}") == 1
    assert "training.lr: got -1" in capfd.readouterr().err
    (metrics,) = tmp_path.glob("sweep/*/metrics.json")
    assert metrics.parent.name == "1_training.lr=0.01"
    assert json.loads(metrics.read_text())["status"] == "finished"


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions(precision, tmp_path):
    overrides = [f"trainer.precision={precision}", f"data.root={tmp_path}"]
    assert train(*overrides, f"hydra.run.dir={tmp_path}/run") == 0
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert 0 < metrics["bits_per_dim"] < 12
    wanted = torch.float64 if precision == "64-true" else torch.float32
    weights = checkpoint(tmp_path / "run")["state_dict"]
    assert {w.dtype for w in weights.values() if w.is_floating_point()} == {wanted}


def test_real_nvp_trains_without_levels(tmp_path):
    flow = ["flow.side=8", "flow.scales=2", "flow.couplings=1", "flow.hidden=8"]
    rest = [x for x in TINY if not x.startswith("flow.")]
    overrides = ["experiment=realnvp_msds1", *flow, *rest, "max_steps=1", f"data.root={tmp_path}"]
    assert train(*overrides, f"hydra.run.dir={tmp_path}/run", tiny=False) == 0


def test_divergence_is_no_interruption(tmp_path, monkeypatch, capfd):
    def not_finite(self, batch, generator):
        return next(self.flow.parameters()).sum() * torch.nan

    monkeypatch.setattr(LikelihoodModule, "training_loss", not_finite)
    overrides = ["training.max_nonfinite=2", f"data.root={tmp_path}"]
    assert train(*overrides, f"hydra.run.dir={tmp_path}/run") == 1
    assert "training diverged" in capfd.readouterr().err
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert metrics["interrupted"] is False


MISTAKES = {
    "unknown preset": (["experiment=nope"], "nope", "msds1"),
    "unknown trainer": (["trainer=tpu"], "tpu", "cpu"),
    "no gpu": (["experiment=celeba"], "no GPU is found", "trainer=cpu"),
    "unknown field": (["flow.depth=3"], "flow.depth", ""),
    "unknown added field": (["+flow.depth=3"], "depth", "couplings"),
    "broken override": (["max_steps==3"], "max_steps", ""),
    "steps not a number": (["max_steps=many"], "many", "integer"),
    "rate not a number": (["training.lr=fast"], "fast", "number"),
    "negative rate": (["training.lr=-1"], "-1", "number"),
    "one beta": (["training.betas=0.9"], "training.betas: got 0.9", "two numbers"),
    "list of one beta": (["training.betas=[0.9]"], "[0.9]", "two numbers in [0, 1)"),
    "one temperature": (["training.temperatures=0.5"], "0.5", "list[float]"),
    "hot": (["training.temperatures=[hot]"], "hot", "list[float]"),
    "half a picture": (["training.pictures=4.5"], "training.pictures: got 4.5", "int"),
    "one kernel": (["flow.kernels=3"], "flow.kernels: got 3", "list[int]"),
    "half a coupling": (["flow.couplings=[2.5]"], "[2.5]", "int | list[int]"),
    "couplings not numbers": (["flow.couplings=abc"], "abc", "int | list[int]"),
    "no hidden": (["flow.hidden=null"], "flow.hidden: got None", "int"),
    "side with a point": (["flow.side=8.0"], "flow.side: got 8.0", "int"),
    "one pairing": (["flow.pairings=rows"], "rows", "list[str]"),
    "no batch size": (["data.batch_size=null"], "data.batch_size: got None", "int"),
    "half an image": (["data.batch_size=4.5"], "data.batch_size: got 4.5", "int"),
    "no root": (["data.root=null"], "data.root: got None", "str"),
    "no accumulation": (["trainer.accumulate_grad_batches=0"], "got 0", "at least 1"),
    "devices": (["trainer.devices=foo"], "devices=foo", "int > 0"),
    "trainer's type": (["trainer.limit_val_batches=many"], "limit_val_batches=many", "int"),
    "set by the run": (["+training.flow=1"], "training: got flow", ""),
    "half precision": (["trainer.precision=16-mixed"], "16-mixed", "bf16-mixed"),
    "true half precision": (["trainer.precision=16-true"], "16-true", "bf16-mixed"),
    "side not a number": (["flow.side=big"], "big", "int"),
    "lattice does not tile": (["flow.side=26", "data.side=26"], "26", ""),
    "data of another side": (["data.side=16"], "16", "8"),
    "data of another channel number": (
        ["data=fashion_mnist", "flow.channels=3"],
        "(1, 8, 8)",
        "(3, 8, 8)",
    ),
    "missing data folder": (["data=cifar10", "data.root=nowhere"], "nowhere", "data.root"),
    "unknown data set": (["data.dataset=imagenet"], "imagenet", "cifar10"),
    "unknown accelerator": (["trainer.accelerator=abacus"], "abacus", "cpu"),
    "foreign target": (["training._target_=nope.Nope"], "nope.Nope", ""),
    "missing checkpoint": (["ckpt_path=nowhere.ckpt"], "nowhere.ckpt", "expected"),
    "sweep of processes": (["-m", "trainer.devices=2", "seed=1"], "devices=2", "devices=1"),
    "huge lattice": (["flow.side=8388608"], "got 8388608", "at most"),
    "wide net": (["flow.hidden=[1099511627776]"], "too large", ""),
    "energy for images": (
        ["energy=ising"],
        "expected none for LikelihoodModule",
        "experiment=energy",
    ),
    "unknown setting of the training": (["+training.rate=1"], "training.rate", "lr"),
    "true bfloat16": (["trainer.precision=bf16-true"], "got bf16-true", "bf16-mixed"),
    "a library's precision": (["trainer.precision=transformer-engine"], "transformer", "64-true"),
    "no epochs": (["trainer.max_epochs=0"], "max_epochs: got 0", "a step"),
    "no batches": (["+trainer.limit_train_batches=0"], "limit_train_batches: got 0", "a step"),
    "large seed": (["seed=99999999999999"], "seed: got 99999999999999", "at most 4294967295"),
    "no room for scales": (["flow.scale_bound=0"], "scale_bound: got 0", "positive"),
    "no bins": (["flow.coupling=spline", "flow.bins=0"], "bins: got 0", "at least 2"),
    "no steps between validations": (["validation_every=0"], "0", "at least 1"),
}


def test_compiling_without_a_compiler_is_refused(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert train("compile=true") == 1
    error = capfd.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "compile=false" in error[0]


@pytest.mark.parametrize(("overrides", "got", "right"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_one_line_and_leaves_nothing(
    overrides, got, right, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "mine.txt").write_text("kept")
    assert train(*overrides) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert got in lines[0]
    assert right in lines[0]
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left <= {"mine.txt", "multirun.yaml"}
    assert not (tmp_path / "outputs").exists()


def test_mistake_in_the_folder_of_an_older_run_removes_nothing(finished, capfd):
    before = {p: p.read_bytes() for p in finished.rglob("*.*") if "hydra" not in str(p)}
    before = {p: content for p, content in before.items() if p.is_file()}
    assert train(f"hydra.run.dir={finished}", "ckpt_path=nowhere.ckpt") == 1
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize("damage", ["truncated", "foreign", "other architecture", "beyond"])
def test_checkpoint_that_cannot_be_resumed(damage, finished, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    good = finished / "checkpoints/last.ckpt"
    bad = tmp_path / "bad.ckpt"
    content = good.read_bytes()
    bad.write_bytes({"truncated": content[:5000], "foreign": b"hello"}.get(damage, content))
    more = ["flow.hidden=[16]"] if damage == "other architecture" else []
    steps = 2 if damage == "beyond" else 9
    assert train(f"ckpt_path={bad}", f"max_steps={steps}", *more, f"data.root={tmp_path}") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "bad.ckpt" in line
    assert {p.name for p in tmp_path.iterdir()} == {"bad.ckpt"}


EDITS = {
    "global_step": lambda c: c.pop("global_step"),
    "loops": lambda c: c.pop("loops"),
    "loops that are empty": lambda c: c["loops"].update(fit_loop={}),
    "optimizer_states": lambda c: c.update(optimizer_states=[]),
    "optimizer_states without moments": lambda c: c["optimizer_states"][0].update(state={}),
    "lr_schedulers": lambda c: c.update(lr_schedulers=[]),
    "callbacks": lambda c: c.pop("callbacks"),
    "current_model_state": lambda c: c.pop("current_model_state"),
    "restored, without parameter groups": lambda c: c["optimizer_states"][0].pop("param_groups"),
}


@pytest.mark.parametrize(("part", "edit"), EDITS.items(), ids=EDITS.keys())
def test_checkpoint_without_a_part_of_its_state(part, edit, finished, tmp_path, capfd):
    content = checkpoint(finished)
    edit(content)
    torch.save(content, tmp_path / "bad.ckpt")
    overrides = ["max_steps=9", f"data.root={finished.parent}", f"hydra.run.dir={tmp_path}/run"]
    assert train(f"ckpt_path={tmp_path}/bad.ckpt", *overrides) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "bad.ckpt" in line
    assert part.split()[0] in line
    assert {p.name for p in tmp_path.iterdir()} == {"bad.ckpt"}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_fewer_images_than_processes(split, tmp_path, capfd):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", f"data.{split}_size=1"]
    assert train(*two, f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"data.{split}_size: got 1 images for 2 processes, expected at least one" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("weights", ["state_dict", "current_model_state"])
def test_weights_that_are_not_finite_are_not_resumed(weights, finished, tmp_path, capfd):
    content = checkpoint(finished)
    next(iter(content[weights].values())).fill_(torch.nan)
    torch.save(content, tmp_path / "bad.ckpt")
    assert train(f"ckpt_path={tmp_path}/bad.ckpt", f"hydra.run.dir={tmp_path}/run") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "not finite" in line
    assert {p.name for p in tmp_path.iterdir()} == {"bad.ckpt"}


def test_command_line_from_another_folder(tmp_path):
    command = [sys.executable, "-m", "rgflow.train", "experiment=nope"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert list(Path(tmp_path).iterdir()) == []
