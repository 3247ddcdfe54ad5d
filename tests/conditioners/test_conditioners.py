"""Networks inside couplings."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.conditioners import MLP, ConvNet, PatchMLP, ResidualMLP
from rgflow.conditioners.mlp import ACTIVATIONS
from rgflow.ops import apply_net
from rgflow.ops.perceptron import CHUNK


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (lambda: ResidualMLP(4, 6, width=4, hidden=8, blocks=2), (5, 4)),
        (lambda: MLP(4, 6, (8, 8), ("tanh", "elu")), (5, 4)),
        (lambda: ConvNet(4, 6, hidden=8, sites=5), (2, 4, 5, 5)),
        (lambda: PatchMLP(4, 6, 3, (8, 8)), (2, 4, 5, 4)),
    ],
)
def test_a_new_net_gives_zero_and_learns(net, shape):
    net, x = net(), torch.randn(shape)
    out = net(x)
    assert out.shape == (shape[0], 6, *shape[2:])
    assert not out.any()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (net(x) - 1).square().mean().backward()
        optimizer.step()
    assert net(x).abs().max() > 0.01


def test_the_residual_net_is_what_the_paper_says():
    """The residual net against its definition, swish with explicit slopes and weight norm."""
    torch.manual_seed(0)
    net = ResidualMLP(4, 6, width=8, hidden=16, blocks=2).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p))
    x = torch.randn(7, 4, dtype=torch.float64)

    def swish(v, beta):
        return v * torch.sigmoid(beta * v)

    order = net.order  # in which the maps lie in memory
    shapes = [net.shapes[layer] for layer in order]
    rows = [out for out, _ in shapes]
    sizes = [out * width for out, width in shapes]
    *parts, gains, biases, log_slopes = net.flat.split([*sizes, sum(rows), sum(rows), len(rows)])
    gains, biases, slopes = gains.split(rows), biases.split(rows), log_slopes.exp()

    def linear(layer, v):
        i = order.index(layer)
        direction = parts[i].view(shapes[i])
        weight = gains[i][:, None] * direction / direction.norm(dim=1, keepdim=True)
        return F.linear(v, weight, biases[i])

    h = net.entry(x)
    for block in range(2):
        f = h
        for i in range(3 * block, 3 * block + 3):
            f = linear(i, swish(f, slopes[i]))
        h = (h + f) / 2**0.5
    expected = linear(6, swish(h, slopes[6]))
    for found in (net(x), apply_net(net, x)):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_perceptron_is_linear_maps_and_pointwise_functions(name):
    torch.manual_seed(0)
    net = MLP(3, 2, (4, 5), ("silu", name)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.normal_()
    function = torch.tanh if name == "tanh" else getattr(F, name)
    shapes = ((4, 3), (5, 4), (2, 5))
    weights = net.weights.split([rows * columns for rows, columns in shapes])
    biases = net.biases.split([rows for rows, _ in shapes])
    for samples in (7, 2 * CHUNK):
        h = x = torch.randn(samples, 3, dtype=torch.float64)
        for act, weight, bias, shape in zip(
            (lambda v: v, F.silu, function), weights, biases, shapes, strict=True
        ):
            h = F.linear(act(h), weight.view(shape), bias)
        torch.testing.assert_close(net(x), h)
        torch.testing.assert_close(apply_net(net, x), h)


def test_tanh_in_bfloat16():
    torch.manual_seed(0)
    net = MLP(16, 16, (64,), "tanh")
    torch.nn.init.normal_(net.weights, std=0.2)
    x = 0.5 * torch.randn(512, 16)
    low = apply_net(net.to(torch.bfloat16), x.to(torch.bfloat16))
    exact = net.double()(x.to(torch.bfloat16).double())
    assert (low - exact).std() < 0.02 * exact.std()


def test_convolutions_are_periodic_and_reach_as_far_as_they_say():
    torch.manual_seed(0)
    net = ConvNet(2, 3, hidden=4, kernels=(3, 1, 3)).double()
    torch.nn.init.normal_(net.convs[-1].weight)
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(net(x.roll((3, 5), (2, 3))), net(x).roll((3, 5), (2, 3)))
    jacobian = torch.func.jacrev(lambda v: net(v[None])[0, :, 0, 0])(x[0])
    seen = (jacobian != 0).any(0).any(0)
    near = torch.minimum(torch.arange(8), 8 - torch.arange(8)) <= net.radius
    assert net.radius == 2
    assert torch.equal(seen, near[:, None] & near[None, :])


@pytest.mark.parametrize(("kernel", "sides"), [(3, (4, 5)), (5, (3, 4)), (5, (1, 2)), (1, (2, 2))])
def test_patches_are_convolutions_with_kernels_of_one_site_after_the_first(kernel, sides):
    """Also where the patch wraps around the lattice more than once."""
    torch.manual_seed(0)
    net = PatchMLP(2, 3, kernel, (4, 5), ("silu", "silu")).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    convs = [torch.nn.Conv2d(2, 4, kernel), torch.nn.Conv2d(4, 5, 1), torch.nn.Conv2d(5, 3, 1)]
    weights, biases = net.parameter_list()
    x = torch.randn(2, 2, *sides, dtype=torch.float64)
    h = x
    for i, conv in enumerate(convs):
        conv.double()
        weight, weights = weights.tensor_split([conv.weight.numel()])
        bias, biases = biases.tensor_split([len(conv.bias)])
        h = F.silu(h) if i else h
        if i == 0:  # a periodic lattice, as often as the patch needs
            rows, columns = (torch.arange(-(kernel // 2), n + kernel // 2) % n for n in sides)
            h = h[:, :, rows][:, :, :, columns]
        h = F.conv2d(h, weight.view_as(conv.weight), bias)
    torch.testing.assert_close(net(x), h)
    torch.testing.assert_close(apply_net(net, x), h)
    assert net.radius == kernel // 2


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="odd"):
        PatchMLP(1, 1, kernel=2)
    with pytest.raises(ValueError, match="odd"):
        ConvNet(1, 1, kernels=(2,))
    with pytest.raises(ValueError, match="expected one of"):
        ConvNet(1, 1, nonlinearity="maxout")
