"""Pictures of scale invariance: a configuration seen from farther and farther away."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.montecarlo.blocking import block_spins
from rgflow.runtime.files import write_atomically


def blocked_views(
    spins: Tensor, levels: int, window: int, generator: torch.Generator
) -> list[Tensor]:
    """The middle of a configuration after 0 to ``levels`` blockings.

    Each blocking takes the majority of 2x2 spins, so that each view shows twice the length of the
    view before.

    Args:
        spins: Spins +1 and -1, ``(H, W)``.
        levels: Number of blockings.
        window: Side of a view in sites, at most the side of the last lattice.
        generator: Random numbers that decide ties.

    Returns:
        ``levels + 1`` views, each ``(window, window)``.

    Raises:
        ValueError: If the last lattice is smaller than the window.
    """
    _check(spins, levels, window)
    views = [_middle(spins, window)]
    for _ in range(levels):
        spins = block_spins(spins, generator=generator)
        views.append(_middle(spins, window))
    return views


def zoom_frames(
    spins: Tensor, levels: int, window: int, steps: int, generator: torch.Generator
) -> tuple[Tensor, list[int]]:
    """Frames of a film that zooms out steadily and blocks the spins at every factor of two.

    Args:
        spins: Spins +1 and -1, ``(H, W)``.
        levels: Number of blockings.
        window: Number of sites across a frame just after a blocking.
        steps: Number of frames between two blockings.
        generator: Random numbers that decide ties.

    Returns:
        Gray levels, uint8 ``(levels * steps + 1, 4 * window, 4 * window)``, and the number of
        original spins across each frame.

    Raises:
        ValueError: If the last lattice is smaller than the window.
    """
    _check(spins, levels, window)
    frames, sizes = [], []
    for level in range(levels):
        for step in range(steps):
            size = round(window * 2 ** (step / steps) / 2) * 2
            frames.append(_picture(_middle(spins, size), 4 * window))
            sizes.append(size << level)
        spins = block_spins(spins, generator=generator)
    frames.append(_picture(_middle(spins, window), 4 * window))
    return torch.stack(frames), [*sizes, window << levels]


def caption(frames: Tensor, texts: Sequence[str], height: int = 24) -> Tensor:
    """Write a line of text above each frame.

    Args:
        frames: Gray levels, uint8 ``(N, H, W)``.
        texts: Text of each frame.
        height: Height of the line in pixels.

    Returns:
        Gray levels, uint8 ``(N, height + H, W)``.

    Raises:
        ValueError: If the number of texts is not the number of frames.
    """
    from PIL import Image, ImageDraw

    if len(texts) != len(frames):
        raise ValueError(f"got {len(texts)} texts for {len(frames)} frames, expected one each")
    lines = []
    for text in texts:
        line = Image.new("L", (frames.shape[-1], height), 255)
        ImageDraw.Draw(line).text((4, height // 6), text, fill=0, font_size=height * 0.6)
        lines.append(torch.frombuffer(bytearray(line.tobytes()), dtype=torch.uint8))
    return torch.cat([torch.stack(lines).view(len(frames), height, -1), frames], 1)


def black_and_white(spins: Tensor) -> Tensor:
    """Gray levels of spins, uint8 of the same shape: nearly black for +1, nearly white for -1."""
    return torch.where(spins > 0, 20, 240).to(torch.uint8)


def save_film(
    frames: Tensor, path: str | os.PathLike[str], milliseconds: int = 80, pause: int = 900
) -> None:
    """Write an animated GIF that repeats without end; the file appears only when it is complete.

    Args:
        frames: Gray levels, uint8 ``(N, H, W)``.
        path: Name of the file, which ends in ``.gif``.
        milliseconds: Duration of a frame.
        pause: Duration of the first and of the last frame in milliseconds.

    Raises:
        ValueError: If the name does not end in ``.gif`` or there are fewer than two frames.
    """
    from PIL import Image

    if not str(path).lower().endswith(".gif") or len(frames) < 2:
        raise ValueError(
            f"got {len(frames)} frames for {path}, expected at least two and a name that ends in "
            ".gif"
        )
    first, *others = (Image.fromarray(frame.cpu().numpy()) for frame in frames)
    times = [pause, *[milliseconds] * (len(frames) - 2), pause]
    write_atomically(
        path,
        lambda file: first.save(
            file, format="gif", save_all=True, append_images=others, duration=times, loop=0
        ),
    )


def _middle(spins: Tensor, size: int) -> Tensor:
    top, left = ((length - size) // 2 for length in spins.shape[-2:])
    return spins[..., top : top + size, left : left + size]


def _picture(spins: Tensor, size: int) -> Tensor:
    pixels = black_and_white(spins)[None, None].float()
    return torch.nn.functional.interpolate(pixels, size, mode="nearest-exact")[0, 0].byte()


def _check(spins: Tensor, levels: int, window: int) -> None:
    smallest = min(spins.shape[-2:]) >> levels
    if spins.dim() != 2 or not 1 <= window <= smallest:
        raise ValueError(
            f"got spins of shape {tuple(spins.shape)} and a window of {window}, expected (H, W) "
            f"and a window of at most the {smallest} sites left after {levels} blockings"
        )
