import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from script_calls import SCRIPTS, call_script
from tiny_checkpoints import msds, save_checkpoint

from rgflow.checkpoint import save_flow
from rgflow.plotting import grids
from rgflow.runtime.config import build

FLOW = {
    "_target_": "rgflow.models.conv_flow",
    "side": 8,
    "channels": 3,
    "couplings": [2],
    "hidden": [8],
    "pixels": True,
}
DATA = msds(test_size=10)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call a script in this process, in a folder with a checkpoint; gives its exit status."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint("flow.ckpt", FLOW, data=DATA)
    return call_script


def test_sample_writes_a_seeded_grid_and_arrays(run):
    arguments = ["flow.ckpt", "--count", 9, "--temperature", 0.5, 0.8]
    assert run("sample", *arguments, "--out", "a.png", "--npz", "a.npz") == 0
    assert run("sample", *arguments, "--out", "b.png", "--seed", 1, "--npz", "b.npz") == 0
    assert run("sample", *arguments, "--out", "c.png") == 0
    images = np.load("a.npz")["images"]
    assert images.shape == (9, 3, 8, 8)
    assert images.dtype == np.uint8
    picture = np.asarray(Image.open("a.png"))[..., :3]
    grid = picture[grids.MARGIN + grids.TITLE :, grids.MARGIN :]
    # the grid shows the images of the arrays 32 times as large: row 1, column 2
    assert np.array_equal(grid[260:516:32, 518:774:32].transpose(2, 0, 1), images[5])
    assert picture[: grids.MARGIN + grids.TITLE].min() < 100  # the title
    assert Path("a.png").read_bytes() == Path("c.png").read_bytes()
    assert not np.array_equal(images, np.load("b.npz")["images"])


def test_many_samples_are_written_as_they_come_and_few_are_shown(run, monkeypatch):
    monkeypatch.setattr("rgflow.commands.sample.PART", 4)
    monkeypatch.setattr("rgflow.commands.sample.most_shown", lambda side: 6)
    sizes = []
    monkeypatch.setattr(
        "rgflow.commands.sample.write_npz",
        lambda _, count, parts: sizes.extend(len(p["images"]) for p in parts),
    )
    assert run("sample", "flow.ckpt", "--count", 11, "--out", "a.png", "--npz", "a.npz") == 0
    assert sizes == [4, 4, 3]
    assert run("sample", "flow.ckpt", "--count", 6, "--out", "b.png") == 0
    with_many, alone = (np.asarray(Image.open(f"{name}.png")) for name in "ab")
    below = grids.MARGIN + grids.TITLE  # the titles differ
    assert np.array_equal(with_many[below:], alone[below:])


def test_temperature_zero_gives_one_image(run):
    assert run("sample", "flow.ckpt", "--temperature", 0, "--out", "a.png", "--npz", "a.npz") == 0
    images = np.load("a.npz")["images"]
    assert (images == images[0]).all()


def test_mix_of_seeds_and_of_images(run):
    assert run("mix", "flow.ckpt", "--seeds", 1, 2, "--level", 1, "--out", "seeds.png") == 0
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (20, 12), colour).save(f"{name}.jpg")
    pair = ["--images", "a.jpg", "b.jpg"]
    assert run("mix", "flow.ckpt", *pair, "--level", 0, "--out", "images.png") == 0
    for name in ("seeds", "images"):
        assert np.asarray(Image.open(f"{name}.png")).std() > 0


def test_a_picture_of_a_mix_stands_there_once(run, monkeypatch, capsys):
    four = FLOW | {"side": 16}
    save_flow(build(four, "flow"), four, "four.ckpt")
    drawn = []
    monkeypatch.setattr("rgflow.commands.mix.save_figure", lambda *_: None)
    monkeypatch.setattr("rgflow.commands.mix.labelled_grid", lambda *given: drawn.append(given))
    for level, cuts in ((1, ["h = 2"]), (2, ["h = 1"]), (3, ["h = 1", "h = 2"])):
        assert run("mix", "four.ckpt", "--seeds", 1, 2, "--level", level, "--out", "x.png") == 0
        rows, _, labels, _ = drawn.pop()
        assert labels == [["A", "B", "mix"], cuts]
        assert list(map(len, rows)) == [3, len(cuts)]
    assert torch.equal(rows[0][1], rows[0][2])  # the cut above all levels gives B
    assert capsys.readouterr().out.splitlines() == ["x.png"] * 3


def test_mixed_images_stand_beside_what_they_decode_to(run, monkeypatch, capsys):
    flow = build(FLOW, "flow")
    with torch.no_grad():
        for parameter in flow.parameters():  # the latents of any image lie far out
            parameter.add_(0.22 * torch.randn_like(parameter))
    save_flow(flow, FLOW, "far.ckpt")
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (8, 8), colour).save(f"{name}.png")
    rows = []
    monkeypatch.setattr("rgflow.commands.mix.save_figure", lambda *_: None)
    monkeypatch.setattr("rgflow.commands.mix.labelled_grid", lambda *given: rows.extend(given))
    pair = ["--images", "a.png", "b.png"]
    assert run("mix", "far.ckpt", *pair, "--level", 0, "--out", "x.png") == 0
    (originals, decoded, *_), names, labels, _ = rows
    assert names[0] == "originals"
    assert labels[1][:2] == ["A, decoded", "B, decoded"]
    assert originals[0, :, 0, 0].tolist() == [255, 0, 0]
    assert (decoded[:2].int() - originals.int()).abs().max() <= 2


def test_mix_of_images_in_double_precision(run):
    save_flow(build(FLOW, "flow").double(), FLOW, "double.ckpt")
    Image.new("RGB", (8, 8), "red").save("a.png")
    pair = ["--images", "a.png", "a.png"]
    assert run("mix", "double.ckpt", *pair, "--level", 0, "--out", "x.png") == 0


@pytest.mark.parametrize("script", ["sample", "evaluate"])
def test_weights_that_are_not_finite_are_refused(script, run, tmp_path, capsys):
    content = torch.load("flow.ckpt", weights_only=True)
    next(iter(content["state_dict"].values())).fill_(torch.nan)
    torch.save(content, "flow.ckpt")
    assert run(script, "flow.ckpt", *(["--out", "x.png"] if script == "sample" else [])) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "not finite" in line
    assert [p.name for p in tmp_path.iterdir()] == ["flow.ckpt"]


@pytest.mark.parametrize("script", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_misspelt_option_is_one_line(script, run, capsys):
    assert run(script, "--misspelt") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "--help" in line


def test_evaluate_prints_a_line_or_json(run, capsys):
    assert run("evaluate", "flow.ckpt", "--split", "test") == 0
    line = capsys.readouterr().out
    assert run("evaluate", "flow.ckpt", "--split", "test", "--json", "-") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["split"] == "test"
    assert result["images"] == 10
    assert 0 < result["standard_error"] < result["bits_per_dim"] < 12
    assert line.endswith(" bits per dim on the 10 images of the test split\n")
    assert float(line.split()[0]) == pytest.approx(result["bits_per_dim"], rel=0.01)
    Path("x").mkdir()
    assert run("evaluate", "flow.ckpt", "--split", "train", "--limit", 5, "--data-root", "x",
               "--json", "-") == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["images"] == 5


MISTAKES = {
    "missing checkpoint": ("sample", ["no.ckpt", "--out", "x.png"], "no.ckpt"),
    "foreign checkpoint": ("sample", [__file__, "--out", "x.png"], "checkpoint"),
    "count": ("sample", ["flow.ckpt", "--count", 0, "--out", "x.png"], "--count"),
    "negative": ("sample", ["flow.ckpt", "--temperature", -1, "--out", "x.png"], "-1"),
    "not a number": (
        "sample",
        ["flow.ckpt", "--temperature", 1, "nan", "--out", "x.png"],
        "--temperature: got nan",
    ),
    "infinite": (
        "mix",
        ["flow.ckpt", "--seeds", 1, 2, "--level", 1, "--temperature", "inf", "--out", "x.png"],
        "--temperature: got inf",
    ),
    "unknown device": (
        "sample",
        ["flow.ckpt", "--device", "gpu", "--out", "x.png"],
        "device: got 'gpu', expected 'cpu'",
    ),
    "device without numbers": (
        "sample",
        ["flow.ckpt", "--device", "meta", "--out", "x.png"],
        "device: got 'meta'",
    ),
    "levels": (
        "sample",
        ["flow.ckpt", "--temperature", 1, 1, 1, "--out", "x.png"],
        "--temperature: got 3 numbers, expected one, or one for each of 2 levels",
    ),
    "not a PNG": ("sample", ["flow.ckpt", "--out", "x.gif"], ".png"),
    "level": (
        "mix",
        ["flow.ckpt", "--seeds", 1, 2, "--level", 3, "--out", "x.png"],
        "--level: got 3, expected 0 to 2",
    ),
    "no image": (
        "mix",
        ["flow.ckpt", "--images", "flow.ckpt", "b.png", "--level", 0, "--out", "x.png"],
        "flow.ckpt",
    ),
    "limit": ("evaluate", ["flow.ckpt", "--limit", 1], "--limit"),
    "no root": ("evaluate", ["flow.ckpt", "--data-root", "nowhere"], "nowhere"),
    "samples of images": (
        "evaluate",
        ["flow.ckpt", "--samples", 9],
        "--samples: got 9, expected a checkpoint of an energy",
    ),
    "arrays not an npz": ("sample", ["flow.ckpt", "--out", "x.png", "--npz", "x.txt"], ".npz"),
    "picture in folders that are not there": (
        "sample",
        ["flow.ckpt", "--out", "slip/of/x.png"],
        "at most one folder is made",
    ),
    "arrays in folders that are not there": (
        "make_msds",
        [1, "--out", "slip/of/x.npz"],
        "at most one folder is made",
    ),
    "report in folders that are not there": (
        "evaluate",
        ["flow.ckpt", "--json", "slip/of/x.json"],
        "at most one folder is made",
    ),
    "picture below a file": (
        "sample",
        ["flow.ckpt", "--npz", "x.npz", "--out", "flow.ckpt/x.png"],
        "flow.ckpt/x.png cannot be written",
    ),
    "temperature of images": (
        "mix",
        ["flow.ckpt", "--images", "a", "b", "--temperature", 0, "--level", 0, "--out", "x.png"],
        "--temperature: got 0",
    ),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("script", ["sample", "evaluate"])
def test_missing_gpu_is_one_line(script, run, capsys):
    more = ["--out", "x.png"] if script == "sample" else []
    assert run(script, "flow.ckpt", "--device", "cuda", *more) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "device: got 'cuda', expected 'cpu'" in line


@pytest.mark.parametrize(
    "target", ["rgflow.runtime.config.build", "rgflow.data.tensor_cache.os.system"]
)
def test_evaluate_calls_data_sets_only(target, run, capsys):
    content = torch.load("flow.ckpt", weights_only=True)
    content["config"]["data"] = {"_target_": target, "node": {"_target_": "os.system"}}
    torch.save(content, "flow.ckpt")
    assert run("evaluate", "flow.ckpt") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert target in line


@pytest.mark.parametrize(("script", "arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_one_line_and_writes_nothing(script, arguments, words, run, tmp_path, capsys):
    assert run(script, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert words in line
    assert [p.name for p in tmp_path.iterdir()] == ["flow.ckpt"]
