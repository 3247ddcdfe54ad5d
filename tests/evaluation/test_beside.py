"""Chains by several methods side by side."""

import math

from rgflow.evaluation.beside import (
    COPIED,
    lines_beside,
    numbers_beside,
    samples_per_training_second,
)


def report(method, rate, tau=1.0):
    rows = {"m2": {"tau": tau}, "energy_per_site": {"tau": tau / 2}}
    numbers = dict.fromkeys(COPIED, 1.0) | {"independent_samples_per_second": rate}
    return numbers | {"method": method, "observables": rows}


def test_lines_say_what_is_paid_for_against_chains_without_a_flow():
    reports = [report("hybrid", 4.0), report("metropolis", 1.0), report("cluster", 2.0, tau=3.0)]
    beside = {one["method"]: numbers_beside(one) for one in reports}
    lines = list(lines_beside(reports[0] | {"beside": beside}))
    assert lines[0] == ""
    assert lines[2].split() == ["hybrid", "1", "0.5", "1", "0.25"]
    assert lines[4].split() == ["cluster", "3", "1.5", "1", "0.5"]
    assert lines[5:] == [
        "hybrid pays for each second of its training after 4 independent samples, against cluster",
        "metropolis saves no time against cluster: its training is never paid for",
    ]
    assert list(lines_beside(report("hybrid", 4.0))) == []


def test_what_costs_as_much_is_never_paid_for():
    assert samples_per_training_second(0.5, 0.5) == math.inf
