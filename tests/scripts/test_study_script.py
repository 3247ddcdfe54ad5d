"""The study of a flow, as its command writes it."""

import json
import re

import pytest
from script_calls import call_script
from tiny_checkpoints import msds, save_checkpoint

from rgflow.analysis.completion_search import USUAL
from rgflow.testing import perturbed

BLOCK = {
    "_target_": "rgflow.models.block_flow",
    "side": 8,
    "channels": 3,
    "couplings": 1,
    "conditioner": "mlp",
    "hidden": [4],
    "mixing": "layers",
    "pixels": True,
}
REAL_NVP = {
    "_target_": "rgflow.models.realnvp_flow",
    "side": 8,
    "scales": 1,
    "couplings": 1,
    "hidden": 4,
    "pixels": True,
}
FIELD = {"_target_": "rgflow.models.conv_flow", "side": 4, "channels": 1, "couplings": 1}
ENERGY = {"_target_": "rgflow.energies.GaussianField", "side": 4, "m2": 0.3}
DATA = msds(train_size=4, validation_size=1, test_size=140)
EVERYTHING = {
    "samples",
    "temperatures",
    "walks",
    "receptive_fields",
    "factors",
    "mixing",
    "restoration",
    "independence",
}


def saved(path, node, **config):
    save_checkpoint(path, node, lambda flow: perturbed(flow, 0.02).float(), **config)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rgflow.evaluation.study.latents.IMAGES", 2)
    return tmp_path


def study(folder, *arguments):
    """The text of the page, and the parts that were done."""
    assert call_script("study", *arguments, "--out", "study", "--effort", 0.02) == 0
    page = (folder / "study" / "index.html").read_text(encoding="utf-8")
    for picture in re.findall(r'<img src="([^"]+)"', page):
        assert (folder / "study" / picture).stat().st_size > 1000, picture
    reports = (folder / "study").glob("*.json")
    for report in reports:
        assert json.loads(report.read_text())["seconds"] >= 0
    return page, {path.stem for path in (folder / "study").glob("*.json")}


def test_a_flow_of_ellipses_has_all_parts(folder, capsys):
    saved("flow.ckpt", BLOCK, data=DATA)
    page, done = study(folder, "flow.ckpt")
    assert done == EVERYTHING
    assert page.count("<h2") == len(EVERYTHING)
    assert "Left out" not in page
    assert capsys.readouterr().out.splitlines()[-1] == "study/index.html"
    restored = json.loads((folder / "study" / "restoration.json").read_text())
    assert restored["mode"]["evaluations"] < 0.1 * USUAL.search
    report = json.loads((folder / "study" / "receptive_fields.json").read_text())
    assert [level["outside"] for level in report["levels"]] == [0.0, 0.0]


def test_parts_that_a_flow_does_not_allow_are_named(folder, capsys):
    saved("field.ckpt", FIELD, energy=ENERGY)
    page, done = study(folder, "field.ckpt")
    assert done == EVERYTHING - {"factors"}
    assert "Left out: factors, because factors are known for MSDS only" in page
    output = capsys.readouterr().out
    assert "Left out: factors" in output
    for part in done:  # without a terminal
        name = part.replace("_", " ")
        assert re.search(rf"^{name} \.\.\.\n{name}: \d+ s$", output, re.MULTILINE), part


def test_a_flow_of_one_level_has_no_two_temperatures(folder):
    saved("one.ckpt", BLOCK | {"side": 4, "channels": 1, "pixels": False}, energy=ENERGY)
    page, done = study(folder, "one.ckpt", "--parts", "samples", "temperatures", "mixing")
    assert done == {"samples", "mixing"}
    assert "Left out: temperatures, because it needs 2 levels, and the flow has 1" in page


def test_real_nvp_has_no_levels(folder):
    saved("nvp.ckpt", REAL_NVP, data=DATA)
    page, done = study(folder, "nvp.ckpt", "--parts", "temperatures", "factors", "mixing")
    assert done == {"factors"}
    assert "Left out: mixing, because the latents of the flow have no levels" in page
    assert "scale 0" in page


def test_a_small_test_set_leaves_out_what_it_is_too_small_for(folder):
    saved("few.ckpt", BLOCK, data=DATA | {"test_size": 6})
    parts = ["receptive_fields", "factors", "mixing", "restoration", "independence"]
    page, done = study(folder, "few.ckpt", "--parts", *parts)
    assert done == {"receptive_fields", "mixing", "restoration"}
    assert "the test set has 6 images, expected at least 20" in page
    assert "kurtosis of latents: left out, got 6 held-out images" in page.lower()


def test_mixed_test_images_are_those_of_the_command(folder):
    saved("flow.ckpt", BLOCK, data=DATA)
    study(folder, "flow.ckpt", "--parts", "mixing")
    pairs = ["--pairs", 10, "--out", "a.png", "--json", "a.json"]  # 0.02 * 500
    assert call_script("mix", "flow.ckpt", *pairs) == 0
    report = json.loads((folder / "study" / "mixing.json").read_text())
    assert report["share_of_a"] == json.loads((folder / "a.json").read_text())["share_of_a"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.ckpt"], "nowhere.ckpt"),
        (["bare.ckpt"], "expected one of a training on data"),
        (["bare.ckpt", "--effort", 0], "--effort: got 0"),
        (["bare.ckpt", "--parts", "dreams"], "dreams"),
        (["bare.ckpt", "--data-root", "nowhere"], "--data-root"),
        (["gone.ckpt"], "nowhere"),
    ],
)
def test_mistakes_end_in_one_line(folder, capsys, arguments, complaint):
    saved("bare.ckpt", BLOCK)
    saved("gone.ckpt", BLOCK, data=DATA | {"dataset": "folder", "root": "nowhere"})
    assert call_script("study", *arguments, "--out", "study") != 0
    error = capsys.readouterr().err
    assert complaint in error.splitlines()[-1]
    assert not (folder / "study").exists()
