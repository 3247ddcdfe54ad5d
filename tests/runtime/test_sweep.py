"""A sweep through Hydra, without training: failing jobs, the table, names of folders."""

import csv
import json
import signal
from pathlib import Path

import pytest
from tiny_run import command

from rgflow.runtime.signals import Interrupted


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def work(config, folder):
    rate = config["training"]["lr"]
    if rate < 0:
        raise ValueError(f"training.lr: got {rate}")
    folder.begun = True
    folder.path.joinpath("metrics.json").write_text(
        json.dumps({"status": "finished", "bits_per_dim": rate / 3, "seed": config["seed"]})
    )
    if rate > 100:
        raise RuntimeError("a bug\nof two lines")
    if rate > 10:
        raise Interrupted(signal.SIGINT)


def sweep(*overrides):
    return command(work, "-m", "hydra.sweep.dir=sweep", *overrides)


def rows():
    with open("sweep/results.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_jobs_that_fail_are_named_and_the_others_run(capfd):
    assert sweep("training.lr=1,-1,2,1000,3", "seed=5") == 1
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert line == (
        "error: job 1 training.lr=-1: training.lr: got -1; "
        "job 3 training.lr=1000: a bug of two lines"
    )
    assert [row["status"] for row in rows()] == ["finished", "failed"] * 2 + ["finished"]
    assert [row["training.lr"] for row in rows()] == ["1", "-1", "2", "1000", "3"]
    assert [row["bits_per_dim"][:5] for row in rows()] == ["0.333", "", "0.666", "333.3", "1.0"]
    assert rows()[1]["error"] == "training.lr: got -1"
    assert {row["seed"] for row in rows()} == {"5", ""}
    table = out[out.index("job  ") :].splitlines()
    assert table[0].split() == ["job", "status", "bits_per_dim"]
    assert table[1].split() == ["0", "training.lr=1", "finished", "0.33333"]
    assert table[2].split() == ["1", "training.lr=-1", "failed"]
    assert table[-1].endswith("sweep/results.csv")
    assert not Path("sweep/1_training.lr=-1").exists()
    assert "Traceback" in Path("sweep/3_training.lr=1000/train.log").read_text()


def test_a_sweep_of_which_no_job_began_leaves_nothing(capfd):
    assert sweep("training.lr=-1,-2") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "job 0 training.lr=-1: training.lr: got -1; job 1" in line
    assert not list(Path().iterdir())


def test_an_interruption_ends_the_sweep_with_the_table_so_far():
    assert sweep("training.lr=1,20,3") == 128 + signal.SIGINT
    assert [row["status"] for row in rows()] == ["finished", "did not end"]


def test_a_sweep_that_goes_well_has_status_0(capfd):
    assert sweep("seed=1,2") == 0
    assert capfd.readouterr().err == ""
    assert [row["seed"] for row in rows()] == ["1", "2"]


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["seed=1,2", "max_steps=3"], {"0_seed=1", "1_seed=2"}),
        (["seed=1", "max_steps=3"], {"0"}),
        (
            ["flow.hidden=[8],[16]", "objective=likelihood", "training.lr=1,2"],
            {f"{i}_flow.hidden=[{h}],training.lr={lr}" for i, (h, lr) in enumerate(
                [(8, 1), (8, 2), (16, 1), (16, 2)])},
        ),
        (["data.root=/a/b,/c/d", "seed=1,2"], {f"{i}_seed={1 + i % 2}" for i in range(4)}),
        (["data.root=/a/b,/c/d"], {"0", "1"}),
        ([f"data.root={'a' * 300},{'b' * 300}"], {"0", "1"}),
        (["seed=1,2", "hydra.sweep.subdir=job${hydra.job.num}"], {"job0", "job1"}),
    ],
)  # fmt: skip
def test_folders_are_named_by_what_is_swept(overrides, names):
    assert sweep(*overrides) == 0
    assert {path.parent.name for path in Path().glob("sweep/**/metrics.json")} == names
