from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from script_calls import call_script

from rgflow.data import ImageDataModule
from rgflow.data.registry import SOURCES
from rgflow.plotting.grids import MARGIN, TITLE
from rgflow.runtime.config import compose_preset

REPOSITORY = Path(__file__).resolve().parents[2]


def small(root, **arguments):
    defaults = {"side": 16, "batch_size": 8, "train_size": 40}
    defaults |= {"validation_size": 10, "test_size": 12, "eval_batch_size": 4}
    module = ImageDataModule("msds2", str(root), **defaults | arguments)
    module.prepare_data()
    module.setup()
    return module


def test_batches_are_plain_byte_tensors(tmp_path):
    module = small(tmp_path)
    batches = list(module.train_dataloader())
    assert len(batches) == 5
    for batch in batches:
        assert type(batch) is torch.Tensor
        assert batch.shape == (8, *module.event_shape)
        assert batch.dtype == torch.uint8


def test_evaluation_loaders_give_all_images_in_order(tmp_path):
    module = small(tmp_path)
    for split, loader in (
        ("validation", module.val_dataloader()),
        ("test", module.test_dataloader()),
    ):
        assert torch.equal(torch.cat(list(loader)), module.images(split))
        assert len(loader) == 3


@pytest.mark.parametrize("step", [0, 2, 7])
def test_ranks_and_steps_of_the_trainer_are_used(step, tmp_path):
    def batches(rank, world_size, batch_size):
        module = small(tmp_path, batch_size=batch_size)
        module.trainer = SimpleNamespace(
            global_rank=rank,
            world_size=world_size,
            global_step=step,
            accumulate_grad_batches=1,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        )
        return list(module.train_dataloader()), list(module.test_dataloader())

    whole, _ = batches(0, 1, 8)
    (first, first_test), (second, second_test) = batches(0, 2, 4), batches(1, 2, 4)
    for both, one, two in zip(whole, first, second, strict=True):
        assert torch.equal(torch.cat([one, two]), both)
    tested = {image.numpy().tobytes() for image in torch.cat(first_test + second_test)}
    assert tested == {image.numpy().tobytes() for image in small(tmp_path).images("test")}
    assert sum(map(len, first_test + second_test)) == 12


def test_labels_belong_to_the_images(tmp_path):
    module = small(tmp_path)
    assert {split: len(rows) for split, rows in module.labels.items()} == {
        "train": 40, "validation": 10, "test": 12
    }  # fmt: skip
    for split, rows in module.labels.items():
        brightest = module.images(split).flatten(2).amax(2).float()
        assert (brightest <= rows[..., 3:].amax(1)).all()


def test_splits_do_not_leak_and_ignore_batches_and_order_seeds(tmp_path):
    reference = small(tmp_path)
    other = small(tmp_path, batch_size=3, seed=5, train_size=20, eval_batch_size=1)
    for split in ("validation", "test"):
        assert torch.equal(reference.images(split), other.images(split))
    assert torch.equal(reference.images("train")[:20], other.images("train"))
    assert not torch.equal(
        next(iter(reference.train_dataloader()))[:3], next(iter(other.train_dataloader()))
    )
    everything = torch.cat([reference.images(s) for s in ("train", "validation", "test")])
    assert len({image.numpy().tobytes() for image in everything}) == 62
    assert not torch.equal(small(tmp_path, data_seed=1).images("test"), other.images("test"))


def test_cache_folder_can_be_elsewhere(tmp_path):
    small(tmp_path / "a", cache_dir=str(tmp_path / "b"))
    assert not (tmp_path / "a").exists()
    assert len(list((tmp_path / "b").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "msds3"}, "got 'msds3', expected one of msds1, msds2, mnist"),
        ({"side": 20}, "side: got 20, expected a positive multiple of 8"),
        ({"side": 0}, "side: got 0, expected at least 2"),
        ({"channels": 1}, "msds1 channels: got 1, expected 3"),
        ({"dataset": "mnist", "channels": 3}, "mnist channels: got 3, expected 1"),
        ({"dataset": "folder", "channels": 4}, "folder channels: got 4, expected 3 or 1"),
        ({"batch_size": 0}, "batch_size: got 0, expected at least 1"),
        ({"eval_batch_size": 0}, "eval_batch_size: got 0, expected at least 1"),
        ({"train_size": 63}, "train_size: got 63, expected at least 64"),
        ({"validation_size": 0}, "validation_size: got 0, expected at least 1"),
        ({"test_size": -1}, "test_size: got -1, expected at least 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: got 0, expected at least 1"),
        ({"num_workers": -1}, "num_workers: got -1, expected at least 0"),
    ],
)
def test_impossible_numbers_are_refused_at_construction(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        ImageDataModule(**{"dataset": "msds1"} | arguments)
    assert "\n" not in str(caught.value)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="split: got 'valid', expected one of train, validation"):
        small(tmp_path).images("valid")


@pytest.mark.parametrize("name", SOURCES)
def test_configuration_of_every_set(name, monkeypatch):
    monkeypatch.setenv("RGFLOW_DATA", "elsewhere")
    node = compose_preset(f"data/{name}", ["+seed=3"])["data"]
    assert (node.pop("_target_"), node.pop("_convert_")) == ("rgflow.data.ImageDataModule", "all")
    assert node["root"].startswith("elsewhere")
    assert node["seed"] == 3
    module = ImageDataModule(**node)
    assert module.event_shape == (node["channels"], node["side"], node["side"])
    assert compose_preset(f"data/{name}")["data"]["seed"] == 0


def test_every_configuration_is_of_a_known_set():
    files = {path.stem for path in (REPOSITORY / "conf" / "data").glob("*.yaml")}
    assert files == {*SOURCES, "user"}


def test_make_msds_script(tmp_path, capsys):
    out, preview = tmp_path / "new" / "x.npz", tmp_path / "x.png"
    size = ["--count", 12, "--side", 16]
    assert call_script("make_msds", 2, *size, "--out", out, "--preview", preview) == 0
    assert "12 images of 16x16" in capsys.readouterr().out
    with np.load(out) as arrays:
        assert arrays["images"].shape == (12, 3, 16, 16)
        assert arrays["labels"].shape == (12, 4, 6)
    grid = np.asarray(Image.open(preview).convert("RGB"))[MARGIN + TITLE :, MARGIN:]
    scale, width = 8, 8 * 16 + 2
    assert grid.shape[1] >= 8 * width + 2
    row, column = slice(width + 2, 2 * width, scale), slice(3 * width + 2, 4 * width, scale)
    with np.load(out) as arrays:
        assert np.array_equal(grid[row, column].transpose(2, 0, 1), arrays["images"][11])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "x.npz", "x.png"]


def test_make_msds_script_refuses_in_one_line(tmp_path, capsys):
    assert call_script("make_msds", 1, "--side", 20, "--out", tmp_path / "new" / "x.npz") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "got 20, expected a positive multiple of 8" in line
    assert list(tmp_path.iterdir()) == []
