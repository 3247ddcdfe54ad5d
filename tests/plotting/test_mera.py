"""The drawing of a MERA follows its reaches."""

import pytest
import torch
from PIL import Image
from script_calls import call_script

from rgflow.models import BlockLevels, BlockNet, block_flow, conv_flow
from rgflow.plotting.mera import block_rows, mera_figure


def hierarchy(side=16, block=2, **settings):
    levels = BlockLevels(block, 4, **settings)
    return block_flow(side, 1, levels, BlockNet("mlp", hidden=(1,))).hierarchy


@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize("order", [("disentangler", "decimator"), ("decimator", "disentangler")])
def test_rows_are_the_block_layers_and_their_cones(block, order):
    geometry = hierarchy(block=block, order=order)
    levels = block_rows(geometry, 7)
    assert [[row.name for row in rows] for rows in levels] == [list(order)] * geometry.levels
    pixel = torch.zeros(16, 16, dtype=torch.bool)
    pixel[0, 7] = True
    latents = geometry.inference_cone(pixel)[0]
    for level, rows in enumerate(levels):
        side = 16 >> level
        for row in rows:
            covered = [s % side for first, last in row.blocks for s in range(first, last + 1)]
            assert set(covered) == set(range(side))
            starts = {first % block for first, _ in row.blocks}
            assert starts == {block // 2 if row.name == "disentangler" else 0}
        emitted = geometry.level_of_site[0, :: 2**level] == level
        assert torch.equal(rows[-1].cone[emitted], latents[:: 2**level][emitted])


def test_the_cone_of_a_pixel_by_hand():
    disentangled, decimated = block_rows(hierarchy(), 7)[0]
    assert disentangled.cone.nonzero().flatten().tolist() == [7, 8]
    assert decimated.cone.nonzero().flatten().tolist() == [6, 7, 8, 9]
    assert disentangled.blocks[:2] == ((-1, 0), (1, 2))
    assert disentangled.blocks[-1] == (15, 16)  # it goes on at the other edge


def test_the_figure_says_how_many_latents_are_in_the_cone():
    texts = [text.get_text() for text in mera_figure(hierarchy()).axes[0].texts]
    assert "level 0\n16 x 16 sites" in texts
    assert "12 of 192 latents\nin the cone" in texts


@pytest.mark.parametrize(
    ("geometry", "pixel", "message"),
    [
        (lambda: hierarchy(), 16, "pixel: got 16, expected 0 to 15"),
        (lambda: conv_flow(8, 1).hierarchy, 0, "got convolutions on level 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(geometry, pixel, message):
    with pytest.raises(ValueError, match=message):
        mera_figure(geometry(), pixel)


def test_the_script_draws_a_small_file(tmp_path, capsys):
    file = tmp_path / "mera.png"
    assert call_script("draw_mera", "--out", file) == 0
    assert file.stat().st_size < 100_000
    assert Image.open(file).width >= 800
    assert call_script("draw_mera", "--out", file, "--block", 4, "--levels", 2, "--pixel", 0) == 0
    for wrong in (["--levels", 0], ["--block", 3], ["--levels", 9], ["--pixel", 99]):
        assert call_script("draw_mera", "--out", tmp_path / "none.png", *wrong) != 0
        error = capsys.readouterr().err.strip()
        assert error.startswith("error: ")
        assert "\n" not in error
    assert not (tmp_path / "none.png").exists()
