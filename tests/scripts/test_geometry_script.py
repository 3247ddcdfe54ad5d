"""The geometry of a flow's bulk, as its command writes it."""

import json
import re

import pytest
from script_calls import call_script
from tiny_checkpoints import msds, save_checkpoint

from rgflow.testing import perturbed

BLOCK = {
    "_target_": "rgflow.models.block_flow",
    "side": 8,
    "channels": 2,
    "block": 2,
    "couplings": 1,
    "conditioner": "mlp",
    "hidden": [4],
}
COMPLEX = {"_target_": "rgflow.energies.ComplexPhi4", "side": 8, "t": 1.0, "mu": 0.5, "lam": 0.5}
FREE = {"_target_": "rgflow.energies.GaussianField", "side": 8, "m2": 0.01}
PARTS = {"states", "collective", "information", "checks", "laws", "space"}
FOURIER = {
    "_target_": "rgflow.models.conv_flow",
    "side": 8,
    "channels": 1,
    "couplings": 1,
    "fourier": "fixed",
}
REAL_NVP = {"_target_": "rgflow.models.realnvp_flow", "side": 8, "channels": 1, "hidden": 4}


def saved(path, node, **config):
    save_checkpoint(path, node, lambda flow: perturbed(flow, 0.02).float(), **config)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rgflow.evaluation.geometry.collective.LINE", (-1.0, 0.0, 1.0))
    monkeypatch.setattr("rgflow.evaluation.geometry.collective.PLANE", (-1.0, 1.0))
    monkeypatch.setattr("rgflow.evaluation.geometry.collective.STRIP", (-1.0, 1.0))
    return tmp_path


def geometry(folder, *arguments):
    """The text of the page, and the reports of its parts."""
    assert call_script("geometry", *arguments, "--out", "bulk", "--effort", 0.03) == 0
    page = (folder / "bulk" / "index.html").read_text(encoding="utf-8")
    for picture in re.findall(r'<img src="([^"]+)"', page):
        assert (folder / "bulk" / picture).stat().st_size > 1000, picture
    reports = {p.stem: json.loads(p.read_text()) for p in (folder / "bulk").glob("*.json")}
    return page, reports


def test_a_complex_field_has_all_parts(folder, capsys):
    saved("flow.ckpt", BLOCK, energy=COMPLEX)
    page, reports = geometry(folder, "flow.ckpt", "--chains", 16, "--states", 40)
    assert set(reports) == PARTS
    assert page.count("<h2") == len(PARTS)
    assert capsys.readouterr().out.splitlines()[-1] == "bulk/index.html"
    for name in ("collective", "strips", "information", "laws"):
        assert f"{name}.png" in page
    information = reports["information"]
    assert information["flow"]["samples"] == 640
    assert information["flow"]["blocks"] == 16  # whole chains
    assert information["flow"]["steps"] == [2, 4, 8]
    assert set(information) >= {"flow", "Haar", "field"}
    # neighbours of the field know of each other, and what Haar levels leave is less
    strong, weak = (information[n]["boundary"][0]["information"][0] for n in ("field", "Haar"))
    assert strong > 1.5 * weak > 0
    assert len(reports["collective"]["line"]["phase"]) == 3
    assert len(reports["collective"]["plane"]["phase"]) == 4
    laws = reports["laws"]
    assert set(laws) >= {"flow", "Haar", "field"}
    # 64 samples of a flow that was not trained: whatever they say, it is far from its target
    assert laws["warnings"]
    assert laws["warnings"][0].startswith("Warning: this flow is far from its target")
    assert page.count(laws["warnings"][0]) == 2  # beside the states, and above the laws
    for law in laws["field"]["boundary"]:
        assert law["laws"] is None  # of 4 cells aside, r = 2 is the last
    assert "too few for a law, nothing is decided" in page
    for pair in reports["checks"]["pairs"]:
        assert pair["information"] > 4 * pair["error"]
        assert len(pair) == 4 + 5


def test_informations_of_a_free_field_behind_haar_levels_are_the_exact_ones(folder):
    saved("free.ckpt", BLOCK | {"channels": 1}, energy=FREE)
    page, reports = geometry(folder, "free.ckpt", "--chains", 32, "--states", 128)
    exact = reports["information"]["exact"]
    # 15 + 3 shifts at two levels, and 16 + 16 + 4 cells at the shifts of coarser ones, both ways
    assert exact["informations"] == 18 + 2 * 36
    assert abs(exact["pull_mean"]) < 3 * exact["pull_mean_error"] < 1
    assert 0.7 < exact["pull_std"] < 1.3
    assert reports["laws"]["largest_pull_of_distances"] < 4
    assert "Haar, exact" in reports["laws"]
    assert "This field is Gaussian" in page
    line = reports["collective"]["line"]
    assert len(line["mean"][0]) == 1
    assert "plane" not in reports["collective"]


def test_baselines_can_be_left_out(folder):
    saved("flow.ckpt", BLOCK | {"side": 4}, energy=COMPLEX | {"side": 4})
    _, reports = geometry(folder, "flow.ckpt", "--chains", 19, "--states", 16, "--no-baselines")
    assert "flow" in reports["information"]
    assert not {"Haar", "field"} & set(reports["information"])
    assert reports["information"]["flow"]["blocks"] == 19


@pytest.mark.parametrize(
    ("node", "config", "arguments", "complaint"),
    [
        (BLOCK, {"energy": COMPLEX}, ["--chains", 7], "expected at least 8 chains"),
        (BLOCK, {"energy": COMPLEX}, ["--states", 1], "of 2 states"),
        (BLOCK, {"energy": COMPLEX}, ["--chains", 8, "--states", 2], "96 states in all"),
        (BLOCK, {"energy": COMPLEX}, ["--effort", -1], "--effort: got -1"),
        (BLOCK, {}, [], "got a checkpoint without an energy"),
        (BLOCK, {"energy": FREE}, [], "energy: got fields of shape (1, 8, 8)"),
        (REAL_NVP, {"energy": FREE}, [], "without a Fourier map in front"),
        (FOURIER, {"energy": FREE}, [], "without a Fourier map in front"),
        (BLOCK | {"side": 2}, {"energy": COMPLEX | {"side": 2}}, [], "two levels or more"),
        (
            BLOCK | {"channels": 3, "pixels": True},
            {"data": msds()},
            [],
            "got a flow of images",
        ),
    ],
)
def test_what_has_no_bulk_is_refused_in_one_line(
    folder, capsys, node, config, arguments, complaint
):
    saved("flow.ckpt", node, **config)
    assert call_script("geometry", "flow.ckpt", "--out", "bulk", *arguments) != 0
    error = capsys.readouterr().err
    assert complaint in error.splitlines()[-1]
    assert not (folder / "bulk").exists()
