import logging
import os
import threading

import pytest
import torch

from rgflow.data import generate_msds, load_msds
from rgflow.data import tensor_cache as cache


def request(root):
    return load_msds(root, 1, 20, side=16, seed=4)


def only_file(root):
    (path,) = root.iterdir()  # also says that no temporary file is left
    return path


def test_second_load_reads_the_file(tmp_path, monkeypatch):
    first = request(tmp_path)
    monkeypatch.setattr("rgflow.data.msds.generate_msds", None)
    second = request(tmp_path)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.images, generate_msds(1, 20, side=16, seed=4).images)


def flip(position):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[position] ^= 0x10
        path.write_bytes(content)

    return damage


DAMAGES = {
    "magic": flip(0),
    "pickle": flip(100),
    "first tensor": flip(2000),
    "directory": flip(-200),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
    "header only": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "another format": lambda path: path.write_bytes(b"rgflow-cache-1 " + b"0" * 2000),
    "no text": lambda path: path.write_bytes(b"\xff\x00" * 500),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_and_repaired(damage, tmp_path, caplog):
    original = request(tmp_path)
    path = only_file(tmp_path)
    sound = path.read_bytes()
    wanted = original.images.clone(), original.labels.clone()
    damage(path)
    with caplog.at_level(logging.WARNING):
        again = request(tmp_path)
    assert "rebuilding" in caplog.text
    assert torch.equal(again.images, wanted[0])
    assert torch.equal(again.labels, wanted[1])
    assert only_file(tmp_path).read_bytes() == sound


def test_no_damaged_byte_changes_what_is_loaded(tmp_path):
    path, tensors = tmp_path / "a.cache", {"x": torch.arange(50)}

    def loaded():
        return cache.load_or_build(path, "r", lambda: tensors)["x"]

    assert torch.equal(loaded(), tensors["x"])
    sound = path.read_bytes()
    for position in range(0, len(sound), 7):
        content = bytearray(sound)
        content[position] ^= 0x10
        path.write_bytes(content)
        assert torch.equal(loaded(), tensors["x"]), position


def test_another_recipe_is_rebuilt(tmp_path, caplog):
    path = tmp_path / "a.cache"
    cache.load_or_build(path, "old", lambda: {"x": torch.zeros(2)})
    with caplog.at_level(logging.INFO):
        found = cache.load_or_build(path, "new", lambda: {"x": torch.ones(3)}, "all is new")
    assert torch.equal(found["x"], torch.ones(3))
    assert caplog.messages == [f"rebuilding {path}: all is new"]


def test_types_shapes_and_empty_tensors_survive(tmp_path):
    tensors = {
        "odd": torch.arange(7, dtype=torch.uint8),
        "none": torch.empty(0, 3),
        "real": torch.randn(3, 5),
        "whole": torch.arange(4).view(2, 2).t(),
    }
    found = cache.load_or_build(tmp_path / "a.cache", "r", lambda: tensors)
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_writing_into_loaded_tensors_leaves_the_file_alone(tmp_path):
    images = request(tmp_path).images
    before = only_file(tmp_path).read_bytes()
    images.zero_()
    assert only_file(tmp_path).read_bytes() == before


def test_a_file_that_is_truncated_later_changes_nothing(tmp_path):
    images = generate_msds(1, 500, side=16, seed=4).images
    loaded = cache.load_or_build(tmp_path / "a.cache", "r", lambda: {"x": images})["x"]
    os.truncate(tmp_path / "a.cache", 100)
    child = os.fork()  # a mapping of the file would end the process that reads it
    if child == 0:
        os._exit(not torch.equal(loaded, images))
    assert os.waitpid(child, 0)[1] == 0


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        request(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        ValueError, match=r"cannot use the cache file .* expected a folder"
    ) as caught:
        request(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_simultaneous_builds_leave_one_whole_file(tmp_path):
    found = []
    # All are past the check for the file before any has written it.
    gate = threading.Barrier(6)

    def build():
        gate.wait()
        return generate_msds(2, 500, side=16)._asdict()

    def load():
        found.append(cache.load_or_build(tmp_path / "a.cache", "r", build))

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = generate_msds(2, 500, side=16)
    assert len(found) == 6
    assert all(torch.equal(tensors["images"], wanted.images) for tensors in found)
    assert only_file(tmp_path).name == "a.cache"
