"""A storm sees what it looks for: how a run has ended, and a single changed bit."""

import os
import random
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import storm_faults
import storm_runs


def test_a_run_is_told_apart_by_its_status_and_its_lines(tmp_path):
    def refuse():
        print("progress")
        print("error: got 3, expected 4", file=sys.stderr)
        raise SystemExit(1)

    assert storm_runs.Run(tmp_path / "a", before=lambda: os._exit(3)).wait().status == 3
    ending = storm_runs.Run(tmp_path / "b", before=refuse).wait()
    assert ending.is_one_line
    assert "progress" in ending.said
    crashed = storm_runs.Run(tmp_path / "c", before=lambda: 1 / 0).wait()
    assert crashed.status == 1
    assert not crashed.is_one_line
    run = storm_runs.Run(tmp_path / "d", before=lambda: [None for _ in iter(int, 1)])
    assert not run.is_over
    run.kill()
    assert run.wait().status == -9


def test_one_bit_is_a_difference(tmp_path):
    path = storm_runs.last(tmp_path)
    path.parent.mkdir()
    reference = {part: {"weights": [torch.zeros(3)]} for part in storm_runs.STATE}
    torch.save(reference, path)
    assert storm_runs.ends_as(reference, tmp_path)
    reference["optimizer_states"]["weights"][0][1] = 1e-45
    assert not storm_runs.ends_as(reference, tmp_path)
    path.write_bytes(storm_faults.truncate(path.read_bytes(), random.Random(0)))
    assert not storm_runs.ends_as(reference, tmp_path)


def test_damages_are_one_bit_or_an_end():
    content, generator = bytes(range(200)), random.Random(1)
    changed = storm_faults.flip(content, generator)
    assert sum((a ^ b).bit_count() for a, b in zip(content, changed, strict=True)) == 1
    assert content.startswith(storm_faults.truncate(content, generator))
