"""Pictures of complex fields: the hue is the phase, the brightness the amplitude."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def phase_image(fields: Tensor, amplitude: float | None = None) -> Tensor:
    """Complex fields in colours: the phase 0 is red, and it goes on by yellow, green and blue.

    Args:
        fields: ``(N, 2, H, W)``: real and imaginary part.
        amplitude: ``|phi|`` that is shown in full brightness; the root mean square if None.

    Returns:
        uint8 ``(N, 3, H, W)``; what is not finite is black.

    Raises:
        ValueError: If the fields have not two components, or the amplitude is not positive.

    >>> phase_image(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)).flatten().tolist()
    [255, 38, 38]
    """
    if fields.dim() != 4 or fields.shape[1] != 2:
        raise ValueError(f"got fields of shape {tuple(fields.shape)}, expected (N, 2, H, W)")
    values = fields.detach().double().cpu()
    finite = values.isfinite().all(1, keepdim=True)
    values = torch.where(finite, values, 0.0)
    length = values.norm(dim=1)
    full = amplitude
    if full is None:
        full = float(length[finite[:, 0]].square().mean().sqrt()) if finite.any() else 1.0
        full = full or 1.0  # a field that is zero is black
    elif not full > 0:
        raise ValueError(f"amplitude: got {amplitude}, expected a positive number or none")
    return phase_colours(torch.atan2(values[:, 1], values[:, 0]), length / full)


def phase_colours(phase: Tensor, brightness: Tensor) -> Tensor:
    """Hues of phases ``(N, H, W)`` with a brightness from 0 to 1, uint8 ``(N, 3, H, W)``."""
    from matplotlib.colors import hsv_to_rgb

    hue = torch.remainder(phase / (2 * math.pi), 1.0)
    saturation = torch.full_like(hue, 0.85)
    hsv = torch.stack((hue, saturation, brightness.clamp(0, 1)), -1)
    rgb = torch.from_numpy(hsv_to_rgb(hsv.numpy()))
    return (255 * rgb).round().to(torch.uint8).permute(0, 3, 1, 2).contiguous()


def draw_phase_wheel(axis: "Axes") -> None:
    """The key of the hues: a ring on which the phase goes from 0 at the right around."""
    line = torch.linspace(-1, 1, 121)
    imaginary, real = torch.meshgrid(line, line, indexing="ij")
    length = (real**2 + imaginary**2).sqrt()
    image = phase_colours(torch.atan2(imaginary, real)[None], torch.ones_like(length)[None])[0]
    image[:, (length > 1) | (length < 0.6)] = 255
    axis.imshow(image.permute(1, 2, 0).numpy(), origin="lower", extent=(-1, 1, -1, 1))
    axis.text(0, 0, "phase", ha="center", va="center", fontsize=8)
    axis.text(1.08, 0, "0", ha="left", va="center", fontsize=8)
    axis.text(0, 1.08, "π/2", ha="center", va="bottom", fontsize=8)
    axis.text(-1.08, 0, "π", ha="right", va="center", fontsize=8)
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4))
    axis.axis("off")
