"""Tensors in, pictures out: grids of images and labelled figures."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rgflow.bijectors.pixels import acts_on_pixels, to_image
from rgflow.runtime.files import check_suffix, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rgflow.flow import Flow

_LETTER = 0.075  # about the width of a letter of a title, in inches


def tile(images: Tensor, columns: int, scale: int = 1, gap: int = 2) -> Tensor:
    """Lays images out in rows on a grey ground, pixel by pixel.

    Args:
        images: uint8 ``(N, C, H, W)`` with C = 1 or 3.
        columns: Images in a row.
        scale: Side of the square that every pixel becomes.
        gap: Width of the ground between images and around them, in pixels.

    Returns:
        uint8 ``(3, rows * (scale * H + gap) + gap, columns * (scale * W + gap) + gap)``.

    Raises:
        ValueError: If the images are of another shape or type, or there are none.

    >>> tile(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), columns=3).shape
    torch.Size([3, 22, 32])
    """
    _check_images(images)
    images = images.cpu().expand(-1, 3, -1, -1)
    images = images.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    count, _, height, width = images.shape
    rows = -(-count // columns)
    canvas = torch.full((rows * columns, 3, height + gap, width + gap), 128, dtype=torch.uint8)
    canvas[:count, :, gap:, gap:] = images
    canvas = canvas.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)  # (3, R, H, columns, W)
    canvas = canvas.reshape(3, rows * (height + gap), columns * (width + gap))
    return torch.nn.functional.pad(canvas, (0, gap, 0, gap), value=128)


def sample_image(flow: "Flow", x: Tensor) -> Tensor:
    """Samples of a flow as uint8 images: pixels as they are, fields by `field_image`."""
    return to_image(x) if acts_on_pixels(flow.bijector) else field_image(x)


def field_image(fields: Tensor) -> Tensor:
    """Fields in colours, blue below zero and red above it, with one scale for all of them.

    Args:
        fields: Real fields ``(N, C, H, W)``, whose first component is shown; NaN is black.

    Returns:
        uint8 ``(N, 3, H, W)``.

    >>> field_image(torch.tensor([[[[-1.0, 0.0, 1.0]]]])).shape
    torch.Size([1, 3, 1, 3])
    """
    from matplotlib import colormaps

    values = fields[:, 0].detach().double().cpu() / largest_value(fields)
    colours = colormaps["RdBu_r"]((values / 2 + 0.5).numpy(), bytes=True)
    return torch.from_numpy(colours[..., :3]).permute(0, 3, 1, 2).contiguous()


def largest_value(fields: Tensor) -> float:
    """The largest finite ``|phi|`` of the first component, which has the strongest colour."""
    values = fields[:, 0].detach().double().cpu()
    finite = values[values.isfinite()].abs()
    return float(finite.max().clamp_min(torch.finfo(finite.dtype).tiny)) if len(finite) else 1.0


def save_image(image: Tensor, path: str | os.PathLike[str]) -> None:
    """Writes a uint8 image ``(3, H, W)`` as a PNG file, atomically.

    Raises:
        ValueError: If the file's name does not end in ``.png``.
    """
    from PIL import Image

    check_suffix(path, ".png")
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    write_atomically(path, lambda file: picture.save(file, format="png"))


def labelled_grid(
    rows: Sequence[Tensor],
    row_labels: Sequence[str] = (),
    image_labels: Sequence[Sequence[str]] = (),
    title: str = "",
) -> "Figure":
    """A figure with rows of images and labels, on the left of each row and over each image.

    Args:
        rows: For each row its images, uint8 ``(N, C, H, W)``; N may differ between rows.
        row_labels: One label for each row, or empty.
        image_labels: For each row one label for each of its images, or empty.
        title: Title over the figure.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ValueError: If there are no images, or the number of labels does not match.
    """
    from matplotlib.figure import Figure

    for images in rows:
        _check_images(images)
    columns = max(map(len, rows), default=0)
    wanted = [("row", row_labels, len(rows)), ("image", image_labels, len(rows))]
    wanted += [("image", names, len(row)) for names, row in zip(image_labels, rows, strict=False)]
    for name, labels, count in wanted:
        if labels and len(labels) != count:
            raise ValueError(f"{name} labels: got {len(labels)}, expected {count}")
    longest = max(map(len, title.split("\n")))
    size = (max(0.9 * columns + 1.2, _LETTER * longest + 0.4), 0.95 * len(rows) + 0.6)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], frame_on=False)
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            pixels = image.expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()  # (H, W, 3)
            axes[i, j].imshow(pixels, interpolation="nearest")
    for axis, label in zip(axes[:, 0], row_labels, strict=False):
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for i, names in enumerate(image_labels):
        for axis, label in zip(axes[i], names, strict=False):
            axis.set_title(label, fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Writes a figure as a PNG file, atomically.

    Raises:
        ValueError: If the file's name does not end in ``.png``.
    """
    check_suffix(path, ".png")
    write_atomically(path, lambda file: figure.savefig(file, format="png"))


def _check_images(images: Tensor) -> None:
    is_image = images.ndim == 4 and images.dtype == torch.uint8 and images.shape[1] in (1, 3)
    if not is_image or not len(images):
        raise ValueError(
            f"got images of shape {tuple(images.shape)} and type {images.dtype}, "
            "expected (N, 1 or 3, H, W) of torch.uint8"
        )
