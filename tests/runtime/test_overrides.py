import pytest

from rgflow.runtime.command_line import Parser
from rgflow.runtime.config import compose_preset
from rgflow.runtime.overrides import with_quoted_paths


@pytest.mark.parametrize("name", ["my photos", "été", "a=b", "(new)", "a,b", "[x]", 'q"q'])
@pytest.mark.parametrize("is_there", [True, False])
def test_paths_are_typed_as_they_are(name, is_there, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    if is_there:
        (tmp_path / name).mkdir()
    for typed in (tmp_path / name, f"~/{name}"):
        (argument,) = with_quoted_paths([f"data.root={typed}"])
        assert compose_preset("config", [argument])["data"]["root"] == str(tmp_path / name)


def test_other_values_are_left_to_hydra(tmp_path):
    others = ["seed=1,2", "data.root=nowhere/a,b", f"hydra.run.dir={tmp_path}/${{now:%S}}", "-m"]
    assert with_quoted_paths(others) == others


def test_scripts_expand_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of/somebody")
    parser = Parser()
    parser.add_argument("--out")
    for arguments in (["--out", "~/x.png"], ["--out=~/x.png"]):
        assert parser.parse_args(arguments).out == "/home/of/somebody/x.png"
