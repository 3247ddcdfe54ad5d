import json

import pytest

from rgflow.evaluation.report_files import read_report, training_seconds

FLOW = {"energy": {"name": "Ising"}, "observables": {}, "seconds": 2.0, "ess": 0.5}


def test_reports_are_read_and_checked(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(FLOW))
    assert read_report(path, "ess") == FLOW
    with pytest.raises(ValueError, match=r"no method.*simulate\.py"):
        read_report(path, "method")
    path.write_text(json.dumps(FLOW | {"steps": 3000, "training_seconds": 60.0}))
    with pytest.raises(ValueError, match=r"metrics of a training run.*evaluate\.py"):
        read_report(path, "ess")
    for content in ("[1]", "3", '{"ess": 1', ""):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"evaluate\.py"):
            read_report(path, "ess")
    with pytest.raises(FileNotFoundError, match="no file"):
        read_report(tmp_path / "other.json", "ess")


def test_training_time_is_that_of_the_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="metrics"):
        training_seconds(tmp_path)
    (tmp_path / "metrics.json").write_text('{"seconds": 60.0, "training_seconds": 12.5}')
    assert training_seconds(tmp_path) == 12.5
    (tmp_path / "larger").mkdir()
    (tmp_path / "larger" / "metrics.json").write_text('{"training_seconds": 30.0}')
    assert training_seconds(tmp_path, tmp_path / "larger") == 42.5
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match="training_seconds"):
        training_seconds(tmp_path)
