import io

from tiny_run import train


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_run_on_a_terminal_has_one_bar_and_its_lines_above(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stderr", terminal)
    overrides = ["max_steps=12", "validation_every=6", "log_every=4"]
    assert train(*overrides, f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run") == 0
    shown = terminal.getvalue()
    drawn = [part for line in shown.split("\n") for part in line.split("\r") if "/12 [" in part]
    assert drawn[0].startswith("step   0%|")
    assert drawn[-1].startswith("step 100%|")
    assert any(part.startswith("validating, step") for part in drawn)
    assert max(map(len, drawn)) <= 80
    lines = [part for line in shown.split("\n") for part in line.split("\r")]
    steps = [line for line in lines if " step " in line and "/12 [" not in line]
    assert [line.split()[2] for line in steps if "train " in line] == [
        "1/12:",
        "4/12:",
        "8/12:",
        "12/12:",
    ]
    last_drawn = len(lines) - 1 - lines[::-1].index(drawn[-1])  # the same text may come twice
    assert lines.index(steps[-1]) < last_drawn
    *_, last = filter(str.strip, lines)
    assert "result: bits_per_dim" in last
