"""Grids of pictures, pixel by pixel, with a title over each and a bar of colours for fields."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.flow import Flow
from rgflow.plotting.images import largest_value, sample_image, tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 12  # pixels around panels
TITLE = 30  # pixels over a panel, for each line of its title
_WIDTH = 1100  # pixels of all panels, up to which small images are enlarged
_LARGEST = 256  # pixels of an image, up to which it is enlarged
_CHARACTER = 7.5  # pixels of a title's letter
_BAR = 90  # pixels for the bar of colours and its numbers
_DPI = 100


class Panel(NamedTuple):
    """Images in rows: a title, and uint8 ``(N, C, H, W)`` with C = 1 or 3."""

    title: str
    images: Tensor


def most_shown(side: int) -> int:
    """The most images of side `side` that a grid should have: 1024, or fewer if they are large."""
    return min(32, max(1, 2048 // side)) ** 2


def samples_figure(flow: Flow, x: Tensor, title: str) -> "Figure":
    """Samples of a flow in a square grid: images, or fields in colours with the scale of these.

    Args:
        flow: The flow.
        x: Its samples, ``(N, C, L, L)``.
        title: Title over the grid.
    """
    bound = None if acts_on_pixels(flow.bijector) else largest_value(x)
    return grid_figure([Panel(title, sample_image(flow, x))], bound=bound)


def grid_figure(
    panels: Sequence[Panel], columns: int | None = None, bound: float | None = None
) -> "Figure":
    """Panels of images side by side, each pixel of which becomes a square of whole pixels.

    Args:
        panels: What to show, from left to right.
        columns: Images in a row of each panel; as many as rows if None.
        bound: Largest value of fields that are shown in colours, for the bar of colours.

    Returns:
        A matplotlib figure, not attached to any window. The first panel has its upper left corner
        `MARGIN` from the left, and `MARGIN` and `TITLE` for each line of titles from the top.

    Raises:
        ValueError: If there are no images, or they are of another type or shape.
    """
    from matplotlib.figure import Figure

    tiles = []
    for title, images in panels:
        width = columns or max(1, round(len(images) ** 0.5))
        width = min(width, len(images)) or 1
        room = _WIDTH // len(panels) // (width * images.shape[-1])
        scale = max(1, min(_LARGEST // images.shape[-1], room))
        tiles.append((title, tile(images, width, scale).permute(1, 2, 0).numpy()))
    lines = max(title.count("\n") + 1 for title in [p.title for p in panels])
    top = MARGIN + TITLE * lines
    widths = [max(t.shape[1], int(_CHARACTER * _longest(title))) for title, t in tiles]
    height = top + max(t.shape[0] for _, t in tiles) + MARGIN
    bar = 0 if bound is None else _BAR
    total = sum(widths) + MARGIN * (len(widths) + 1) + bar
    figure = Figure(figsize=(total / _DPI, height / _DPI), dpi=_DPI)
    left = MARGIN
    for (title, pixels), width in zip(tiles, widths, strict=True):
        figure.figimage(pixels, left, height - top - pixels.shape[0], origin="upper")
        middle = 1 - (MARGIN / 2 + TITLE * lines / 2) / height
        figure.text(left / total, middle, title, va="center", fontsize=10)
        left += width + MARGIN
    if bound is not None:
        _add_bar(figure, bound, (left, MARGIN, 16, height - top - MARGIN), (total, height))
    return figure


def _longest(text: str) -> int:
    return max(map(len, text.split("\n")))


def _add_bar(
    figure: "Figure",
    bound: float,
    box: tuple[float, float, float, float],
    size: tuple[float, float],
) -> None:
    """Draws the scale of colours of fields into a box (left, bottom, width, height) of pixels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    place = [b / s for b, s in zip(box, (*size, *size), strict=True)]
    colours = ScalarMappable(Normalize(-bound, bound), "RdBu_r")
    figure.colorbar(colours, cax=figure.add_axes(place), label="field")
