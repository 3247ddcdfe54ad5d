"""The public checks fail for bijectors and energies that break one promise, and say which."""

import pytest
import torch
from torch import nn

from rgflow.bijectors import MERA, AffineCoupling, Bijector, BlockLayer, PixelLogit
from rgflow.conditioners.mlp import MLP
from rgflow.energies import Phi4
from rgflow.hierarchy import Reach, full_pattern
from rgflow.models import ConvLevels, conv_flow, realnvp_flow
from rgflow.testing import (
    assert_cones,
    assert_force,
    assert_log_det,
    assert_round_trip,
    assert_symmetry,
    event_of,
    flat,
    perturbed,
    random_events,
)


class Blocks(Bijector):
    """A matrix on the ``C K K`` numbers of each block of 4 x 4 sites, with one fault at most."""

    def __init__(self, fault="none"):
        super().__init__((2, 4, 4))
        self.matrix = nn.Parameter(torch.eye(8))
        self.fault = fault

    @property
    def reaches(self):
        return (Reach(2, full_pattern(2), full_pattern(2)),)

    def _forward(self, x):
        return self._map(x, self.matrix, "forward")

    def _inverse(self, z):
        return self._map(z, torch.linalg.inv(self.matrix), "inverse")

    def _map(self, x, matrix, direction):
        blocks = x.view(-1, 2, 2, 2, 2, 2)  # (B, C, n, K, n, K)
        moved = (0, 1, 2, 4, 3, 5) if self.fault == "channels" else (0, 2, 4, 1, 3, 5)
        blocks = blocks.permute(moved)
        mapped = (blocks.reshape(-1, 8) @ matrix.T).view(blocks.shape)
        back = [moved.index(axis) for axis in range(6)]
        log_det = 4 * torch.linalg.slogdet(matrix).logabsdet.expand(len(x))
        if self.fault == f"log_det of {direction}":
            log_det = log_det / 4
        if self.fault == "shape":
            log_det = log_det[:, None]
        if self.fault == f"value of {direction}":
            mapped = mapped + 0.1
        if self.fault == "not a number":
            mapped = mapped * float("nan")
        return mapped.permute(back).reshape(x.shape), log_det


class Smeared(Bijector):
    """``z = x + w (x of the right neighbour)`` on even columns, with reaches as they are given."""

    def __init__(self, radius, cell=2):
        super().__init__((1, 8, 8))
        self.weight = nn.Parameter(torch.ones(1))
        columns = tuple((True, False) for _ in range(2))
        others = tuple((False, True) for _ in range(2))
        self.reaches_given = (Reach(cell, others, columns, radius),)

    @property
    def reaches(self):
        return self.reaches_given

    def _shift(self, x):
        even = (torch.arange(8) % 2 == 0).to(x)
        return even * self.weight * (x.roll(1, -1) + x.roll(-1, -1) + x.roll((1, 1), (-2, -1)))

    def _forward(self, x):
        return x + self._shift(x), x.new_zeros(len(x))

    def _inverse(self, z):
        return z - self._shift(z), z.new_zeros(len(z))


def test_what_is_right_passes():
    assert_round_trip(Blocks())
    assert_log_det(Blocks())
    assert_cones(Blocks())
    for check in (assert_round_trip, assert_log_det):
        check(Smeared(1))
        check(AffineCoupling((3, 2), MLP(3, 4)))  # an event of two tensors
        check(PixelLogit((1, 2, 2)))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("value of inverse", r"Blocks.inverse of forward: got .* at sample 0, entry \[0\], expec"),
        ("value of forward", "Blocks.inverse of forward: got .*, the entry of x"),
        ("log_det of forward", "sum of the log_dets of Blocks: got .* at sample 0, expected 0"),
        ("log_det of inverse", "sum of the log_dets of Blocks: got"),
        ("shape", r"sum of the log_dets of Blocks: got the shape \(4, 1\), expected \(4,\)"),
        ("not a number", "got nan"),
    ],
)
def test_a_wrong_round_trip_is_found(fault, message):
    with pytest.raises(AssertionError, match=message):
        assert_round_trip(Blocks(fault))


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_log_det_that_is_wrong_in_one_direction_is_found(direction):
    message = f"log_det of Blocks.{direction}: got .* at sample 0, expected .*, that of the Jac"
    with pytest.raises(AssertionError, match=message):
        assert_log_det(Blocks(f"log_det of {direction}"))
    with pytest.raises(AssertionError, match=r"the shape \(4, 1\), expected \(4,\)"):
        assert_log_det(Blocks("shape"))


def test_a_reshape_that_mixes_channels_of_other_blocks_is_found():
    mixed = Blocks("channels")
    assert_round_trip(mixed)  # it inverts perfectly, with the right determinant
    assert_log_det(mixed)
    message = r"Blocks.forward: got an output at site \(0, 2\) that depends on the input at site "
    with pytest.raises(AssertionError, match=message + r"\(0, 0\), expected no dependence"):
        assert_cones(mixed)
    with pytest.raises(AssertionError, match="expected no dependence"):
        assert_cones(MERA([mixed]), exact=False)  # declared by levels


def test_cones_that_are_too_small_or_too_large_are_found():
    for exact in (True, False):
        with pytest.raises(AssertionError, match=r"depends on .*, expected no dependence.* wrong"):
            assert_cones(Smeared(0), exact=exact)
    assert_cones(Smeared(1), exact=False)
    with pytest.raises(AssertionError, match=r"does not depend on .*, expected a dependence"):
        assert_cones(Smeared(1))


def test_a_map_without_reaches_has_no_cones_to_check():
    with pytest.raises(ValueError, match="is not local"):
        assert_cones(realnvp_flow(8, 1).bijector)


def test_layers_that_start_as_the_identity_are_perturbed():
    coupling = AffineCoupling((3, 2), MLP(3, 4))
    with pytest.raises(AssertionError, match="got the identity, expected a map that changes x"):
        assert_round_trip(coupling, noise=0.0)
    assert_round_trip(coupling)


def test_a_perturbed_module_is_a_copy():
    flow = conv_flow(8, 1, ConvLevels(2, hidden=4, share_levels=True))
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    noisy = perturbed(flow, 0.3, seed=1)
    for name, value in flow.state_dict().items():
        assert torch.equal(value, before[name])
        assert noisy.state_dict()[name].dtype == torch.float64
    assert all((p != q).all() for p, q in zip(flow.parameters(), noisy.parameters(), strict=True))
    again = perturbed(flow, 0.3, seed=1)
    assert all(map(torch.equal, noisy.parameters(), again.parameters()))
    assert len(list(noisy.parameters())) == len(list(flow.parameters()))  # levels still share
    unchanged = perturbed(flow, 0.0).state_dict()
    assert all(torch.equal(unchanged[name], value.double()) for name, value in before.items())


def test_events_are_in_the_domain():
    images = random_events(conv_flow(8, 1).bijector, 2)
    assert images.shape == (2, 1, 8, 8)
    assert images.min() < 0
    assert 0 <= random_events(PixelLogit((3, 2, 2))).min() < 1
    pair = AffineCoupling((3, 2), MLP(3, 4))
    event = random_events(pair, 5)
    assert [part.shape for part in event] == [(5, 3), (5, 2)]
    again = event_of(flat(event), pair.event_shape)
    assert all(torch.equal(a, b) for a, b in zip(event, again, strict=True))


class Wells:
    """``sum (x^2 - 1)^2 + h x``, with one fault at most; no module, as users write one."""

    event_shape = (1, 3, 3)

    def __init__(self, field=0.0, sign=-1, detached=False):
        self.field, self.sign, self.detached = field, sign, detached

    def energy(self, x):
        square = x.detach() * x if self.detached else x * x  # half of the derivative is lost
        return ((square - 1).square() + self.field * x).sum((1, 2, 3))


class WellsWithForce(Wells):
    def force(self, x):
        return self.sign * (4 * x * (x * x - 1) + self.field)


def test_right_energies_pass():
    assert_force(Wells(0.3))
    assert_force(WellsWithForce(0.3))
    assert_force(Phi4(3, 0.5, 0.1).float())
    assert_symmetry(Wells(), lambda x: -x)
    assert_symmetry(Wells(0.3), lambda x: x.roll(1, -1))


def test_a_force_of_the_wrong_sign_is_found():
    message = r"WellsWithForce.force: got .* at sample 0, entry \[0, 0, 0\], expected .*, -dE/dx"
    with pytest.raises(AssertionError, match=message):
        assert_force(WellsWithForce(sign=1))


def test_a_derivative_that_is_not_that_of_the_energy_is_found():
    with pytest.raises(AssertionError, match=r"change of Wells.energy by a step: got"):
        assert_force(Wells(detached=True))


def test_an_energy_that_is_not_even_is_found():
    message = r"Wells.energy\(transform\(x\)\): got .* at sample 0, expected .*, the energy of x"
    with pytest.raises(AssertionError, match=message):
        assert_symmetry(Wells(0.3), lambda x: -x)
    with pytest.raises(AssertionError, match="got the same fields back"):
        assert_symmetry(Wells(), lambda x: x.clone())


def test_one_layer_is_checked_by_its_own_reaches():
    def make(split, lattice, reads):
        return AffineCoupling(split, MLP(split[reads], 2 * split[1 - reads]), lattice, reads)

    assert_cones(BlockLayer(2, 8, 4, 2, make, 3))
