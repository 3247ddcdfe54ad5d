import errno
import fcntl
import os
import stat
import subprocess
import sys

import pytest

from rgflow.runtime.files import check_output, remove_abandoned, write_atomically


def test_a_failing_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "new" / "x"
    write_atomically(path, lambda file: file.write(b"old"))

    def breaks(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, breaks)
    assert path.read_bytes() == b"old"
    write_atomically(str(path), lambda file: file.write(b"newer"))
    assert path.read_bytes() == b"newer"
    assert [p.name for p in path.parent.iterdir()] == ["x"]


def test_one_folder_is_made_and_no_more(tmp_path, caplog):
    for path in (tmp_path / "new" / "x.png", tmp_path / "y.png"):
        check_output(path, ".png")
        write_atomically(path, lambda file: file.write(b""))
    assert caplog.messages == [f"made the folder {tmp_path / 'new'}"]
    wrong = tmp_path / "slip" / "of" / "x.png"
    for write in (check_output, lambda path: write_atomically(path, lambda file: None)):
        with pytest.raises(
            FileNotFoundError, match=r"got .*slip/of to write to, expected a folder"
        ):
            write(wrong)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "y.png"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_any_other_file(tmp_path):
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "x", lambda file: file.write(b""))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "x")]
    assert modes[0] == modes[1]


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "from rgflow.runtime.files import write_stdout as w\nfor i in range(9): w('x' * 99999)"
    writer = [sys.executable, "-c", code]
    with subprocess.Popen(writer, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_temporary_file_is_left_alone_while_its_writer_lives(tmp_path):
    path = tmp_path / "x"

    def write(file):
        remove_abandoned(tmp_path)
        (temporary,) = tmp_path.iterdir()
        assert str(temporary) == file.name
        file.write(b"first")

    write_atomically(path, write)
    assert path.read_bytes() == b"first"


def test_a_temporary_file_that_is_taken_away_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    original, names = fcntl.flock, []

    def lock(file, how):
        original(file, how)
        names.append(file.name)
        if len(names) == 1:
            os.unlink(file.name)

    monkeypatch.setattr(fcntl, "flock", lock)
    write_atomically(tmp_path / "x", lambda file: file.write(b"content"))
    assert (tmp_path / "x").read_bytes() == b"content"
    assert len(set(names)) == 2


def test_an_error_of_the_disk_names_the_file_and_not_the_temporary_one(tmp_path):
    def breaks(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomically(tmp_path / "x", breaks)
    assert caught.value.filename == str(tmp_path / "x")
