import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "ising_rg.py"


@pytest.fixture
def script(monkeypatch):
    """The script as a module, and a call with arguments that gives its exit status."""
    spec = importlib.util.spec_from_file_location("ising_rg", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ising_rg.py", *map(str, arguments)])
        try:
            module.main()
        except SystemExit as end:
            return end.code
        return 0

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--zoom-side", 64], "--zoom-side: got 64"), (["--side", 20], "--side: got 20")],
)
def test_mistake_is_one_line_before_any_work(arguments, words, script, tmp_path, capsys):
    assert script("--out", tmp_path / "new", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "new").exists()


def test_file_in_place_of_the_folder_is_refused_before_any_work(script, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert script("--out", tmp_path / "file") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected a folder" in line
