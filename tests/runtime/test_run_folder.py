import errno
import fcntl
from concurrent.futures import ThreadPoolExecutor

import pytest

from rgflow.runtime.run_folder import RunFolder, claim


def made_by_hydra(path):
    (path / ".hydra").mkdir(parents=True, exist_ok=True)
    (path / ".hydra/config.yaml").write_text("seed: 0")
    (path / "train.log").touch()


def test_a_run_that_came_to_nothing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for wanted in ("outputs/msds1/now", "runs/first"):
        path = claim(tmp_path / wanted, is_named=True)
        made_by_hydra(path)
        folder = RunFolder(path)
        (path / "train.log").write_text("precision: 32-true")  # since then
        folder.remove_if_fresh()
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]  # it was there before


@pytest.mark.parametrize("reason", ["older results", "begun"])
def test_what_is_worth_something_stays(reason, tmp_path):
    made_by_hydra(tmp_path / "run")
    if reason == "older results":
        (tmp_path / "run/metrics.json").touch()
    folder = RunFolder(tmp_path / "run")
    folder.begun = reason == "begun"
    folder.remove_if_fresh()
    assert (tmp_path / "run/.hydra/config.yaml").exists()


def test_of_many_that_claim_a_folder_at_once_each_gets_another(tmp_path):
    wanted = tmp_path / "outputs/now"
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(lambda _: claim(wanted, is_named=False), range(64)))
    assert len(set(claimed)) == 64
    assert wanted in claimed
    with pytest.raises(FileExistsError, match="which holds a run, expected a new one"):
        claim(wanted, is_named=True)


def test_a_run_that_is_going_on_is_left_alone(tmp_path):
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    with first.in_use(), pytest.raises(BlockingIOError, match="still going on"), second.in_use():
        pass
    with second.in_use():
        pass


def test_a_file_system_without_locks_takes_runs_with_a_warning(tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with RunFolder(tmp_path).in_use():
        assert f"{tmp_path} cannot be locked: No locks available" in caplog.text
