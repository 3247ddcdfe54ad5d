"""Presets compose, and their flows fit their data."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rgflow.bijectors import CommonPhase
from rgflow.data.registry import SOURCES
from rgflow.energies import Phi4
from rgflow.runtime.config import build, config_dir
from rgflow.testing import perturbed

EXPERIMENTS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))


def composed(*overrides):
    """The plain configuration of a command line."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("config", list(overrides), return_hydra_config=True)
    OmegaConf.set_struct(cfg, False)
    del cfg["hydra"]
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


def fits(config):
    """Whether the flow has the shape of the images."""
    # residual nets in blocks are large, hence built without weights; others need values
    is_large = config["flow"].get("pixels") and config["flow"].get("conditioner") == "residual"
    device = "meta" if is_large else "cpu"
    with torch.device(device):
        flow = build(config["flow"], "flow")
    extra = {"energy": build(config["energy"], "energy")} if known_energy(config) else {}
    build(config["training"], "training", flow=flow, **extra)
    if "_target_" not in config.get("data", {}):
        return True  # not trained on data
    shape = build(config["data"], "data").event_shape
    assert shape == (config["data"]["channels"], config["data"]["side"], config["data"]["side"])
    return tuple(flow.event_shape) == shape


def known_energy(config):
    return "_target_" in (config.get("energy") or {})


@pytest.mark.parametrize("name", ["msds1_quick", "msds2_block", "fashion_mnist_block"])
def test_block_presets_have_the_cones_of_the_paper(name):
    """At L = 32 and K = 4 a mask of 4 x 4 pixels can change 160 latent sites, arXiv:2010.00029."""
    flow = build(composed(f"experiment={name}")["flow"], "flow")
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[14:18, 14:18] = True
    cone = flow.hierarchy.inference_cone(mask)
    by_level = [int((cone & flow.hierarchy.level_mask(h)).sum()) for h in range(4)]
    assert by_level == [48, 48, 48, 16]


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "energy"])
def test_flow_of_the_preset_has_the_shape_of_its_images(name):
    assert fits(composed(f"experiment={name}"))


@pytest.mark.parametrize("side", Phi4.LADDER)
def test_the_ladder_is_the_published_one(side):
    energy = composed(f"experiment=phi4_l{side}")["energy"]
    assert (energy["side"], energy["m2"], energy["lam"]) == (side, -4.0, Phi4.LADDER[side])


@pytest.mark.parametrize("data", SOURCES)
@pytest.mark.parametrize(("flow", "side"), [("block", 64), ("conv", 16), ("realnvp", 64)])
def test_every_flow_follows_the_data(data, flow, side):
    config = composed(f"data={data}", f"flow={flow}", f"data.side={side}")
    assert config["flow"]["side"] == side
    assert fits(config)


@pytest.mark.parametrize("flow", ["field", "field_block"])
def test_levels_of_a_field_are_of_either_kind(flow):
    config = composed("experiment=ising_l16", f"flow={flow}", "flow.fourier=fixed")
    made = build(config["flow"], "flow")
    assert made.event_shape == (1, 16, 16)
    assert made.sample(2).isfinite().all()
    assert fits(config)


def test_side_and_channels_are_given_once():
    config = composed("experiment=folder", "data.side=64", "data.channels=1")
    assert (config["flow"]["side"], config["flow"]["channels"]) == (64, 1)
    assert fits(config)
    assert composed("~data")["flow"]["side"] == 32


def test_published_preset_computes_in_float32():
    assert composed("experiment=celeba_paper")["trainer"]["precision"] == "32-true"


@pytest.mark.parametrize("side", [4, 6, 16, 28, 32])
def test_a_free_field_with_the_fourier_map_is_exact_before_the_first_step(side):
    config = composed("experiment=free_field_l32", f"energy.side={side}")
    flow = build(config["flow"], "flow").double()
    energy = build(config["energy"], "energy").double()
    build(config["training"], "training", flow=flow, energy=energy)

    def error(flow):
        x, log_prob = flow.sample_and_log_prob(8)
        return (log_prob + energy.energy(x) + energy.log_z).abs().max()

    assert error(flow) < 1e-9
    assert error(perturbed(flow)) > 1e-2


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if n.startswith("complex_phi4")])
def test_complex_fields_learn_from_both_sides_by_local_levels(name):
    config = composed(f"experiment={name}")
    side = config["energy"]["side"]
    assert name.endswith(f"_l{side}")
    assert config["objective"]["_target_"] == "rgflow.objectives.Mixture"
    other = composed(f"experiment={name}", "objective=path")["objective"]
    assert other["_target_"] == "rgflow.objectives.PathGradient"
    flow = build(config["flow"], "flow")
    module = build(
        config["training"],
        "training",
        flow=flow,
        energy=build(config["energy"], "energy"),
        objective=build(config["objective"], "objective"),
    )
    assert module.states.phases
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2] = True
    levels = side.bit_length() - 2
    bijector = flow.bijector
    if "gapped" not in name:
        phase, bijector = bijector.bijectors
        assert isinstance(phase, CommonPhase)
    cone = bijector.hierarchy.inference_cone(mask)
    by_level = [int((cone & flow.hierarchy.level_mask(h)).sum()) for h in range(levels)]
    assert by_level == [48] * (levels - 1) + [16]
