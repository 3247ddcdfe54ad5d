"""Scripts on energies: evaluate, simulate, compare."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from script_calls import call_script
from support import perturbed
from tiny_checkpoints import FIELD_FLOW

from rgflow.checkpoint import save_flow
from rgflow.runtime.config import build
from rgflow.statistics import WeightWarning

ENERGY = {"_target_": "rgflow.energies.GaussianField", "_convert_": "all", "side": 4, "m2": 0.3}
MINE = """
class Wells:
    event_shape = (1, 4, 4)

    def energy(self, x):
        return (x**2 - 0.5).square().sum((1, 2, 3))


class Stiff(Wells):
    def energy(self, x):
        return 0.65 * x.square().sum((1, 2, 3))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call a script in this process, in a folder with checkpoints; gives its exit status."""
    torch.manual_seed(0)
    flow = build(FIELD_FLOW, "flow")
    nodes = {"flow": ENERGY, "none": None}
    nodes |= {"mine": {"_target_": "wells.Wells"}, "stiff": {"_target_": "wells.Stiff"}}
    for name, node in nodes.items():
        path = tmp_path / f"{name}.ckpt"
        save_flow(flow, FIELD_FLOW, path)
        content = torch.load(path, weights_only=True)
        content["config"]["energy"] = node
        torch.save(content, path)
    (tmp_path / "wells.py").write_text(MINE)
    (tmp_path / "damaged.ckpt").write_bytes((tmp_path / "flow.ckpt").read_bytes()[:500])
    (tmp_path / "empty.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    yield call_script
    sys.modules.pop("wells", None)


def test_flow_and_monte_carlo_side_by_side(run, capsys):
    assert run("evaluate", "flow.ckpt", "--samples", 20000, "--json", "flow.json",
               "--out", "flow.png", "--chains", 32, "--states", 100) == 0  # fmt: skip
    flow, table = json.loads(Path("flow.json").read_text()), capsys.readouterr().out
    assert "GaussianField, 1 x 4 x 4: 20000 samples" in table
    row, _ = [line.split() for line in table.splitlines() if line.startswith("m2 ")]
    measured, drawn = (
        flow[key]["m2"]["value"] for key in ("observables", "reference_observables")
    )
    assert float(row[1]) == pytest.approx(measured, rel=1e-2)
    assert float(row[4]) == pytest.approx(drawn, rel=1e-2)
    assert float(row[7]) == pytest.approx(flow["observables"]["m2"]["exact"], rel=1e-5)
    assert flow["log_z_lower"] < flow["log_z_exact"] < flow["log_z_upper"]
    assert flow["reference"]["method"] == "exact"
    assert (flow["reference"]["chains"], flow["reference"]["states"]) == (32, 100)
    overrides = ["energy=gaussian_field", "energy.side=4", "energy.m2=0.3"]
    assert run("simulate", *overrides, "--states", 64, "--method", "hmc", "--json", "mc.json",
               "--out", "mc.png") == 0  # fmt: skip
    chains, table = json.loads(Path("mc.json").read_text()), capsys.readouterr().out
    assert table.startswith("GaussianField, 1 x 4 x 4: 64 chains of 64 states by hmc in ")
    assert "\nG(r = 2) " in table
    assert (chains["method"], chains["states"]) == ("hmc", 64)
    for name in ("flow.png", "mc.png"):
        assert Path(name).stat().st_size > 10_000
    Path("metrics.json").write_text('{"seconds": 90.0, "training_seconds": 60.0}')
    assert run("compare", "--run", ".", "flow.json", "mc.json") == 0
    table = capsys.readouterr().out
    assert run("compare", "flow.json", "mc.json", "--training-seconds", 60) == 0
    assert capsys.readouterr().out == table
    sigmas = [float(line.split()[-1]) for line in table.splitlines() if line.startswith("m2 ")]
    assert abs(sigmas[0]) < 4


@pytest.mark.parametrize(
    ("method", "states", "chains"), [("metropolis", 500, 64), ("latent_hmc", 20, 64)]
)
def test_chains_that_a_flow_makes_fast_have_the_law_of_the_energy(
    method, states, chains, run, capsys, monkeypatch
):
    monkeypatch.setattr("rgflow.montecarlo.reference.FLOW_WARMUP", 20)
    arguments = ["--chains", chains, "--states", states, "--seed", 1, "--json", "chains.json"]
    assert (
        run("simulate", "--flow", "stiff.ckpt", "--trust", "wells", "--method", method, *arguments)
        == 0
    )
    report = json.loads(Path("chains.json").read_text())
    assert (report["method"], report["states"]) == (method, states)
    per_site = report["observables"]["energy_per_site"]
    assert abs(per_site["value"] - 0.5) < 4 * per_site["error"] < 0.1  # of any Gaussian
    assert run("evaluate", "stiff.ckpt", "--trust", "wells", "--samples", 10000, "--no-reference",
               "--json", "flow.json") == 0  # fmt: skip
    capsys.readouterr()
    assert run("compare", "flow.json", "chains.json", "--training-seconds", 60) == 0
    table = capsys.readouterr().out
    assert {"metropolis": "flow, Metropolis", "latent_hmc": "flow, latent HMC"}[method] in table
    assert "paid" not in table


def test_the_hybrid_stands_beside_what_it_is_made_of(run, capsys):
    flow = ["--flow", "flow.ckpt", "--method", "hybrid", "--chains", 16]
    assert run("simulate", *flow, "--states", 32, "--json", "chains.json") == 0
    table = capsys.readouterr().out.splitlines()
    start = next(n for n, line in enumerate(table) if line.startswith("method "))
    assert table[start].endswith("s per ind. sample")
    names = [line.split()[0] for line in table[start + 1 : start + 4]]
    assert names == ["hybrid", "metropolis", "hmc"]
    paid = table[start + 4 :]
    assert [line.split()[0] for line in paid] == ["hybrid", "metropolis"]
    assert all("hmc" in line and "training" in line for line in paid)
    report = json.loads(Path("chains.json").read_text())
    assert report["method"] == "hybrid"
    assert list(report["beside"]) == ["hybrid", "metropolis", "hmc"]
    assert {"tau_m2", "tau_energy", "acceptance"} <= report["beside"]["metropolis"].keys()
    assert report["beside"]["hmc"]["tau"] >= 0.5
    row = report["beside"]["hmc"]
    assert row["seconds_per_independent_sample"] * row[
        "independent_samples_per_second"
    ] == pytest.approx(1)
    asked = ["--states", 8, "--precision", "energy_per_site=0.02", "--json", "-"]
    assert run("simulate", *flow, *asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"]["reached"]
    assert report["observables"]["energy_per_site"]["error"] <= 0.02
    assert "beside" not in report


def test_samples_of_fields_come_with_their_density(run):
    flow = perturbed(build(FIELD_FLOW, "flow"))
    save_flow(flow, FIELD_FLOW, "flow.ckpt")
    drawn = ["--count", 300, "--temperature", 0.7, "--npz", "a.npz"]
    assert run("sample", "flow.ckpt", *drawn, "--out", "a.png") == 0
    found = np.load("a.npz")
    fields, log_prob = torch.from_numpy(found["fields"]), torch.from_numpy(found["log_prob"])
    assert fields.shape == (300, 1, 4, 4)
    assert (fields < 0).any()
    with torch.no_grad():
        z, log_det = flow.bijector(fields)
    assert log_det.std() > 0.1  # unlike that of a flow at its start
    assert torch.allclose(flow.prior.log_prob(z, 0.7) + log_det, log_prob, atol=1e-9)
    red, _, blue = np.asarray(Image.open("a.png").convert("RGB")).astype(int).transpose(2, 0, 1)
    assert (red > blue + 50).any()
    assert (red < blue - 50).any()
    assert run("sample", "flow.ckpt", "--count", 2, "--temperature", 0, "--out", "b.png") == 0
    assert Image.open("b.png").height > Image.open("b.png").width  # two in one column


def test_fields_are_mixed_by_scale(run):
    assert run("mix", "flow.ckpt", "--seeds", 1, 2, "--level", 1, "--out", "x.png") == 0
    red, _, blue = np.asarray(Image.open("x.png").convert("RGB")).astype(int).transpose(2, 0, 1)
    assert (red < blue - 50).any()


def test_evaluation_follows_the_seed(run, capsys):
    values = []
    for seed in (0, 0, 1):
        arguments = ["--samples", 500, "--seed", seed, "--no-reference", "--json", "-"]
        assert run("evaluate", "flow.ckpt", *arguments) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["samples"] == 500
        assert report["log_z_upper"] is None
        values.append(report["free_energy_bound"])
    assert values[0] == values[1] != values[2]


def test_an_energy_of_ones_own(run, capsys):
    assert run("evaluate", "mine.ckpt", "--samples", 300) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "wells.Wells" in line
    assert "--trust" in line
    assert "wells" not in sys.modules
    as_json = ["--json", "-"]
    assert run("evaluate", "mine.ckpt", "--samples", 300, "--trust", "wells", *as_json) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["energy"]["name"] == "Wells"
    assert report["reference"]["method"] == "hmc"
    assert report["kl_nats"] is None
    mine = ["energy=user", "energy._target_=wells.Wells"]
    assert run("simulate", *mine, "--seconds", 0.01, *as_json) == 0
    assert json.loads(capsys.readouterr().out)["energy"]["name"] == "Wells"


def test_warnings_are_plain_lines_said_once(run, capsys):
    """In the table, or on stderr where JSON is in its place."""
    flow = ["mine.ckpt", "--trust", "wells", "--samples", 20, "--no-reference"]
    words = "warning: the importance estimate and the reweighted observables are not to be trus"
    assert run("evaluate", *flow) == 0
    captured = capsys.readouterr()
    assert captured.out.count(words) == 1
    assert captured.err == ""
    assert run("evaluate", *flow, "--json", "-") == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith(words) for line in lines) == 1
    assert all(line.startswith("warning: ") for line in lines)
    short = ["energy=ising", "energy.side=4", "--chains", 2, "--states", 4, "--out", "x.png"]
    assert run("simulate", *short, "--json", "-") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert len(set(lines)) == len(lines)
    assert all(line.startswith("warning: ") and ".py" not in line for line in lines)


def test_a_warning_that_a_filter_raises_ends_a_command_in_one_line(run, capsys):
    flow = ["mine.ckpt", "--trust", "wells", "--samples", 20, "--no-reference"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", WeightWarning)
        assert run("evaluate", *flow) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: the importance estimate")
    assert run("evaluate", *flow, "--strict", "--json", "strict.json") == 1
    assert capsys.readouterr().err.splitlines() == [line]
    assert not Path("strict.json").exists()


def test_warnings_of_the_hybrid_say_which_chains_they_are_about(run, capsys):
    flow = ["--flow", "flow.ckpt", "--method", "hybrid", "--chains", 2, "--states", 4]
    assert run("simulate", *flow) == 0
    lines = capsys.readouterr().err.splitlines()
    assert {line.split(": ")[1] for line in lines} <= {"hybrid", "metropolis", "hmc"}
    assert any(line.startswith("warning: metropolis: ") for line in lines)


def test_samples_until_an_error_is_small_enough(run, capsys):
    flow = ["stiff.ckpt", "--trust", "wells", "--no-reference", "--precision", "log_z=0.1"]
    assert run("evaluate", *flow, "--json", "flow.json", "--max-seconds", 30) == 0
    assert "\nprecision log_z to 0.1: reached, " in capsys.readouterr().out
    found = json.loads(Path("flow.json").read_text())
    assert found["precision"]["samples"] == found["samples"]
    assert found["log_z_importance_error"] <= 0.1
    overrides = ["energy=gaussian_field", "energy.side=4", "--states", 4, "--chains", 4]
    assert run("simulate", *overrides, "--precision", "m2=0.02", "--json", "mc.json") == 0
    assert "\nprecision m2 to 0.02: reached, " in capsys.readouterr().out
    chains = json.loads(Path("mc.json").read_text())
    assert chains["observables"]["m2"]["error"] <= 0.02
    assert chains["precision"]["samples"] == 4 * chains["states"] > 16


MISTAKES = {
    "no states of the hybrid": (
        "simulate",
        ["--flow", "flow.ckpt", "--method", "hybrid", "--states", 0],
        "got --states 0, expected at least 1",
    ),
    "no states in the first round": (
        "simulate",
        ["energy=gaussian_field", "energy.side=4", "--states", 0, "--precision", "m2=1"],
        "got --states 0 of 64 chains for the first round, expected at least 1",
    ),
    "one state in the first round": (
        "simulate",
        ["energy=gaussian_field", "--states", 1, "--chains", 1, "--precision", "m2=1"],
        "got --states 1 of 1 chains for the first round, expected at least 1, and two states",
    ),
    "precision of latents": (
        "simulate",
        ["--flow", "flow.ckpt", "--method", "latent_hmc", "--precision", "m2=1"],
        "expected --method hybrid",
    ),
    "no such row": ("evaluate", ["flow.ckpt", "--precision", "m3=1"], "one of log_z, abs_m, m2,"),
    "no such row of chains": ("simulate", ["--precision", "log_z=1"], "expected one of abs_m, m2"),
    "no error": ("simulate", ["--precision", "m2"], "a name and a positive error"),
    "two precisions": (
        "simulate",
        ["energy=gaussian_field", "--precision", "m2=1", "--precision", "m4=1"],
        "got m2=1 and m4=1, expected one of them",
    ),
    "samples and precision": (
        "evaluate",
        ["flow.ckpt", "--samples", 9, "--precision", "m2=1"],
        "--samples: got 9, expected none with --precision",
    ),
    "seconds and precision": (
        "simulate",
        ["--seconds", 9, "--precision", "m2=1"],
        "--seconds: got 9.0, expected none with --precision",
    ),
    "time without precision": ("evaluate", ["flow.ckpt", "--max-seconds", 9], "--max-seconds: go"),
    "no time": (
        "simulate",
        ["--precision", "m2=1", "--max-seconds", 0],
        "--max-seconds: got 0.0, expected a positive number",
    ),
    "no energy": ("evaluate", ["none.ckpt"], "without data or energy"),
    "no checkpoint": ("evaluate", ["no.ckpt"], "no.ckpt"),
    "damaged": ("evaluate", ["damaged.ckpt"], "truncated"),
    "not a PNG": ("evaluate", ["flow.ckpt", "--out", "x.jpg"], ".png"),
    "chains": ("evaluate", ["flow.ckpt", "--chains", 0], "got --chains 0"),
    "samples": ("evaluate", ["flow.ckpt", "--samples", 0, "--no-reference"], "--samples: got 0"),
    "one state": ("evaluate", ["flow.ckpt", "--chains", 1, "--states", 1], "two states or more"),
    "one sample": ("evaluate", ["flow.ckpt", "--samples", 1, "--no-reference"], "at least 2"),
    "no images of an energy": ("evaluate", ["flow.ckpt", "--limit", 0], "--limit: got 0"),
    "chains of no reference": (
        "evaluate",
        ["flow.ckpt", "--no-reference", "--states", 5],
        "--states: got 5",
    ),
    "one state of a flow": (
        "simulate",
        ["--flow", "flow.ckpt", "--chains", 1, "--states", 1],
        "two states or more",
    ),
    "trust without flow": ("simulate", ["--trust", "wells"], "--trust: got"),
    "split of an energy": (
        "evaluate",
        ["flow.ckpt", "--split", "test"],
        "--split: got test, expected a ch",
    ),
    "report below a file": (
        "evaluate",
        ["flow.ckpt", "--json", "wells.py/x.json"],
        "x.json cannot be written",
    ),
    "picture of chains below a file": (
        "simulate",
        ["--json", "x.json", "--out", "wells.py/x.png"],
        "x.png cannot be written",
    ),
    "report is a folder": ("simulate", ["--json", "."], "expected the name of a file"),
    "images for fields": (
        "mix",
        ["flow.ckpt", "--images", "a.png", "b.png", "--level", 1, "--out", "x.png"],
        "expected --seeds",
    ),
    "unknown energy": ("simulate", ["energy=foo"], "gaussian_field ising"),
    "unknown field": ("simulate", ["energy.foo=3"], "energy.foo"),
    "wrong type": ("simulate", ["energy.side=big"], "energy.side: got 'big'"),
    "wrong value": ("simulate", ["energy.side=1"], "side: got 1"),
    "nonsense": ("simulate", ["nonsense"], "nonsense"),
    "no target": ("simulate", ["energy=user"], "energy._target_"),
    "no module": ("simulate", ["energy=user", "energy._target_=no.Such"], "no.Such"),
    "no clusters": (
        "simulate",
        ["energy=gaussian_field", "--method", "cluster"],
        "expected an Ising",
    ),
    "no device": ("simulate", ["--flow", "stiff.ckpt", "--device", "moon"], "moon"),
    "device without flow": ("simulate", ["--device", "cuda"], "--flow"),
    "no flow": ("simulate", ["--method", "latent_hmc"], "--flow"),
    "not of flows": ("simulate", ["--flow", "flow.ckpt", "--method", "hmc"], "metropolis"),
    "its own energy": ("simulate", ["--flow", "flow.ckpt", "energy=xy"], "got energy=xy with it"),
    "flow of images": ("simulate", ["--flow", "none.ckpt"], "without energy"),
    "not trusted": ("simulate", ["--flow", "mine.ckpt"], "--trust"),
    "states": ("simulate", ["--states", 0], "--states 0"),
    "picture": ("simulate", ["--out", "x.gif"], ".png"),
    "no report": ("compare", ["no.json", "empty.json"], "no.json"),
    "empty report": ("compare", ["empty.json", "empty.json"], "evaluate.py"),
    "no JSON": ("compare", ["wells.py", "empty.json"], "no JSON"),
}


@pytest.mark.parametrize(("script", "arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_one_line_and_writes_nothing(script, arguments, words, run, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert run(script, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert words in line
    assert sorted(p for p in tmp_path.iterdir() if p.name != "__pycache__") == before


def test_another_lattice_is_not_compared(run, capsys):
    assert run("evaluate", "flow.ckpt", "--samples", 10000, "--no-reference",
               "--json", "a.json") == 0  # fmt: skip
    assert run("simulate", "energy=gaussian_field", "energy.side=6", "energy.m2=0.3", "--states",
               8, "--json", "b.json") == 0  # fmt: skip
    capsys.readouterr()
    assert run("compare", "a.json", "b.json") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "[1, 4, 4]" in line
    assert "[1, 6, 6]" in line
