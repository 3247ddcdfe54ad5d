"""Where machine code is kept."""

import os
import subprocess
import sys

import numba
import pytest

from rgflow.ops.kernels import jit


@pytest.fixture
def _fresh():
    jit._folder.cache_clear()
    yield
    jit._folder.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_the_first_folder_that_can_be_written_is_taken(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "rgflow")
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(jit, "_candidates", lambda: iter((blocked, tmp_path / "good")))
    folder = jit._folder()
    assert folder.parent == tmp_path / "good"
    assert folder.is_dir()

    def double(x):
        return 2 * x

    before = numba.config.CACHE_DIR
    assert jit.jit(double)(3) == 6
    assert list(folder.rglob("*.nbc"))
    assert "compiled now" in caplog.text
    caplog.clear()
    jit._announce.cache_clear()
    jit.jit(double)
    assert not caplog.text
    assert before == numba.config.CACHE_DIR


@pytest.mark.usefixtures("_fresh")
def test_without_any_folder_there_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setattr(jit, "_candidates", lambda: iter((tmp_path / "file",)))
    assert jit._folder() is None
    assert "NUMBA_CACHE_DIR" in caplog.text
    assert jit.jit(lambda x: x + 1)(1) == 2


def test_the_folder_that_is_asked_for_comes_first(tmp_path, monkeypatch):
    assert next(iter(jit._candidates())).name == "__pycache__"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert list(jit._candidates()) == [tmp_path]


def test_numba_is_imported_by_those_only_who_use_it():
    code = (
        "import sys, torch, rgflow.train\n"
        "from rgflow.conditioners import MLP\n"
        "from rgflow.ops import apply_net\n"
        "apply_net(MLP(2, 2, (4,)).double(), torch.zeros(3, 2, dtype=torch.float64))\n"
        "apply_net(MLP(2, 2, (400,)), torch.zeros(3, 2))\n"
        "assert 'numba' not in sys.modules\n"
        "apply_net(MLP(2, 2, (4,)), torch.zeros(3, 2))\n"
        "assert 'numba' in sys.modules\n"
    )
    environment = os.environ | {"RGFLOW_PLAIN": "0"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
