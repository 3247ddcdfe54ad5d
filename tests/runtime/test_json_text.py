import json
import math

from rgflow.runtime.json_text import json_text, write_json


def test_numbers_that_are_not_finite_become_null_at_any_depth(tmp_path):
    report = {"a": math.nan, "b": [1.5, math.inf, {"c": (-math.inf, 2)}], "d": None, "e": True}
    wanted = {"a": None, "b": [1.5, None, {"c": [None, 2]}], "d": None, "e": True}
    assert json.loads(json_text(report)) == wanted
    write_json(tmp_path / "new" / "report.json", report)
    text = (tmp_path / "new" / "report.json").read_text()
    assert text == json_text(report) + "\n"
    assert "NaN" not in text
