import pytest
import torch

from rgflow.analysis import encode_images, latents_of_images
from rgflow.models import ConvLevels, Outside, conv_flow


@pytest.fixture
def stretching_flow():
    """A flow whose latents of any image lie far out, as for images unlike a training set."""
    torch.manual_seed(0)
    levels = ConvLevels((2,), hidden=8)
    flow = conv_flow(side=8, channels=3, levels=levels, outside=Outside(pixels=True))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return flow


IMAGES = torch.randint(
    0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def test_images_far_from_the_training_set_come_back_in_float64(stretching_flow, caplog):
    z, decoded = encode_images(stretching_flow.double(), IMAGES)
    assert z.abs().max() > 1e4
    assert (decoded.int() - IMAGES.int()).abs().max() <= 2
    assert not caplog.messages


def test_images_that_do_not_come_back_are_told_of(stretching_flow, caplog):
    _, decoded = encode_images(stretching_flow, IMAGES)
    assert (decoded.int() - IMAGES.int()).abs().max() > 100
    (message,) = caplog.messages
    assert message.startswith("3 of 3 images come back from their latents with errors of up to 2")
    assert message.endswith("that float32 has too few digits")


def test_noise_of_an_image_does_not_depend_on_those_beside_it(stretching_flow):
    flow = stretching_flow.double()
    both, one = encode_images(flow, IMAGES), encode_images(flow, IMAGES[1:2])
    torch.testing.assert_close(both.latents[1:2], one.latents)


def test_every_image_has_dequantization_noise_of_its_own():
    """With one draw for all, fine latents would be functions of the image alone."""
    flow = conv_flow(8, 3, ConvLevels((1,), hidden=4), outside=Outside(pixels=True))
    images = torch.full((3, 3, 8, 8), 100, dtype=torch.uint8)
    with torch.no_grad():
        z = latents_of_images(flow, images)
    assert not torch.equal(z[0], z[1])
    assert torch.equal(z, latents_of_images(flow, images))
    assert latents_of_images(flow.double(), images).dtype == torch.float64
