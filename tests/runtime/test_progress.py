import io
import logging

from tqdm.contrib.logging import logging_redirect_tqdm

from rgflow.runtime import progress as module
from rgflow.runtime.progress import bar, progress, progress_bars, still


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_for(monkeypatch):
    """The terminal to which everything is written from now on."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(module, "DELAY", 0.0)
    return stream


def test_a_bar_is_shown_where_it_is_asked_for_and_goes_at_the_end(monkeypatch):
    terminal = terminal_for(monkeypatch)
    assert list(progress(range(3), "states")) == [0, 1, 2]
    assert terminal.getvalue() == ""
    with progress_bars():
        assert list(progress(range(3), "states")) == [0, 1, 2]
    first, *_, last = terminal.getvalue().strip("\r").split("\r")
    assert first.startswith("states   0%|")
    assert len(first) <= module.COLUMNS
    assert not last.strip()


def test_items_without_a_number_are_counted(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with progress_bars():
        assert list(progress(iter("abc"), "states")) == ["a", "b", "c"]
    assert "states: 0it [00:00" in terminal.getvalue()


def test_no_bar_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with progress_bars():
        assert list(progress(range(3), "states")) == [0, 1, 2]
    assert stream.getvalue() == ""


def test_a_log_gets_a_line_after_a_while_of_silence(monkeypatch):
    stream, clock = io.StringIO(), iter([0, 5, 30, 49, 60, 81])
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    still("outside")
    with progress_bars():
        assert list(progress(range(3), "states")) == [0, 1, 2]  # at 5, 30 and 49 seconds
        assert list(progress(iter("a"), "steps")) == ["a"]
        still("directions")
    lines = ["states: 1 of 3, after 30 s", "steps: 0, after 60 s", "directions, after 81 s"]
    assert stream.getvalue().splitlines() == lines


def test_lines_of_a_log_stay_above_the_bar(monkeypatch):
    terminal = terminal_for(monkeypatch)
    log = logging.getLogger("of_this_test")
    log.addHandler(logging.StreamHandler(terminal))
    log.propagate = False
    with logging_redirect_tqdm([log]), bar(desc="step", total=2) as steps:
        steps.update()
        log.error("step 1: loss 3")
        steps.update()
    shown = terminal.getvalue()
    assert "step 1: loss 3\n" in shown
    assert shown.index("step 1: loss 3") < shown.index("2/2")
