"""A flow on a larger lattice from one on a smaller lattice."""

import pytest
import torch
from support import flow_of

from rgflow.energies import Ising
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    Outside,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.models.grow import grow
from rgflow.testing import perturbed
from rgflow.training.energy_setup import match_spectrum


def conv(side, **changes):
    settings = {"couplings": 2, "hidden": 4, "kernels": (3, 3), "fourier": "learnable"} | changes
    return perturbed(flow_of("conv_flow", side=side, channels=1, **settings))


@pytest.mark.parametrize(
    "make", [conv, lambda side: perturbed(block_flow(side, 1, BlockLevels(4, 2), BlockNet("mlp")))]
)
def test_levels_move_up_and_the_finest_is_doubled(make):
    small, large = make(8), make(16)
    grow(large, small, 0)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    levels = [m.level_bijectors for m in (hierarchical(small), hierarchical(large))]
    for source, level in zip(levels[0], levels[1][1:], strict=True):
        side = source.event_shape[-1]
        for a, b in zip(source(x[..., :side, :side]), level(x[..., :side, :side]), strict=True):
            torch.testing.assert_close(a, b)
    finest = levels[1][0].state_dict()
    assert all(torch.equal(v, finest[k]) for k, v in levels[0][0].state_dict().items())


@pytest.mark.parametrize(
    ("doubled", "sources"),
    [(0, (0, 0, 1, 2, 3)), (3, (0, 1, 2, 3, 3)), (None, (0, 1, 1, 2, 3))],
)
def test_any_level_can_be_doubled_and_level_1_is(doubled, sources):
    small, large = (perturbed(block_flow(side, 1, BlockLevels(2, 2))) for side in (16, 32))
    grow(large, small, doubled)
    given = hierarchical(small).level_bijectors
    for level, source in zip(hierarchical(large).level_bijectors, sources, strict=True):
        weights = given[source].state_dict()
        assert all(torch.equal(v, weights[k]) for k, v in level.state_dict().items())


def test_a_level_that_is_not_there_cannot_be_doubled():
    with pytest.raises(ValueError, match="doubled: got 2, expected a level from 0 to 1"):
        grow(conv(16), conv(8), 2)


def complex_blocks(side, symmetry):
    return block_flow(side, 2, BlockLevels(2, 2), outside=Outside("gaussian", symmetry=symmetry))


def hierarchical(flow):
    return next(m for m in flow.modules() if type(m).__name__ == "MERA")


def log_spectrum(flow):
    root = flow.bijector.bijectors[0]
    return root.log_spectrum[root.classes]


def test_a_learnt_spectrum_is_that_of_the_smaller_lattice_where_momenta_agree():
    small, large = conv(8), conv(16)
    start = log_spectrum(large).clone()
    grow(large, small)
    grown, learnt = log_spectrum(large), log_spectrum(small)
    torch.testing.assert_close(grown[::2, ::2], learnt)
    gained = learnt - start[::2, ::2]
    between = (gained + gained.roll(-1, 0)) / 2
    torch.testing.assert_close(grown[1::2, ::2], start[1::2, ::2] + between)


def test_spectra_of_the_energies_stay_exact():
    for fourier in ("fixed", "learnable"):
        small, large = (
            conv_flow(side, 1, ConvLevels(2, hidden=4), outside=Outside(fourier=fourier))
            for side in (8, 16)
        )
        for flow, side in ((small, 8), (large, 16)):
            match_spectrum(flow, Ising(side))
        expected = log_spectrum(large).clone()
        grow(large, small)
        torch.testing.assert_close(log_spectrum(large), expected)


@pytest.mark.parametrize(
    ("large", "small", "message"),
    [
        (lambda: conv(16), lambda: conv(16), "expected side 8"),
        (lambda: conv(16), lambda: conv(8, hidden=5), "another architecture"),
        (lambda: conv(16), lambda: conv(8, fourier="none"), "one without"),
        (lambda: conv(16), lambda: conv(8, fourier="fixed"), "one with a learnt"),
        (lambda: realnvp_flow(16, 1), lambda: conv(8), "0 hierarchies"),
        (lambda: conv(16), lambda: conv(8, symmetry="mixture"), "z2 True, expected False"),
        (lambda: conv(16), lambda: conv(8, prior="gaussian"), "prior Gaussian, expected Laplace"),
        (lambda: conv(16, site_bias=True), lambda: conv(8, site_bias=True), "of single sites"),
        (lambda: complex_blocks(8, "phase"), lambda: complex_blocks(4, "none"), "'phase' and one"),
        (
            lambda: block_flow(8, 1, BlockLevels(4, 2)),
            lambda: block_flow(4, 1, BlockLevels(4, 2)),
            "one level",
        ),
    ],
)
def test_what_does_not_fit_is_refused(large, small, message):
    with pytest.raises(ValueError, match=message):
        grow(large(), small())
