"""Receptive fields, walks and temperatures from the command line."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from script_calls import call_script
from support import perturbed
from tiny_checkpoints import msds, save_checkpoint

from rgflow.checkpoint import load_flow, save_flow

IMAGES = {
    "_target_": "rgflow.models.conv_flow",
    "side": 8,
    "channels": 3,
    "couplings": [2],
    "hidden": [4],
    "pixels": True,
    "prior": "laplace",
}
FIELDS = {
    "_target_": "rgflow.models.conv_flow",
    "side": 8,
    "channels": 1,
    "couplings": [2],
    "hidden": [4],
    "prior": "gaussian",
    "fourier": "fixed",
}
FLAT = {"_target_": "rgflow.models.realnvp_flow", "side": 8, "channels": 1, "scales": 2}
DATA = msds(test_size=12)
ISING = {"_target_": "rgflow.energies.Ising", "side": 8}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Checkpoints of images, of fields and of a Real NVP in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, node, extra in (
        ("images", IMAGES, {"data": DATA}),
        ("fields", FIELDS, {"energy": ISING}),
        ("flat", FLAT | {"couplings": 1, "hidden": 4}, {}),
    ):
        save_checkpoint(f"{name}.ckpt", node, perturbed, **extra)
    return tmp_path


def one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_receptive_fields_of_several_flows(files, capsys):
    arguments = ["images.ckpt", "fields.ckpt", "--points", 2, "--events", 10, "--features", 3]
    assert call_script("receptive_fields", *arguments, "--out", "rf", "--json", "a.json") == 0
    printed = capsys.readouterr().out
    assert "images (Laplace)" in printed
    assert "largest response outside of a generation cone: 0" in printed
    names = ["levels", "sparsest_1", "sparsest_2", "strongest_1", "strongest_2"]
    assert sorted(path.stem for path in Path("rf").iterdir()) == names
    assert all(Image.open(path).size[0] > 100 for path in Path("rf").iterdir())
    images, fields = json.loads(Path("a.json").read_text())["flows"]
    assert [level["latents"] for level in images["levels"]] == [144, 48]
    assert (images["events"], fields["events"]) == (10, 10)
    assert images["levels"][0]["outside"] == 0
    assert "outside" not in fields["levels"][0]  # a Fourier map has no cones
    for level in (*images["levels"], *fields["levels"]):
        assert level["radius"] > 0
        assert level["latent_kurtosis_error"] > 0


def test_receptive_fields_as_one_picture_without_events(files, capsys):
    arguments = ["flat.ckpt", "--points", 2, "--events", 0, "--space", "levels"]
    assert call_script("receptive_fields", *arguments, "--out", "a.png", "--json", "-") == 0
    (flow,) = json.loads(capsys.readouterr().out)["flows"]
    assert flow["space"] == "levels"
    assert [level["latents"] for level in flow["levels"]] == [64]
    assert flow["fit"] is None
    assert "latent_kurtosis" not in flow["levels"][0]
    assert Path("a.png").is_file()


def test_walks_of_all_directions(files, monkeypatch):
    sheets = []

    def keep(rows, title, heads):
        sheets.append((rows, heads))
        return sheet_figure(rows, title, heads)

    from rgflow.plotting.sheets import sheet_figure

    monkeypatch.setattr("rgflow.evaluation.walks.sheet_figure", keep)
    few = ["--rows", 2, "--points", 2]
    assert call_script("walk", "images.ckpt", "--out", "a.png", *few) == 0
    rows, heads = sheets.pop()
    assert heads == ["-3", "-2", "-1", "0", "+1", "+2", "+3"]
    assert [row.label.split("\n")[0] for row in rows] == ["level 0"] * 2 + ["level 1"] * 2
    middle = [row.images[3] for row in rows]  # v = 0 is the sample itself
    assert all(torch.equal(image, middle[0]) for image in middle)
    assert any(not torch.equal(row.images[0], row.images[3]) for row in rows)
    steps = ["--values", "-1:1:3", "--level", 1, "--direction", "random", *few]
    assert call_script("walk", "fields.ckpt", "--out", "b.png", *steps) == 0
    rows, heads = sheets.pop()
    assert ([len(row.images) for row in rows], heads) == ([3, 3], ["-1", "0", "+1"])
    single = ["--direction", "latent:0,4,4", "--values", "0,2", "--rows", 3]
    assert call_script("walk", "flat.ckpt", "--out", "c.png", *single) == 0
    rows, _ = sheets.pop()
    assert [row.label for row in rows] == [f"level 0\nsample {i}" for i in (1, 2, 3)]
    assert all(Path(f"{name}.png").is_file() for name in "abc")


def test_walk_from_an_image(files, monkeypatch):
    Image.new("RGB", (8, 8), (200, 90, 20)).save("start.png")
    rows = []
    monkeypatch.setattr("rgflow.commands.walk.save_figure", lambda *_: None)
    draw = "rgflow.evaluation.walks.sheet_figure"
    monkeypatch.setattr(draw, lambda given, *_: rows.extend(given))
    given = ["--image", "start.png", "--direction", "latent:0,1,1", "--values", "0"]
    assert call_script("walk", "images.ckpt", "--out", "a.png", *given) == 0
    assert (rows[0].images[0, :, 3, 3].int() - torch.tensor([200, 90, 20])).abs().max() <= 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--direction", "latent:0,9,0"], "--direction: got latent:0,9,0"),
        (["--direction", "latent:0,9"], "latent:C,Y,X"),
        (["--direction", "sideways"], "principal, random or latent:C,Y,X"),
        (["--direction", "latent:0,0,0", "--level", "0"], "expected 1"),
        (["--level", "2"], "--level: got 2, expected 0 to 1"),
        (["--values", "1:2"], "first:last:number"),
        (["--values", "-inf,0"], "finite numbers"),
        (["--rows", "0"], "--rows: got 0"),
        (["--points", "1"], "--points: got 1"),
        (["--points-temperature", "nan"], "--points-temperature: got nan"),
        (["--temperature", "-1"], "--temperature: got -1"),
        (["--image", "a.png", "--temperature", "1"], "only without --image"),
    ],
)
def test_mistakes_of_walks_are_one_line(files, capsys, arguments, expected):
    assert call_script("walk", "images.ckpt", "--out", "x.png", *arguments) == 1
    assert expected in one_line(capsys)
    assert not Path("x.png").exists()


def test_temperatures_and_broken_samples(files, capsys):
    pairs = ["--low", 0.2, 1, "--high", 0.5, 0.8, 1, "--samples", 20, "--shown", 2]
    assert call_script("temperature", "images.ckpt", "--out", "a.png", *pairs, "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert [cell["temperatures"] for cell in report["cells"][:3]] == [
        [0.2, 0.5],
        [1, 0.5],
        [0.2, 0.8],
    ]
    assert all(0 <= cell["broken"] <= 1 and cell["broken_error"] > 0 for cell in report["cells"])
    assert report["samples"] == 20
    levels = ["--by-level", 0, 1, 2]
    assert call_script("temperature", "fields.ckpt", "--out", "b.png", *levels) == 0
    assert "broken" not in capsys.readouterr().out
    assert Image.open("a.png").size[0] > 300
    assert Image.open("b.png").size[0] > 300


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["flat.ckpt"], "no levels"),
        (["images.ckpt", "--cut", "0"], "--cut: got 0"),
        (["images.ckpt", "--low", "-1"], "--low: got -1"),
        (["images.ckpt", "--by-level", "1", "--cut", "1"], "none with --by-level"),
        (["images.ckpt", "--samples", "0"], "--samples: got 0"),
    ],
)
def test_mistakes_of_temperatures_are_one_line(files, capsys, arguments, expected):
    assert call_script("temperature", *arguments, "--out", "x.png") == 1
    assert expected in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["images.ckpt", "--points", "1"], "--points: got 1"),
        (["images.ckpt", "--events", "3"], "--events: got 3, expected 0 or at least 8"),
        (["images.ckpt", "--temperature", "nan"], "--temperature: got nan"),
        (["flat.ckpt"], "expected one that names its target"),
        (["images.ckpt", "--out", "no/such/folder"], "at most one folder"),
    ],
)
def test_mistakes_of_receptive_fields_are_one_line(files, capsys, arguments, expected):
    assert call_script("receptive_fields", *arguments) == 1
    assert expected in one_line(capsys)


def test_commands_work_in_double_precision(files):
    save_flow(load_flow("images.ckpt").double(), IMAGES, "double.ckpt")
    few = ["--points", 2, "--level", 1, "--rows", 1]
    assert call_script("walk", "double.ckpt", "--out", "a.png", *few) == 0
    few = ["--points", 2, "--events", 0]
    assert call_script("receptive_fields", "double.ckpt", "--out", "b.png", *few) == 0
    assert call_script("temperature", "double.ckpt", "--out", "c.png", "--low", 1) == 0
