"""Each run and each sweep has a folder of its own, through Hydra, without training."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from tiny_run import command

ENDINGS = {"": 1, "_2": 2, "_3": 3}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def same_second(monkeypatch):
    class Frozen(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2025, 1, 2, 3, 4, 5)

    monkeypatch.setattr("hydra.core.utils.datetime", Frozen)


def work(config, folder):
    folder.begun = True
    results = folder.path / "metrics.json"
    assert not results.exists()
    results.write_text(f'{{"seed": {config["seed"]}}}')


def seeds(pattern):
    return {path: json.loads(text)["seed"] for path, text in found(pattern).items()}


def found(pattern):
    return {str(path): path.read_text() for path in Path().glob(pattern) if path.is_file()}


@pytest.mark.usefixtures("same_second")
def test_runs_of_the_same_second_have_different_folders():
    for seed in (1, 2, 3):
        assert command(work, f"seed={seed}") == 0
    start = "outputs/msds1_quick/2025-01-02_03-04-05"
    wanted = {f"{start}{end}/metrics.json": seed for end, seed in ENDINGS.items()}
    assert seeds("outputs/**/metrics.json") == wanted
    for path, seed in wanted.items():
        config = Path(path).with_name(".hydra") / "config.yaml"
        assert f"seed: {seed}\n" in config.read_text()


@pytest.mark.usefixtures("same_second")
def test_sweeps_of_the_same_second_have_different_folders():
    for first in (1, 3):
        assert command(work, "-m", f"seed={first},{first + 1}") == 0
    assert sorted(seeds("multirun/*/*/metrics.json").values()) == [1, 2, 3, 4]
    assert {p.name for p in Path("multirun").iterdir()} == {
        "2025-01-02_03-04-05",
        "2025-01-02_03-04-05_2",
    }


@pytest.mark.parametrize("more", [[], ["ckpt_path=other/checkpoints/last.ckpt"]])
def test_a_named_folder_of_a_run_is_refused_in_one_line(more, capfd):
    assert command(work, "hydra.run.dir=my run") == 0
    before = found("my run/**/*.*")
    capfd.readouterr()
    assert command(work, "hydra.run.dir=my run", "seed=1", *more) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "got the folder my run, which holds a run" in line
    assert "'ckpt_path=\"my run/checkpoints/last.ckpt\"' to go on" in line
    assert found("my run/**/*.*") == before


def test_a_named_folder_of_a_sweep_is_refused_in_one_line(capfd):
    assert command(work, "-m", "seed=1,2", "hydra.sweep.dir=\"'a' sweep\"") == 0
    before = found("'a' sweep/**/*.*")
    capfd.readouterr()
    assert command(work, "-m", "seed=3,4", "hydra.sweep.dir=\"'a' sweep\"") == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert found("'a' sweep/**/*.*") == before
    assert sorted(seeds("'a' sweep/*/metrics.json").values()) == [1, 2]


def test_a_folder_with_other_things_may_be_named():
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("kept")
    assert command(work, "hydra.run.dir=mine") == 0
    assert found("mine/*.*").keys() == {"mine/metrics.json", "mine/notes.txt"}


def test_the_resumed_run_keeps_its_folder_and_its_configuration():
    assert command(work, "hydra.run.dir=run") == 0
    before = found("run/.hydra/*")
    Path("run/metrics.json").unlink()
    resumed = ["ckpt_path=run/checkpoints/../checkpoints/last.ckpt", "hydra.run.dir=./run"]
    assert command(work, *resumed, "seed=5") == 0
    assert seeds("run/metrics.json") == {"run/metrics.json": 5}
    assert found("run/.hydra/*") == before


def test_a_folder_that_cannot_be_made_is_one_line(capfd):
    Path("file").write_text("")
    assert command(work, "hydra.run.dir=file/run") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "file/run" in line


def test_paths_that_are_there_need_no_quotes(monkeypatch):
    name = '0_seed=1,lr=2 é (a) it\'s "b" [x]: y'
    folder = Path("sub") / name
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(Path().absolute()))
    read = []
    assert command(lambda config, _: read.append(config), f"data.root={folder}") == 0
    assert command(lambda config, _: read.append(config), f"data.root=~/{folder}") == 0
    assert [config["data"]["root"] for config in read] == [str(folder), str(folder.absolute())]
    folder.joinpath("checkpoints").mkdir()
    folder.joinpath("checkpoints/last.ckpt").touch()
    resumed = [f"ckpt_path={folder}/checkpoints/last.ckpt", f"hydra.run.dir={folder}"]
    assert command(work, *resumed) == 0
    assert (folder / "metrics.json").exists()
