"""Mutual information between a block variable and its environment, against a full table."""

import itertools

import pytest
import torch

from rgflow.realspace.block_variable.environment import environment_mutual_information
from rgflow.realspace.model.rbm import spin_states


def brute_force(J, w):
    """The information by its definition, from the table of 16 spins and the block variable."""
    s = spin_states(16)  # 0 to 3 are the block, then three spins of each neighbour
    exponent = torch.zeros(len(s), dtype=torch.float64)
    for corner in range(4):
        a, b, c = (s[:, 4 + 3 * corner + k] for k in range(3))
        exponent += J * (s[:, corner] * (a + b) + c * (a + b))
    tau = torch.tensor([1.0, -1.0], dtype=torch.float64)
    field = s[:, :4] @ torch.as_tensor(w, dtype=torch.float64)
    log_prob = exponent[:, None] + field[:, None] * tau
    p = torch.softmax(log_prob.flatten(), 0).view(16, 4096, 2).sum(0)
    return (p * (p / (p.sum(0) * p.sum(1, keepdim=True))).log()).sum().item()


def test_known_value():
    assert environment_mutual_information(0.5, 1.0).item() == pytest.approx(0.3657940, abs=5e-8)
    four = environment_mutual_information(0.5, [1.0, 1.0, 1.0, 1.0])
    assert four.item() == pytest.approx(0.3657940, abs=5e-8)


@pytest.mark.parametrize(("J", "w"), [(0.44, [0.9, -0.2, 0.4, 1.7]), (1.0, [1.7, 1.7, 1.7, 1.7])])
def test_value_is_the_sum_over_sixteen_spins(J, w):
    assert environment_mutual_information(J, w).item() == pytest.approx(brute_force(J, w))


def test_limits():
    assert environment_mutual_information(0.0, 1.0).item() == pytest.approx(0, abs=1e-14)
    assert environment_mutual_information(0.5, 0.0).item() == pytest.approx(0, abs=1e-14)
    ln2 = torch.tensor(2.0).log().item()
    assert environment_mutual_information(20.0, 20.0).item() == pytest.approx(ln2)


def test_symmetries_of_the_weights():
    w = torch.tensor([0.3, 0.9, -0.4, 1.2], dtype=torch.float64)
    value = environment_mutual_information(0.5, w)
    for order in itertools.permutations(range(4)):
        assert environment_mutual_information(0.5, w[list(order)]).item() == pytest.approx(
            value.item()
        )
    assert environment_mutual_information(0.5, -w).item() == pytest.approx(value.item())
    mirrored = w * torch.tensor([1, -1, 1, 1])  # flips one spin and its neighbour
    assert environment_mutual_information(0.5, mirrored).item() == pytest.approx(value.item())


def test_derivatives():
    J = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    w = torch.tensor([0.3, 0.9, -0.4, 1.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(environment_mutual_information, (J, w))


@pytest.mark.parametrize("w", [[1.0, 2.0], float("nan"), [1.0] * 5])
def test_wrong_weights_are_refused(w):
    with pytest.raises(ValueError, match="expected one or four finite numbers"):
        environment_mutual_information(0.5, w)


@pytest.mark.parametrize("J", [float("nan"), [0.5, 0.5, 0.5]])
def test_wrong_couplings_are_refused(J):
    with pytest.raises(ValueError, match="expected one finite number"):
        environment_mutual_information(torch.tensor(J), 1.0)
