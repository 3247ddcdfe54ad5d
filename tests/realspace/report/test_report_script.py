"""scripts/ising_rg.py: a small run, and mistakes of the user."""

import pytest
import torch
from PIL import Image
from script_calls import call_script, load_script

from rgflow.commands import ising_rg
from rgflow.realspace.report import exact_report, sampling_report
from rgflow.realspace.report.report import Row, Section
from rgflow.realspace.samples.neural_information import Bounds, LearnedFilter

# sections that have their own tests; they would take too long here
EXACT = ("rbm", "hidden_units", "causal", "flow", "information", "decoy")


@pytest.fixture
def script():
    """The script as a module."""
    return load_script("ising_rg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--zoom-side", 64], "--zoom-side: got 64"),
        (["--side", 20], "--side: got 20"),
        (["--sweeps", 100_000_000], "--sweeps: got 100000000"),
        (["--steps", 0], "--steps: got 0"),
    ],
)
def test_mistake_is_one_line_before_any_work(arguments, words, script, tmp_path, capsys):
    assert call_script(script, "--out", tmp_path / "new", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "new").exists()


def test_impossible_folder_is_refused_before_any_work(script, tmp_path, capsys):
    (tmp_path / "file").touch()
    for folder, words in (("file", "expected a folder"), ("file/below", "file")):
        assert call_script(script, "--out", tmp_path / folder) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


def test_small_run_writes_table_figures_and_film(script, tmp_path, capsys, monkeypatch):
    def replace(module, name):
        section = Section(name, [Row("one", 1.0, 1.0)], {}, ("a note",))
        monkeypatch.setattr(module, f"{name}_section", lambda *_, **__: section)

    for name in EXACT:
        replace(exact_report, name)
    replace(sampling_report, "check")
    learned = LearnedFilter(torch.full((2, 2), 1.8), Bounds(0.4, 0.01, 0.4, 0.01))
    monkeypatch.setattr(sampling_report, "learned_filters", lambda *_: {2: learned})
    sizes = ["--side", 32, "--sweeps", 400, "--zoom-side", 512, "--steps", 200]
    assert call_script(script, "--out", tmp_path, *sizes) == 0
    printed, table = capsys.readouterr().out, (tmp_path / "table.txt").read_text()
    assert table.strip() in printed
    assert len(table.strip().split("\n\n")) == ising_rg.PARTS
    for words in (*EXACT, "a note", "Cut-off sums", "2x2: InfoNCE", "32 to 16, 7 couplings: nu"):
        assert words in table
    pictures = {"cutoff", "smearing", "filters", "mcrg", "zoom", "zoom_critical"}
    assert {f"{name}.png" for name in pictures} < {file.name for file in tmp_path.iterdir()}
    assert Image.open(tmp_path / "zoom.gif").n_frames == 11
