import math

import pytest
import torch

from rgflow.analysis import broken_samples, temperature_sheet
from rgflow.analysis.temperature import (
    one_level_at_a_time,
    share_with_error,
    two_temperatures,
)
from rgflow.bijectors import Chain, ElementwiseAffine, PixelLogit
from rgflow.flow import Flow
from rgflow.models import ConvLevels, Outside, RealNVPLayers, conv_flow, realnvp_flow
from rgflow.priors import Gaussian


@pytest.fixture
def flow():
    return conv_flow(8, 3, ConvLevels(2, hidden=4), outside=Outside(pixels=True))


def test_tables_of_temperatures(flow):
    assert two_temperatures(flow, [0.1, 0.2], [0.8, 1], 1) == [
        [0.1, 0.8],
        [0.2, 0.8],
        [0.1, 1],
        [0.2, 1],
    ]
    assert one_level_at_a_time(flow, [0, 2]) == [[0, 1], [2, 1], [1, 0], [1, 2]]
    assert one_level_at_a_time(flow, [0], others=0.5) == [[0, 0.5], [0.5, 0]]


def test_cells_share_their_random_numbers(flow):
    sheet = temperature_sheet(flow, [[0, 0], [1, 1], [0, 1], [0.5, 0.5]], shown=2, seed=3)
    assert sheet.samples.shape == (4, 2, 3, 8, 8)
    torch.testing.assert_close(sheet.samples[0, 0], sheet.samples[0, 1])  # the mode
    z = flow.encode(sheet.samples[1])
    fine = flow.hierarchy.level_mask(0)
    scaled = flow.encode(sheet.samples[2])
    torch.testing.assert_close(scaled[..., ~fine], z[..., ~fine], rtol=1e-4, atol=1e-4)
    assert scaled[..., fine].abs().max() < 1e-4
    torch.testing.assert_close(flow.encode(sheet.samples[3]), 0.5 * z, rtol=1e-4, atol=1e-4)
    assert sheet.broken.isnan().all()


def test_broken_samples_are_counted_in_all_parts(monkeypatch):
    """A pixel is white where its latent is positive, all four with a probability of 1/16."""
    monkeypatch.setattr("rgflow.analysis.temperature.PART", 100)
    shape = (1, 2, 2)
    bright = Chain([PixelLogit(shape), ElementwiseAffine(shape, scale=1e-4)])  # logit = 1e4 z
    flow = Flow(bright, Gaussian(shape))
    sheet = temperature_sheet(flow, [[1.0], [0.0]], 4000, count_broken=True)
    assert sheet.count == 4000
    assert abs(sheet.broken[0] - 1 / 16) < 3 * sheet.broken_error[0]
    assert sheet.broken_error[0].item() == pytest.approx((15 / 16**2 / 4000) ** 0.5, rel=0.1)
    assert sheet.broken[1] == 0  # grey
    white = Flow(Chain([PixelLogit(shape), ElementwiseAffine(shape, shift=-9.0)]), Gaussian(shape))
    assert temperature_sheet(white, [[0.5]], 250, count_broken=True).broken.tolist() == [1]


def test_more_than_three_bright_pixels_break_an_image():
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    images[1:, :, 0, :3] = 255
    images[2, :, 1, 1] = 251
    images[3, :2, 1, 1] = 255  # not in all channels
    assert broken_samples(images).tolist() == [False, False, True, False]
    with pytest.raises(ValueError, match=r"expected torch\.uint8"):
        broken_samples(images.float())


def test_share_and_its_error():
    share, error = share_with_error(250, 1000)
    assert share == 0.25
    assert error == pytest.approx(math.sqrt(0.25 * 0.75 / 1000), rel=0.01)
    assert share_with_error(0, 100)[1] > 0.004
    assert share_with_error(100, 100)[1] > 0.004


def test_mistakes_are_refused(flow):
    with pytest.raises(ValueError, match=r"table of shape \(1, 3\)"):
        temperature_sheet(flow, [[1, 1, 1]])
    with pytest.raises(ValueError, match="negative or infinite"):
        temperature_sheet(flow, [[1, -1]])
    with pytest.raises(ValueError, match="got n=0"):
        temperature_sheet(flow, [[1, 1]], 0)
    for cut in (0, 2):
        with pytest.raises(ValueError, match="cut: got"):
            two_temperatures(flow, [1], [1], cut)
    with pytest.raises(ValueError, match="no levels"):
        one_level_at_a_time(realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4)), [1])


def test_a_flow_without_levels_has_one_temperature():
    flow = realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4))
    assert temperature_sheet(flow, [[0.5], [1]]).samples.shape == (2, 1, 1, 8, 8)
