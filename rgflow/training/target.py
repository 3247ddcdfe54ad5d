"""What training asks of a target: its symmetries, and its Gaussian part."""

import torch
from torch import Tensor, nn

from rgflow.bijectors import CirculantRoot
from rgflow.energies import Energy
from rgflow.flow import Flow


def translated(x: Tensor, generator: torch.Generator) -> Tensor:
    """Moves each field by a random number of sites along each axis, ``(B, C, H, W)``."""
    batch, channels, height, width = x.shape
    rows, columns = (
        (
            torch.arange(side, device=x.device)
            + torch.randint(side, (batch, 1), generator=generator, device=x.device)
        )
        % side
        for side in (height, width)
    )
    at = torch.arange(batch, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[:, None, None]
    return x[at, channel, rows[:, None, :, None], columns[:, None, None, :]]


@torch.no_grad()
def is_even(energy: Energy) -> bool:
    """Whether E(-x) = E(x) on a few random fields."""
    like = next((t for t in (*energy.parameters(), *energy.buffers())), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((4, *energy.event_shape), generator=generator).to(like.device)
    there, back = energy.energy(x), energy.energy(-x)
    return bool(torch.allclose(there, back, rtol=1e-3, atol=1e-3))


def match_spectrum(flow: Flow, energy: Energy) -> None:
    """Give the Fourier map of a flow, if it has one, the spectrum of the energy's Gaussian part.

    Without such a part a learnable map stays as it is, that of white noise at first.

    Raises:
        ValueError: If there is a fixed map but the energy has no such part.
    """
    for module in flow.modules():
        if isinstance(module, CirculantRoot):
            if energy.spectrum is None:
                if isinstance(module.log_spectrum, nn.Parameter):
                    continue
                raise ValueError(
                    f"flow.fourier: {type(energy).__name__} has no Gaussian part, expected "
                    "fourier=none, fourier=learnable, or an energy with a spectrum"
                )
            module.set_spectrum(energy.spectrum)
