"""Domains of one sign: counted by hand, and by walking through them."""

import pytest
import torch

from rgflow.lattice.domains import has_winding_walls, unlike_neighbours


def lattice(*rows):
    return torch.tensor([[1.0 if c == "+" else -1.0 for c in row] for row in rows])[None, None]


PICTURES = {
    "a stripe along the columns": (lattice("+-++", "+-++", "+-++", "+-++"), True),
    "a stripe along the rows": (lattice("++++", "----", "++++", "++++"), True),
    "a stripe with a hole": (lattice("+-++", "+-++", "++++", "+-++"), False),
    "a diagonal stripe": (lattice("--++", "+--+", "++--", "-++-"), True),
    "corners that only touch": (lattice("-+++", "+-++", "++-+", "+++-"), False),
    "an island": (lattice("++++", "+--+", "+--+", "++++"), False),
    "an island over the edge": (lattice("-++-", "++++", "++++", "-++-"), False),
    "one sign alone": (lattice("++++", "++++", "++++", "++++"), False),
    "both ways": (lattice("+-++", "----", "+-++", "+-++"), False),
}


@pytest.mark.parametrize("name", PICTURES)
def test_winding_walls_of_pictures(name):
    field, expected = PICTURES[name]
    shifts = [(a, b) for a in range(4) for b in range(4)]
    everywhere = torch.cat([field.roll(shift, (2, 3)) for shift in shifts])
    several = torch.cat([everywhere, -everywhere, everywhere.mT])
    assert has_winding_walls(several * 0.3).tolist() == [expected] * len(several)


def test_winding_walls_are_those_that_a_walk_finds():
    x = torch.randn(60, 1, 5, 6, generator=torch.Generator().manual_seed(0)).sign()
    x = x.repeat_interleave(2, 3)[..., :6]  # larger domains
    found = has_winding_walls(x)
    assert found.tolist() == [walk(field[0]) for field in x]
    assert 0 < found.sum() < 60


def walk(field):
    """Whether both signs wind, by a walk that remembers how far it came from its start."""
    height, width = field.shape
    winding = set()
    for start in [(i, j) for i in range(height) for j in range(width)]:
        sign = field[start].item()
        seen, todo = {start: start}, [start]
        while todo:
            i, j = todo.pop()
            for there in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                site = (there[0] % height, there[1] % width)
                if field[site].item() != sign:
                    continue
                if site not in seen:
                    seen[site] = there
                    todo.append(there)
                elif seen[site] != there:
                    winding.add(sign)
    return len(winding) == 2


def test_unlike_neighbours_by_hand():
    assert unlike_neighbours(PICTURES["a stripe along the rows"][0]).item() == 8 / 32
    assert unlike_neighbours(PICTURES["an island"][0]).item() == 8 / 32
    turned = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).view(1, 2, 1, 2)  # at a right angle
    assert unlike_neighbours(turned).item() == 0
    assert unlike_neighbours(turned - 0.1).item() == 0.5  # along the row alone


def test_fields_of_several_components_have_no_signs():
    with pytest.raises(ValueError, match=r"expected \(B, 1, L, L\)"):
        has_winding_walls(torch.zeros(1, 2, 4, 4))
