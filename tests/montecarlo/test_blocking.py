import pytest
import torch
from gaussian_target import seeded

from rgflow.montecarlo import block_field, block_spins


def random_spins(*shape):
    return torch.randint(0, 2, shape, generator=seeded(), dtype=torch.int8) * 2 - 1


@pytest.mark.parametrize(("height", "width", "side"), [(4, 8, 2), (9, 6, 3), (8, 8, 4)])
def test_blocks_are_the_right_sites(height, width, side):
    x = torch.randn(2, 3, height, width, generator=seeded())
    blocked = block_field(x, side)
    spins = random_spins(5, height, width)
    majority = block_spins(spins, side, generator=seeded(1))
    corner = block_spins(spins, side, "decimation", generator=seeded(1))
    for i in range(height // side):
        for j in range(width // side):
            block = (..., slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side))
            assert torch.allclose(blocked[..., i, j], x[block].mean((-2, -1)))
            total = spins[block].sum((-2, -1))
            decided = total != 0
            assert torch.equal(majority[decided, i, j], total[decided].sign().to(torch.int8))
            assert torch.equal(corner[..., i, j], spins[..., i * side, j * side])
    assert majority.dtype == torch.int8


def test_ties_are_broken_evenly():
    tied = torch.tensor([[1, -1], [-1, 1]]).expand(10_000, 2, 2)
    blocked = block_spins(tied, generator=seeded())
    assert set(blocked.unique().tolist()) == {-1, 1}
    assert abs(blocked.double().mean()) < 4 / 100


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="multiples of 3"):
        block_field(torch.zeros(4, 4), 3)
    with pytest.raises(ValueError, match="rule: got"):
        block_spins(random_spins(4, 4), rule="median", generator=seeded())
    with pytest.raises(ValueError, match="blocks of side 0, expected at least 1"):
        block_spins(random_spins(4, 4), 0, generator=seeded())
