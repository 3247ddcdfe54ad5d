"""The command that restores unknown pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from script_calls import call_script
from support import perturbed
from tiny_checkpoints import msds, save_checkpoint

from rgflow.commands.inpaint import read_mask

BLOCKS = {"block": 4, "couplings": 2, "conditioner": "mlp", "hidden": [8], "mixing": "layers"}
IMAGES = {"_target_": "rgflow.models.block_flow", "side": 8, "channels": 3, "pixels": True}
FIELDS = {"_target_": "rgflow.models.block_flow", "side": 8, "channels": 1}
DATA = msds(train_size=4, validation_size=4, test_size=4)
QUICK = ["--starts", 2, "--search", 4, "--warmup", 2, "--trajectories", 2, "--draws", 3]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call the script in this process, in a folder with two checkpoints."""
    monkeypatch.chdir(tmp_path)
    for name, node, config in (("images", IMAGES, {"data": DATA}), ("fields", FIELDS, {})):
        # double precision needs no machine code to be compiled
        save_checkpoint(f"{name}.ckpt", node | BLOCKS, lambda flow: perturbed(flow, 0.1), **config)
    return lambda *arguments: call_script("inpaint", *arguments)


def test_images_of_the_test_set_are_restored(run, capsys):
    arguments = ["images.ckpt", "--test", 2, "--mask", "2,3,4,2", *QUICK]
    assert run(*arguments, "--out", "a.png", "--json", "a.json") == 0
    printed = capsys.readouterr().out
    report = json.loads(Path("a.json").read_text())
    assert list(report) == ["prior", "mode", "posterior"]
    assert "latent sites that may change" in printed
    for method, part in report.items():
        assert part["latent_sites"] == 64
        assert 0 < part["latent_sites_touched"] <= 64
        assert len(part["log_prob"]) == 2
        assert (part["known_pixels_moved"] > 0) == (method == "prior")
        assert (part["acceptance"] is not None) == (method == "posterior")
        assert 0 < part["error_inside"] < 255
    assert np.asarray(Image.open("a.png")).std() > 0
    assert run(*arguments, "--out", "b.png", "--json", "b.json", "--method", "mode") == 0
    again = json.loads(Path("b.json").read_text())
    assert again["mode"]["log_prob"] == report["mode"]["log_prob"]  # seeded


def test_files_and_a_drawn_mask(run):
    Image.new("RGB", (12, 8), "red").save("red.png")
    mask = np.zeros((8, 8), dtype=np.uint8)
    mask[1, 5] = 255
    Image.fromarray(mask).save("mask.png")
    assert read_mask("mask.png", 8).nonzero().tolist() == [[1, 5]]
    arguments = ["images.ckpt", "--images", "red.png", "--mask", "mask.png", "--method", "mode"]
    assert run(*arguments, "--tolerance", 2, *QUICK, "--out", "a.png", "--json", "a.json") == 0
    report = json.loads(Path("a.json").read_text())
    assert report["mode"]["tolerance"] == 2
    assert report["mode"]["blocks"] == report["mode"]["blocks_in_all"]


def test_fields_are_samples_of_the_flow(run):
    arguments = ["fields.ckpt", "--samples", 2, "--mask", "0,0,2,2", *QUICK]
    assert run(*arguments, "--out", "a.png", "--json", "a.json") == 0
    assert "bits_per_dim" not in json.loads(Path("a.json").read_text())["posterior"]


def test_a_mask_is_left_top_width_height():
    rows, columns = read_mask("1,2,3,4", 8).nonzero().T
    assert sorted(set(rows.tolist())) == [2, 3, 4, 5]
    assert sorted(set(columns.tolist())) == [1, 2, 3]


MISTAKES = {
    "outside": (["images.ckpt", "--test", 1, "--mask", "6,0,3,1"], "inside 8 x 8"),
    "empty": (["images.ckpt", "--test", 1, "--mask", "6,0,0,1"], "inside 8 x 8"),
    "no_file": (["images.ckpt", "--test", 1, "--mask", "none.png"], "that is there"),
    "size": (["images.ckpt", "--test", 1, "--mask", "small.png"], "got a picture of 4 x 5"),
    "fields": (["fields.ckpt", "--test", 1, "--mask", "0,0,1,1"], "expected --samples"),
    "none": (["images.ckpt", "--test", 0, "--mask", "0,0,1,1"], "at least 1"),
    "negative": (
        ["images.ckpt", "--test", 1, "--mask", "0,0,1,1", "--tolerance", "-1"],
        "expected a finite number",
    ),
    "too_many": (["images.ckpt", "--test", 5, "--mask", "0,0,1,1"], "expected at most 4"),
    "tolerant_prior": (
        ["images.ckpt", "--test", 1, "--mask", "0,0,1,1", "--tolerance", 2, "--method", "prior"],
        "holds no pixels",
    ),
    "root": (
        ["images.ckpt", "--test", 1, "--mask", "0,0,1,1", "--data-root", "none"],
        "--data-root: got none",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_end_in_one_line(arguments, message, run, capsys, tmp_path):
    Image.new("L", (4, 5)).save("small.png")
    before = sorted(p.name for p in tmp_path.iterdir() if p.is_file())
    assert run("--method", "mode", "--out", "x.png", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == before
