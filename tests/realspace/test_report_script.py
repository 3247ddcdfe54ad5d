import pytest
from script_calls import call_script, load_script


@pytest.fixture
def script():
    """The script as a module, and a call with arguments that gives its exit status."""
    module = load_script("ising_rg")
    return lambda *arguments: call_script(module, *arguments)


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
