import subprocess
import sys

import pytest
import torch

from rgflow.checkpoint import describe_misfit, load_config, load_flow, save_flow
from rgflow.models import ConvLevels, conv_flow
from rgflow.runtime.config import build

NODE = {
    "_target_": "rgflow.models.conv_flow",
    "_convert_": "all",
    "side": 8,
    "channels": 1,
    "couplings": [2],
    "hidden": [8],
    "pixels": True,
}


@pytest.fixture
def saved(tmp_path):
    """A flow with weights that are not those of a fresh one, and its file."""
    torch.manual_seed(1)
    flow = build(NODE, "flow")
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_flow(flow, NODE, tmp_path / "folder" / "flow.ckpt")
    return flow, tmp_path / "folder" / "flow.ckpt"


def test_loaded_flow_is_the_saved_one(saved):
    flow, path = saved
    loaded = load_flow(path)
    assert not loaded.training
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))
    assert load_config(path) == {"flow": NODE}
    assert [p.name for p in path.parent.iterdir()] == ["flow.ckpt"]


def test_a_flow_keeps_the_precision_of_its_weights(saved, tmp_path):
    flow = saved[0].double()
    save_flow(flow, NODE, tmp_path / "double.ckpt")
    loaded = load_flow(tmp_path / "double.ckpt")
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))
    assert loaded.sample(2).dtype == torch.float64


def test_loading_and_generated_data_need_neither_hydra_nor_lightning(saved):
    code = (
        "import sys\n"
        "for name in ('hydra', 'omegaconf', 'lightning', 'matplotlib', 'torchvision'):\n"
        "    sys.modules[name] = None\n"
        "from rgflow.checkpoint import load_flow\n"
        f"assert load_flow({str(saved[1])!r}).event_shape == (1, 8, 8)\n"
        "from rgflow.data import generate_msds\n"
        "assert 'PIL' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip"])
def test_foreign_file(content, tmp_path):
    path = tmp_path / "odd.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"odd.ckpt.*expected an rgflow checkpoint"):
        load_flow(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated_file(part, saved):
    path = saved[1]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match=r"flow.ckpt.*truncated.*expected"):
        load_flow(path)


def test_no_damaged_byte_changes_the_weights(saved):
    flow, path = saved
    sound = path.read_bytes()
    directory = sound.rindex(b"PK\1\2")
    for position in (*range(0, len(sound), len(sound) // 50), *range(directory, directory + 46)):
        content = bytearray(sound)
        content[position] ^= 0x10
        path.write_bytes(content)
        try:
            loaded = load_flow(path).state_dict()
        except ValueError:
            continue
        # a byte between the records
        assert all(torch.equal(loaded[name], w) for name, w in flow.state_dict().items())


def test_missing_file_and_other_tensors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.ckpt"):
        load_flow(tmp_path / "nowhere.ckpt")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"other.ckpt.*weight.*expected"):
        load_flow(tmp_path / "other.ckpt")
    torch.save({"config": {}, "state_dict": {}}, tmp_path / "empty.ckpt")
    with pytest.raises(ValueError, match=r"empty.ckpt.*flow"):
        load_flow(tmp_path / "empty.ckpt")


def test_code_in_a_file_is_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'attacked')!r}, 'w')",)

    torch.save({"config": {"flow": NODE}, "state_dict": Attack()}, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match=r"bad.ckpt"):
        load_flow(tmp_path / "bad.ckpt")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    "target", ["os.system", "rgflow.modelsx.f", "rgflow", "rgflow.Flow", None]
)
def test_targets_outside_the_package_are_refused(target, saved, tmp_path):
    flow, path = saved
    with pytest.raises(ValueError, match=r"_target_"):
        save_flow(flow, NODE | {"_target_": target}, tmp_path / "x.ckpt")
    content = torch.load(path, weights_only=True)
    content["config"]["flow"]["_target_"] = target
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"_target_"):
        load_flow(path)


ATTACKS = {
    "builder": {
        "_target_": "rgflow.runtime.config.build",
        "node": {"_target_": "os.system", "command": "touch attacked"},
        "name": "x",
    },
    "importer": {"_target_": "rgflow.runtime.config.import_module", "name": "attack"},
    "imported into the module": {"_target_": "rgflow.models.partial", "func": "attack"},
    "module below": {"_target_": "rgflow.models.attack.main"},
}


@pytest.mark.parametrize("node", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_file_can_call_makers_of_flows_only(node, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "attack.py").write_text("open('attacked', 'w')")
    path = saved[1]
    content = torch.load(path, weights_only=True)
    content["config"]["flow"] = node
    torch.save(content, path)
    with pytest.raises(ValueError, match="_target_"):
        load_flow(path)
    assert not (tmp_path / "attacked").exists()


def test_what_is_no_flow_is_refused(saved, monkeypatch):
    def nothing(side: int):
        return None

    nothing.__module__ = "rgflow.models"
    monkeypatch.setattr("rgflow.models.nothing", nothing, raising=False)
    path = saved[1]
    content = torch.load(path, weights_only=True)
    content["config"]["flow"] = {"_target_": "rgflow.models.nothing", "side": 3}
    torch.save(content, path)
    with pytest.raises(ValueError, match="got a NoneType, expected a Flow"):
        load_flow(path)


def test_weights_of_another_shape_are_refused(saved):
    path = saved[1]
    content = torch.load(path, weights_only=True)
    content["config"]["flow"]["hidden"] = [16]
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"do not fit.*got shape.*expected"):
        load_flow(path)
    del content["state_dict"][next(iter(content["state_dict"]))]
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"1 tensors missing and 0 unknown"):
        load_flow(path)


def first_weight(content, change):
    name = next(iter(content["state_dict"]))
    content["state_dict"][name] = change(content["state_dict"][name])


EDITS = {
    "list of weights": (lambda c: c.update(state_dict=[1]), "got 'state_dict' of type list"),
    "no weights": (lambda c: c.update(state_dict=None), "got 'state_dict' of type NoneType"),
    "numbered weight": (
        lambda c: c["state_dict"].update({1: torch.zeros(1)}),
        "'state_dict' .*1.*string",
    ),
    "text as weight": (lambda c: first_weight(c, str), "'state_dict' .*instance of Tensor"),
    "integers": (lambda c: first_weight(c, torch.Tensor.long), "numbers of type int64, expected"),
    "complex": (lambda c: first_weight(c, lambda w: w + 0j), "numbers of type complex64"),
    "sparse": (lambda c: first_weight(c, torch.Tensor.to_sparse), "no plain tensor"),
    "nan": (lambda c: first_weight(c, lambda w: w * torch.nan), "not finite, expected finite"),
    "infinity": (lambda c: first_weight(c, lambda w: w.fill_(torch.inf)), "not finite"),
    "huge": (lambda c: c["config"]["flow"].update(side=2**23), "got 8388608, expected at most"),
    "wide": (lambda c: c["config"]["flow"].update(hidden=[2**40]), "too large for this machine"),
    "no couplings": (lambda c: c["config"]["flow"].update(hidden=[[]]), "flow.hidden: got"),
    "flow of text": (lambda c: c["config"].update(flow="conv"), "got 'flow' of type str"),
    "data of numbers": (lambda c: c["config"].update(data=5), "got 'data' of type int"),
}


@pytest.mark.parametrize(("edit", "words"), EDITS.values(), ids=EDITS.keys())
def test_edited_checkpoint_is_one_line(edit, words, saved):
    path = saved[1]
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)
    with pytest.raises(ValueError, match=words) as caught:
        load_flow(path)
    assert "\n" not in str(caught.value)


def test_a_failing_write_keeps_the_old_file(saved, monkeypatch):
    flow, path = saved
    before = path.read_bytes()

    def breaks(content, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", breaks)
    with pytest.raises(OSError, match="disk full"):
        save_flow(flow, NODE, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["flow.ckpt"]


def test_equal_states_fit():
    state = conv_flow(side=8, channels=1, levels=ConvLevels((2,), hidden=8)).state_dict()
    assert describe_misfit(state, dict(state)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"side": "big"}, r"flow.side: got 'big', expected int"),
        ({"sidee": 8}, r"flow: .*sidee.*expected arguments among: side"),
        ({"_target_": "rgflow.models.no_flow"}, r"rgflow.models.no_flow"),
    ],
)
def test_build_says_what_is_wrong(change, words):
    with pytest.raises(ValueError, match=words):
        build(NODE | change, "flow")
