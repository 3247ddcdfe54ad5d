import os
import stat

import pytest

from rgflow.files import write_atomically


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


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_any_other_file(tmp_path):
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "x", lambda file: file.write(b""))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "x")]
    assert modes[0] == modes[1]
