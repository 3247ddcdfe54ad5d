"""Private names of torch that the package uses: they still mean what it expects."""

import torch


def seen_by(transform):
    seen = []

    def function(x):
        seen.append(torch._C._are_functorch_transforms_active())
        return x.sin().sum()

    transform(function)(torch.zeros(3))
    return seen


def test_transforms_tell_that_they_are_active():
    assert seen_by(lambda f: f) == [False]
    for transform in (torch.func.vmap, torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
        assert seen_by(transform) == [True]


def test_weight_norm_and_its_gradient():
    direction = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    gain = torch.rand(4, 1, dtype=torch.float64, requires_grad=True)
    weight, norm = torch._weight_norm_interface(direction, gain, 0)
    wanted_norm = torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    wanted = direction / wanted_norm * gain
    torch.testing.assert_close((weight, norm), (wanted, wanted_norm))
    upstream = torch.randn(4, 3, dtype=torch.float64)
    gradients = torch.ops.aten._weight_norm_interface_backward(
        upstream, direction.detach(), gain.detach(), norm.detach(), 0
    )
    torch.testing.assert_close(gradients, torch.autograd.grad(wanted, (direction, gain), upstream))


def test_averages_move_in_place_towards_the_weights():
    averages, weights = [torch.zeros(2), torch.ones(1)], [torch.ones(2), torch.ones(1)]
    torch._foreach_lerp_(averages, weights, 0.25)
    assert averages[0].tolist() == [0.25, 0.25]
    assert averages[1].tolist() == [1.0]
