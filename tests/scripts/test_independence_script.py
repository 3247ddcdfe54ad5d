"""The script that measures the independence of latents."""

import json

import pytest
from script_calls import call_script
from tiny_checkpoints import msds, save_checkpoint

FLOW = {
    "_target_": "rgflow.models.conv_flow",
    "side": 8,
    "channels": 3,
    "couplings": [2],
    "hidden": [8],
    "pixels": True,
}
DATA = msds(test_size=140)
FIELD = {
    "_target_": "rgflow.models.conv_flow",
    "side": 4,
    "channels": 1,
    "couplings": 2,
    "hidden": 8,
}
ENERGY = {"_target_": "rgflow.energies.GaussianField", "side": 4, "m2": 0.3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint("laplace.ckpt", FLOW, data=DATA)
    save_checkpoint("gaussian.ckpt", FLOW | {"prior": "gaussian"}, data=DATA)
    save_checkpoint("field.ckpt", FIELD, energy=ENERGY)
    save_checkpoint("bare.ckpt", FIELD)
    return tmp_path


def test_two_flows_of_images_and_one_of_fields(folder, capsys):
    few = ["--latents", 60, "--samples", 140]
    both = ["laplace.ckpt", "gaussian.ckpt"]
    assert call_script("independence", *both, *few, "--out", "a.png", "--json", "a.json") == 0
    table = capsys.readouterr().out
    assert "laplace (Laplace): " in table
    report = json.loads((folder / "a.json").read_text())
    assert list(report) == ["laplace (Laplace)", "gaussian (Gaussian)"]
    assert report["laplace (Laplace)"]["levels"] == 2
    assert report["laplace (Laplace)"]["samples"] > 128
    assert (folder / "a.png").stat().st_size > 10_000
    fields = ["field.ckpt", "--out", "b.png", "--json", "-", "--samples", 512]
    assert call_script("independence", *fields) == 0
    report = next(iter(json.loads(capsys.readouterr().out).values()))
    # the free field is correlated, and an untrained flow leaves that in its latents
    found = report["matrix"]["values"]
    assert found["mean"][0][0] > 5 * found["error"][0][0]
    assert report["blocks"] == 64


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bare.ckpt", "--out", "a.png"], "without an energy"),
        (["laplace.ckpt", "--out", "a.png", "--names", "a", "b"], "--names: got 2, expected 1"),
        (["laplace.ckpt", "--out", "a.png", "--samples", 100], "expected at least 128"),
        (["laplace.ckpt", "--out", "a.jpg"], "png"),
    ],
)
def test_mistakes_end_in_one_line(folder, capsys, arguments, complaint):
    assert call_script("independence", *arguments) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (folder / "a.png").exists()
