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


def test_help_tells_the_defaults():
    parser = Parser()
    parser.add_argument("--count", type=int, default=64, help="number of samples")
    parser.add_argument("--low", type=float, nargs="+", default=[0.5, 1.0], help="temperatures")
    parser.add_argument("--cut", type=int, help="the cut-off; the middle if not given")
    parser.add_argument("--device", default="cpu")
    for _ in range(2):  # asking twice says it once
        text = " ".join(parser.format_help().split())
        for told in (
            "--count COUNT number of samples; 64 if not given",
            "temperatures; 0.5 1 if not given",
            "--cut CUT the cut-off; the middle if not given",
            "--device DEVICE cpu if not given",
        ):
            assert told in text
    assert text.count("if not given") == 4


def test_a_mistake_names_the_option_that_it_came_with(capsys):
    def command(message):
        parser = Parser()
        parser.add_argument("--cut-off", type=int)
        parser.parse_args([])
        raise ValueError(message)

    for message, wanted in (
        ("cut_off: got 7, expected 0 to 3", "--cut-off: got 7, expected 0 to 3"),
        ("--cut-off: got 7", "--cut-off: got 7"),
        ("got cut_off=7 and n=2, expected 1", "got --cut-off 7 and n=2, expected 1"),
        ("z: got 7", "z: got 7"),
    ):
        assert stopped(lambda text=message: command(text), capsys) == (1, f"error: {wanted}")
    # what another command has parsed says nothing about this one
    assert stopped(raising(ValueError("cut_off: got 7")), capsys)[1] == "error: cut_off: got 7"


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--number", "x", "a"], ["--nope", "a"]])
def test_errors_of_arguments_have_no_usage(arguments, capsys):
    parser = Parser(description="Some text.")
    parser.add_argument("name")
    parser.add_argument("--number", type=int)
    status, line = stopped(lambda: parser.parse_args(arguments), capsys)
    assert status == 2
    assert line.startswith("error: ")
    assert line.endswith("; --help says what is expected")
