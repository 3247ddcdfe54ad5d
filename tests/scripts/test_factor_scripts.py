"""The scripts that measure the factors of MSDS."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from script_calls import call_script
from tiny_checkpoints import msds, save_checkpoint

from rgflow.testing import perturbed

FLOW = {
    "_target_": "rgflow.models.conv_flow",
    "side": 16,
    "channels": 3,
    "couplings": [2],
    "hidden": [8],
    "smallest_side": 4,
    "pixels": True,
}
REAL_NVP = {
    "_target_": "rgflow.models.realnvp_flow",
    "side": 16,
    "scales": 2,
    "couplings": 1,
    "hidden": 4,
    "pixels": True,
}
FIELD = {"_target_": "rgflow.models.conv_flow", "side": 16, "channels": 3, "couplings": [1]}
DATA = msds(dataset="msds2", side=16, train_size=4, validation_size=1, test_size=80)


def saved(path, node, data=DATA):
    save_checkpoint(path, node, lambda flow: perturbed(flow, 0.01).float(), data=data)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved("flow.ckpt", FLOW)
    saved("nvp.ckpt", REAL_NVP)
    saved("field.ckpt", FIELD, None)
    saved("photos.ckpt", FLOW, DATA | {"dataset": "folder"})
    return call_script


COUNTS = ["--samples", 20, "--images", 60]


def test_factors_prints_and_draws_both_tables(run, capsys):
    assert run("factors", "flow.ckpt", *COUNTS, "--out", "a.png", "--json", "a.json") == 0
    text = capsys.readouterr().out
    report = json.loads(Path("a.json").read_text())
    assert report["dataset"] == "msds2"
    for name, images in (("redrawn", 20), ("informative", 12)):
        table = report[name]
        assert table["images"] == images
        assert table["blocks"] == ["level0", "level1", "level2"]
        assert table["factors"][:3] == ["orientation", "colour", "position"]
        assert np.shape(table["importance"]["value"]) == (3, 5)
        assert np.shape(table["disentanglement"]["error"]) == (3,)
    assert text.count("level 2") == text.count("mean level") == 2
    assert "base orientation" in text
    colour = report["redrawn"]["importance"]["value"][2][1]
    assert f" {colour:.1f}" in text
    assert np.asarray(Image.open("a.png")).std() > 0
    assert run("factors", "flow.ckpt", *COUNTS, "--redraw", "images", "--json", "-") == 0
    other = json.loads(capsys.readouterr().out)
    assert other["redrawn_from"] == "images"
    assert other["informative"] == report["informative"]
    assert other["redrawn"] != report["redrawn"]


def test_factors_of_a_real_nvp_are_those_of_its_scales(run, capsys):
    assert run("factors", "nvp.ckpt", *COUNTS, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["redrawn"]["blocks"] == ["scale0", "scale1"]


def test_pairs_are_mixed_at_every_level(run, capsys):
    pairs = ["--pairs", 10, "--out", "a.png"]
    assert run("mix", "flow.ckpt", *pairs, "--json", "a.json") == 0
    text = capsys.readouterr().out
    report = json.loads(Path("a.json").read_text())
    assert report["cuts"] == [0, 1, 2, 3]
    assert report["pairs"] == 10
    assert report["of"] == "test images"
    share = np.array(report["share_of_a"]["value"])
    assert share.shape == (4, 5)
    assert (share[0] == 1).all()
    assert (share[-1] == 0).all()
    assert text.startswith("10 pairs of test images\n")
    assert text.count("h = 3") == 3
    assert np.asarray(Image.open("a.png")).std() > 0
    assert run("mix", "flow.ckpt", *pairs, "--of", "samples", "--temperature", 0.5,
               "--seed", 3, "--json", "-") == 0  # fmt: skip
    samples = json.loads(capsys.readouterr().out)
    assert samples["of"] == "samples"
    assert samples["seed"] == 3
    assert samples["share_of_a"] != report["share_of_a"]


MISTAKES = {
    "fields": ("factors", ["field.ckpt"], "data: got none, expected msds1 or msds2"),
    "photographs": ("factors", ["photos.ckpt"], "data: got folder, expected msds1 or msds2"),
    "images": ("factors", ["flow.ckpt", "--images", 10], "images: got 10, expected at least 20"),
    "samples": ("factors", ["flow.ckpt", "--samples", 1], "samples: got 1, expected at least 2"),
    "not a PNG": ("factors", ["flow.ckpt", "--out", "x.gif"], ".png"),
    "no root": ("factors", ["flow.ckpt", "--data-root", "nowhere"], "nowhere"),
    "one pair": ("mix", ["flow.ckpt", "--pairs", 1, "--out", "x.png"], "--pairs: got 1"),
    "pairs at one level": (
        "mix",
        ["flow.ckpt", "--pairs", 2, "--level", 1, "--out", "x.png"],
        "--level: got 1, expected none with --pairs",
    ),
    "pairs without levels": ("mix", ["nvp.ckpt", "--pairs", 2, "--out", "x.png"], "no levels"),
    "pairs of fields": ("mix", ["field.ckpt", "--pairs", 2, "--out", "x.png"], "got none"),
    "temperature of images": (
        "mix",
        ["flow.ckpt", "--pairs", 2, "--temperature", 0.5, "--out", "x.png"],
        "--temperature: got 0.5, expected it only with samples",
    ),
    "seed of a single pair": (
        "mix",
        ["flow.ckpt", "--seeds", 1, 2, "--level", 1, "--seed", 1, "--out", "x.png"],
        "--seed: got 1, expected it only with --pairs",
    ),
}


@pytest.mark.parametrize(("script", "arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_one_line_and_writes_nothing(script, arguments, words, run, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert run(script, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert words in line
    assert sorted(tmp_path.iterdir()) == before


def test_too_few_test_images_are_told_of(run, capsys):
    assert run("factors", "flow.ckpt", "--images", 100) == 1
    assert "got a test set of 80 images, expected at least 100" in capsys.readouterr().err


def test_a_single_pair_needs_its_level(run, capsys):
    assert run("mix", "flow.ckpt", "--seeds", 1, 2, "--out", "x.png") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--level" in line
