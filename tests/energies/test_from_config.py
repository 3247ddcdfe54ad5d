import json
import sys

import pytest
import torch
from plain_energy import Wells

from rgflow.energies import Energy, Ising, Phi4, as_energy
from rgflow.energies.from_config import build_energy, describe_energy, same_energy
from rgflow.runtime.config import compose_preset, config_dir

PRESETS = sorted(p.stem for p in (config_dir() / "energy").glob("*.yaml") if p.stem != "user")
MINE = {"_target_": "plain_energy.Wells", "side": 4}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_an_energy(name):
    node = compose_preset("simulate", [f"energy={name}", "energy.side=6"])["energy"]
    energy = build_energy(node)
    assert energy.event_shape[1:] == (6, 6)
    assert describe_energy(energy)["event_shape"] == list(energy.event_shape)
    assert energy.energy(torch.zeros(2, *energy.event_shape)).shape == (2,)


def test_presets_are_the_published_points():
    def preset(name):
        return build_energy(compose_preset("simulate", [f"energy={name}"])["energy"])

    assert preset("ising").coupling == Ising(16).coupling
    phi4 = preset("phi4")
    assert phi4.lam == Phi4.LADDER[phi4.event_shape[-1]]


def test_an_energy_from_elsewhere_is_neither_imported_nor_called_unless_trusted(monkeypatch):
    monkeypatch.delitem(sys.modules, "plain_energy")
    with pytest.raises(ValueError, match="--trust"):
        build_energy(MINE)
    assert "plain_energy" not in sys.modules
    energy = build_energy(MINE, trust=["plain_energy"])
    assert isinstance(energy, Energy)
    assert describe_energy(energy)["name"] == Wells.__name__


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"_target_": "rgflow.energies.Isin"}, "Isin"),
        ({"_target_": "rgflow.energies.Ising"}, "side"),
        ({"_target_": "rgflow.energies.Ising", "side": "8"}, "side"),
        ({"_target_": "rgflow.energies.exact.free_field_log_z", "height": 4}, "width"),
        (
            {"_target_": "rgflow.energies.exact.ising_energy", "height": 4, "width": 4,
             "coupling": 0.1},
            "got a float",
        ),
        ({}, "_target_"),
    ],
)  # fmt: skip
def test_wrong_nodes_are_refused(node, words):
    with pytest.raises(ValueError, match=words):
        build_energy(node)


def test_descriptions_tell_laws_apart():
    one = describe_energy(Phi4(side=8, m2=-4.0, lam=6.0))
    assert one == describe_energy(Phi4(side=8, m2=-4, lam=6))
    assert one != describe_energy(Phi4(side=8, m2=-4.0, lam=6.1))
    assert one != describe_energy(Phi4(side=6, m2=-4.0, lam=6.0))


class Springs:
    """What no plain number tells."""

    event_shape = (1, 4, 4)

    def __init__(self, couplings, noise=0.0):
        self.couplings, self.noise = torch.tensor(couplings), noise

    def energy(self, x):
        springs = x.square().sum((-1, -3)).unflatten(1, (2, 2)).sum(-1) @ self.couplings
        return springs * (1 + torch.tensor(self.noise))


def test_energies_of_the_same_numbers_are_told_apart():
    one, same, other = (
        json.loads(json.dumps(describe_energy(as_energy(Springs(couplings)))))
        for couplings in ([1.0, 2.0], [1.0, 2.0], [3.0, 2.0])
    )
    assert same_energy(one, same)
    assert not same_energy(one, other)
    assert {**one, "probe_energies": 0} == {**other, "probe_energies": 0}


def test_noise_of_another_machine_does_not_matter():
    one, other = (describe_energy(as_energy(Springs([1.0, 2.0], n))) for n in (0.0, 1e-6))
    name = "noise"
    assert same_energy({**one, name: 0}, {**other, name: 0})
    far = describe_energy(as_energy(Springs([1.0, 2.0], 1e-3)))
    assert not same_energy({**one, name: 0}, {**far, name: 0})
