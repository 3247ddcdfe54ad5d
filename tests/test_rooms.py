"""The rooms of the package and the direction of imports between them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rgflow

PACKAGE = Path(rgflow.__file__).parent
REPOSITORY = PACKAGE.parent

lints = pytest.mark.skipif(
    not (REPOSITORY / "pyproject.toml").is_file(), reason="the contracts are in the checkout"
)


def lint(folder):
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@lints
@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("flow", "from rgflow import training", "rgflow.flow is not allowed to import"),
        ("lattice/operators", "import rgflow.flow", "rgflow.lattice is not allowed to import"),
        ("ops/kernels/tile", "import rgflow.runtime.seeds", "ops.kernels"),
        ("bijectors/base", "import rgflow.bijectors.mera", "No cycles are allowed"),
    ],
)
def test_a_forbidden_import_is_found(module, line, complaint, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "rgflow", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    file = tmp_path / "rgflow" / f"{module}.py"
    file.write_text(f"{file.read_text()}\n\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0
    assert complaint in result.stdout


def test_the_root_of_the_package_is_small():
    assert len(list(PACKAGE.glob("*.py"))) <= 9
