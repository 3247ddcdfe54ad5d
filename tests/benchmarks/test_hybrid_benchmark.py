"""The benchmark of hybrid chains averages over seeds, and says when a flow is paid for."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import hybrid as benchmark
from tiny_checkpoints import FIELD_FLOW

from rgflow.checkpoint import save_flow
from rgflow.evaluation.beside import COPIED
from rgflow.runtime.config import build

ENERGY = {"_target_": "rgflow.energies.Ising", "_convert_": "all", "side": 4}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flow.ckpt"
    save_flow(build(FIELD_FLOW, "flow"), FIELD_FLOW, path)
    content = torch.load(path, weights_only=True)
    content["config"]["energy"] = ENERGY
    torch.save(content, path)
    return path


def test_means_and_errors_over_seeds():
    found = benchmark.over_seeds([{"tau_m2": value} for value in (1.0, 2.0, 6.0)])
    assert found == {"tau_m2": 3.0, "tau_m2_error": pytest.approx((7 / 3) ** 0.5)}


def test_an_independent_sample_is_two_of_the_larger_autocorrelation_times():
    rows = {"m2": {"value": 0.6, "tau": 1.5}, "energy_per_site": {"value": -1.0, "tau": 3.0}}
    report = dict.fromkeys(COPIED, 1.0)
    report |= {"states": 10, "chains": 4, "tau": 3.0, "observables": rows}
    found = benchmark.numbers_of(report, seconds=8.0)
    assert (found["tau_m2"], found["tau_energy"], found["m2"]) == (1.5, 3.0, 0.6)
    assert found["seconds_per_state"] == 0.2
    assert found["seconds_per_independent_sample"] == pytest.approx(1.2)


@pytest.mark.filterwarnings("ignore::rgflow.statistics.ChainWarning")
def test_the_table_has_all_methods_and_the_file_its_numbers(path, monkeypatch, capsys):
    out = path.with_name("hybrid.json")
    counts = ["--chains", "8", "--states", "8", "--seeds", "2", "--json", str(out)]
    monkeypatch.setattr(benchmark, "machine", dict)
    monkeypatch.setattr(sys, "argv", ["hybrid.py", str(path), *counts])
    benchmark.main()
    titles, _, *rows = capsys.readouterr().out.splitlines()
    assert "ms per independent sample" in titles
    results = json.loads(out.read_text())["results"]
    assert [row["method"] for row in results] == ["cluster", "metropolis", "hybrid"]
    for row, line in zip(results, rows, strict=True):
        assert f"| {row['method']} |" in line
        assert row["seconds_per_independent_sample"] >= row["seconds_per_state"] > 0
    alone, _, both = (row["seconds_per_independent_sample"] for row in results)
    paid = results[2]["samples_per_training_second"]
    assert paid is None if both >= alone else paid == pytest.approx(1 / (alone - both))
