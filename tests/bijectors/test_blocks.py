"""Block layers: which sites of the output depend on which sites of the input."""

import pytest
import torch
from support import perturbed

from rgflow.bijectors import AffineCoupling, BlockLayer, BlockLevel
from rgflow.conditioners.mlp import MLP


def coupling(split, lattice, reads):
    return AffineCoupling(split, MLP(split[reads], 2 * split[1 - reads], (6,)), lattice, reads)


@pytest.mark.parametrize("offset", [0, 2])
def test_blocks_do_not_touch_each_other_and_channels_stay_in_their_block(offset):
    layer = perturbed(BlockLayer(3, 8, 4, offset, coupling, 3), 0.3)
    x = torch.randn(3, 8, 8, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda v: layer(v[None])[0][0])(x)
    touched = (jacobian != 0).any(3).any(0)  # (site out, site in)
    block = (torch.arange(8) + offset) % 8 // 4
    label = block[:, None] * 2 + block[None, :]
    same = label[:, :, None, None] == label[None, None]
    assert torch.equal(touched, same)
    dense = (jacobian != 0).all(3).all(0)  # three couplings mix all channels of a block
    assert torch.equal(dense, same)


def test_all_blocks_of_a_layer_share_their_map():
    layer = perturbed(BlockLayer(2, 8, 4, 0, coupling, 2))
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    moved = layer(x.roll((4, 4), (-2, -1)))[0]
    torch.testing.assert_close(moved, layer(x)[0].roll((4, 4), (-2, -1)))


def test_order_of_the_layers():
    torch.manual_seed(0)
    level = BlockLevel(1, 8, 4, coupling, 1, order=("decimator", "disentangler", "decimator"))
    assert [layer.offset for layer in level.layers.bijectors] == [0, 2, 0]
    assert [layer.offset for layer in BlockLevel(1, 8, 4, coupling, 1).layers.bijectors] == [2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 6, 4), "expected a multiple of the side 4"),
        ((1, 6, 3), "expected an even side"),
        ((1, 8, 4, 0), "at least one coupling"),
    ],
)
def test_what_does_not_tile_is_refused(arguments, message):
    channels, side, block, *count = arguments
    with pytest.raises(ValueError, match=message):
        BlockLevel(channels, side, block, coupling, *count)


def test_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="expected names"):
        BlockLevel(1, 8, 4, coupling, order=("isometry",))
