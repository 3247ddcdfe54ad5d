"""Machine code whose file is damaged is compiled again; what cannot be kept still runs."""

import errno

import pytest

from rgflow.ops.kernels import code_files, jit


def double(x):
    return 2 * x


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Makes the function as a new process would, with its machine code in a folder."""
    monkeypatch.setattr(jit, "_folder", lambda: tmp_path)
    return lambda: jit.jit(double)


def compiled_again(function):
    assert function(3) == 6
    return function.stats.cache_misses == {function.signatures[0]: 1}


def truncate(content):
    return content[: len(content) // 2]


def change(content):
    content[len(content) // 2] ^= 1
    return content


DAMAGES = {"truncated": truncate, "changed": change, "empty": lambda content: b""}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_machine_code_is_compiled_again(suffix, damage, fresh, tmp_path, caplog):
    assert compiled_again(fresh())
    assert not compiled_again(fresh())
    (file,) = tmp_path.rglob(f"*.{suffix}")
    sound = file.read_bytes()
    file.write_bytes(damage(bytearray(sound)))
    assert compiled_again(fresh())
    (line,) = caplog.messages
    assert str(file) in line
    assert "damaged" in line
    caplog.clear()
    assert not compiled_again(fresh())
    assert not caplog.messages


def test_what_cannot_be_kept_runs_all_the_same(fresh, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(code_files.IndexDataCacheFile, "save", full)
    assert compiled_again(fresh())
    (line,) = caplog.messages
    assert "No space left on device" in line
