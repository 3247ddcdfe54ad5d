import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from rgflow.data import generate_msds, load_msds

KINDS = pytest.mark.parametrize("kind", [1, 2])


@KINDS
def test_shapes_and_types(kind):
    images, labels = generate_msds(kind, 5, side=24)
    assert images.shape == (5, 3, 24, 24)
    assert images.dtype == torch.uint8
    assert labels.shape == (5, 9, 6)
    assert labels.dtype == torch.float32


@KINDS
def test_pictures_equal_those_that_pillow_draws_from_the_labels(kind):
    images, labels = generate_msds(kind, 40, seed=3)
    for image, rows in zip(images, labels.double(), strict=True):
        canvas = Image.new("RGB", (32, 32))
        for cell, (x, y, angle, *colour) in enumerate(rows.tolist()):
            mask = Image.new("L", (8, 8))
            ImageDraw.Draw(mask).ellipse((1, 3, 7, 5), fill=255)
            mask = mask.rotate(round(angle, 1), resample=Image.Resampling.BICUBIC)
            turn = math.radians(angle)
            column = x - 3.5 - (math.cos(turn) + math.sin(turn)) / 2
            row = y - 3.5 - (math.cos(turn) - math.sin(turn)) / 2
            corner = (round(column), round(row))
            assert abs(column - corner[0]) < 1e-4
            assert abs(corner[0] - 8 * (cell % 4)) <= 1
            assert abs(corner[1] - 8 * (cell // 4)) <= 1
            canvas.paste(tuple(int(c) for c in colour), corner, mask)
        drawn = torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
        # One unit of rounding per paste on a pixel; angles are rounded to 0.1 degree.
        assert (drawn.int() - image.int()).abs().max() <= 4
        assert (drawn.int() - image.int()).abs().float().mean() < 0.1


@KINDS
def test_colour_at_the_labelled_centre(kind):
    images, labels = generate_msds(kind, 300, seed=1)
    x, y = labels[..., 0].round().long(), labels[..., 1].round().long()
    inside = (x < 32) & (y < 32)
    picture = torch.arange(300)[:, None].expand_as(x)[inside]
    found = images[picture, :, y[inside], x[inside]].float()
    assert inside.float().mean() > 0.99
    assert torch.equal(found, labels[..., 3:][inside])


def test_far_from_every_centre_is_black():
    images, labels = generate_msds(2, 100, seed=2)
    pixel = torch.stack(
        torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="xy"), -1
    ).view(-1, 2)
    distance = torch.cdist(pixel, labels[..., :2]).amin(-1).view(-1, 32, 32)
    background = (distance > 5)[:, None].expand_as(images)
    assert background.float().mean() > 0.02
    assert not images[background].any()
    assert images[(distance < 1)[:, None].expand_as(images)].float().mean() > 100


@KINDS
def test_orientation_and_place_of_single_ellipses(kind):
    images, labels = generate_msds(kind, 8000, side=8)
    weights = images.double().sum(1)
    edges = weights.clone()
    edges[:, 1:-1, 1:-1] = 0
    whole = edges.sum((1, 2)) == 0  # the others may be cut off by the border
    assert whole.sum() > 80
    for weight, row in zip(weights[whole], labels[whole, 0].double(), strict=True):
        x, y, angle = row[:3].tolist()
        weight = weight / weight.sum()
        axis = torch.arange(8.0, dtype=torch.float64)
        mean_x, mean_y = (weight * axis).sum(), (weight * axis[:, None]).sum()
        assert abs(mean_x - x) < 0.1
        assert abs(mean_y - y) < 0.1
        dx, dy = axis - mean_x, -(axis[:, None] - mean_y)  # y upwards
        spread = (weight * (dx**2 - dy**2)).sum()
        slope = math.degrees(math.atan2(2 * (weight * dx * dy).sum(), spread)) / 2
        assert abs((slope - angle + 90) % 180 - 90) < 3


def test_msds1_has_one_colour_family_and_free_angles():
    labels = generate_msds(1, 2000).labels
    colours, angles = labels[..., 3:], labels[..., 2]
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert (colours.amax(1) - colours.amin(1)).max() <= 64
    assert colours.mean((0, 1)).sub(127.5).abs().max() < 6
    assert colours.mean(1).std() > 50
    assert angles.min() >= 0
    assert angles.max() < 180
    for quarter in range(1, 4):
        assert abs((angles < 45 * quarter).float().mean() - quarter / 4) < 0.02
    assert abs(np.corrcoef(angles[:, 0], angles[:, 1])[0, 1]) < 0.1


def test_msds2_has_one_angle_family_and_free_colours():
    labels = generate_msds(2, 2000).labels
    colours, angles = labels[..., 3:], labels[..., 2]
    assert (angles.amax(1) - angles.amin(1)).max() <= 45
    assert angles.min() >= 0
    assert angles.max() <= 225
    assert angles.amin(1).std() > 45
    assert colours.min() == 0
    assert colours.max() == 255
    assert abs(np.corrcoef(colours[:, 0, 0], colours[:, 1, 0])[0, 1]) < 0.1
    for quarter in range(1, 4):
        assert abs((colours < 64 * quarter).float().mean() - quarter / 4) < 0.02


@KINDS
def test_an_image_does_not_depend_on_how_many_are_drawn(kind):
    many = generate_msds(kind, 1100, side=16, seed=5)
    for count in (1, 7, 1000, 1001):
        few = generate_msds(kind, count, side=16, seed=5)
        assert torch.equal(few.images, many.images[:count])
        assert torch.equal(few.labels, many.labels[:count])
    assert not torch.equal(many.images[:100], many.images[1000:])


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"split": "test"}, {"split": "validation"}, {"kind": 2}]
)
def test_streams_are_independent(change):
    reference = generate_msds(1, 50)
    other = generate_msds(**{"kind": 1, "count": 50} | change)
    equal = (reference.images[:, None] == other.images[None]).flatten(2).all(-1)
    assert not equal.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 3}, "got 3, expected 1 or 2"),
        ({"count": 0}, "got 0, expected at least 1"),
        ({"side": 20}, "got 20, expected a positive multiple of 8"),
        ({"side": 0}, "got 0, expected a positive multiple of 8"),
        ({"split": "valid"}, "got 'valid', expected one of train, validation, test"),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_refuses_in_one_line(change, message, cached, tmp_path):
    arguments = {"kind": 1, "count": 2} | change
    with pytest.raises(ValueError, match=message) as caught:
        load_msds(tmp_path / "x", **arguments) if cached else generate_msds(**arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()
