import pytest

from rgflow.runtime.command_line import Parser, one_line_errors


def stopped(work, capsys):
    with pytest.raises(SystemExit) as end, one_line_errors():
        work()
    (line,) = capsys.readouterr().err.splitlines()
    return end.value.code, line


def raising(error):
    def work():
        raise error

    return work


def test_mistakes_and_interruptions_are_one_line(capsys):
    assert stopped(raising(ValueError("got 3,\nexpected 4")), capsys) == (
        1,
        "error: got 3, expected 4",
    )
    assert stopped(raising(KeyboardInterrupt()), capsys) == (130, "error: interrupted by SIGINT")


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--number", "x", "a"], ["--nope", "a"]])
def test_errors_of_arguments_have_no_usage(arguments, capsys):
    parser = Parser(description="Some text.")
    parser.add_argument("name")
    parser.add_argument("--number", type=int)
    status, line = stopped(lambda: parser.parse_args(arguments), capsys)
    assert status == 2
    assert line.startswith("error: ")
    assert line.endswith("; --help says what is expected")
