"""The installed wheel is the whole product, in another environment and another folder."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from hatchling.build import build_wheel

REPOSITORY = Path(__file__).parents[1]
COMMANDS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with the wheel, which finds the dependencies in that of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        wheel = folder / build_wheel(str(folder))
    venv.create(folder / "env", symlinks=True)
    python = folder / "env/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=100)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "env/bin"


def test_every_command_is_there(environment):
    assert {path.name for path in environment.glob("rgflow-*")} == set(COMMANDS)


def test_it_trains_evaluates_and_samples_from_another_folder(environment, tmp_path):
    variables = {"RGFLOW_PLAIN": "1"}  # without compiling machine code anew
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables

    def run(command, *arguments):
        call = [environment / command, *arguments]
        subprocess.run(call, cwd=tmp_path, env=clean, check=True, timeout=100)

    settings = ["experiment=ising_l4", "debug=fast", "quick.samples=64", "flow.hidden=4"]
    run("rgflow-train", *settings, "training.reference_states=0", "hydra.run.dir=run")
    run("rgflow-sample", "run/checkpoints/last.ckpt", "--count", "4", "--out", "samples.png")
    assert (tmp_path / "samples.png").stat().st_size > 0
    where = "import rgflow; print(rgflow.__file__)"
    python = [environment / "python", "-c", where]
    found = subprocess.run(python, cwd=tmp_path, env=clean, check=True, capture_output=True)
    assert str(environment.parent) in found.stdout.decode()
