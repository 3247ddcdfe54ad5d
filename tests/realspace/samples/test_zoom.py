"""Views and films of a configuration at growing scales."""

import pytest
import torch
from PIL import Image

from rgflow.realspace.samples.zoom import (
    black_and_white,
    blocked_views,
    caption,
    save_film,
    zoom_frames,
)


def stripes(side):
    """Stripes of 8 spins, which survive three blockings."""
    return (2 * ((torch.arange(side) // 8) % 2) - 1).expand(side, side).to(torch.int8)


def test_views_are_the_middle_of_each_lattice():
    views = blocked_views(stripes(64), levels=2, window=16, generator=torch.Generator())
    for n, view in enumerate(views):
        middle = stripes(64)[:: 2**n, :: 2**n]
        offset = (len(middle) - 16) // 2
        assert torch.equal(view, middle[offset : offset + 16, offset : offset + 16])


def test_film_ends_where_the_views_end(tmp_path):
    frames, sizes = zoom_frames(stripes(64), 2, 16, steps=3, generator=torch.Generator())
    assert frames.shape == (7, 64, 64)
    assert sizes == [16, 20, 26, 32, 40, 52, 64]
    last = blocked_views(stripes(64), 2, 16, torch.Generator())[-1]
    big = black_and_white(last).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert torch.equal(frames[-1], big)
    captioned = caption(frames, [f"{size} spins" for size in sizes], height=20)
    assert captioned.shape == (7, 84, 64)
    assert torch.equal(captioned[:, 20:], frames)
    assert (captioned[:, :20] < 128).flatten(1).any(1).all()
    with pytest.raises(ValueError, match="got 1 texts"):
        caption(frames, ["one"])
    save_film(frames, tmp_path / "film.gif")
    film = Image.open(tmp_path / "film.gif")
    assert (film.n_frames, film.size) == (7, (64, 64))
    assert film.info["duration"] == 900


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at most the 8 sites left"):
        blocked_views(stripes(64), 3, 16, torch.Generator())
    with pytest.raises(ValueError, match=r"in \.gif"):
        save_film(torch.zeros(2, 8, 8, dtype=torch.uint8), tmp_path / "film.png")
    assert not list(tmp_path.iterdir())
