"""Responses of all pixels to many latents at once, layer by layer from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rgflow.analysis.generation_layers import GenerationLayer, generation_layers, level_of_latents
from rgflow.analysis.layer_jacobian import JacobianPattern, jacobian_pattern, layer_jacobian, push
from rgflow.flow import Flow

PART = 512  # latents whose responses are in memory at a time


class Responses:
    """The derivatives ``dx / dz_l`` of given latents, exactly.

    The Jacobian of generation is the product of the Jacobians of its layers, each of which couples
    nearby sites only and is found from few derivatives (see `layer_jacobian`). A latent enters at
    its level, so that no coarser layer is computed for it.

    Args:
        flow: A flow on ``(C, L, L)``.
        latents: ``(M, 3)`` integers: channel, row and column of each latent in the latent layout.
        space: See `generation_layers`.
    """

    def __init__(self, flow: Flow, latents: Tensor, space: str = "data") -> None:
        self.flow = flow
        self.layers = generation_layers(flow, space)
        channels, side, _ = flow.event_shape
        self.patterns = [_pattern(layer, flow) for layer in self.layers]
        start = self.layers[0].level if self.layers else 0
        level = level_of_latents(flow)[latents[:, 1], latents[:, 2]].clamp(max=start)
        self.parts: list[tuple[int, Tensor]] = []
        for h in range(start + 1):
            (of_level,) = torch.where(level == h)
            self.parts += [(h, part) for part in of_level.split(PART) if len(part)]
        self.latents = latents
        self.shape = (channels, side)

    def at(self, z: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The derivatives at one point, in parts.

        Args:
            z: Latents ``(C, L, L)``.

        Yields:
            Indices of some latents among those of the constructor, ``(m,)``, and their derivatives
            ``(C, L, L, m)``.
        """
        points = _points(self.layers, z)
        jacobians = [
            layer_jacobian(layer, pattern, y)
            for layer, pattern, y in zip(self.layers, self.patterns, points, strict=True)
        ]
        for level, part in self.parts:
            tangents = self._start(level, part, z)
            for layer, pattern, jacobian in zip(
                self.layers, self.patterns, jacobians, strict=True
            ):
                if layer.level > level:
                    continue
                tangents = _refined(tangents, self.shape[1] >> layer.level)
                flat = push(tangents.flatten(0, 2), pattern, jacobian)
                tangents = flat.view_as(tangents)
            yield part, _refined(tangents, self.shape[1])

    def _start(self, level: int, part: Tensor, z: Tensor) -> Tensor:
        """One at each latent of a part, ``(C, S, S, m)``."""
        channels, side = self.shape
        c, row, column = self.latents[part].T
        tangents = z.new_zeros(channels, side >> level, side >> level, len(part))
        tangents[c, row >> level, column >> level, torch.arange(len(part))] = 1
        return tangents


def _pattern(layer: GenerationLayer, flow: Flow) -> JacobianPattern:
    channels, side, _ = flow.event_shape
    pattern = jacobian_pattern(layer, channels, side >> layer.level)
    return JacobianPattern(*(part.to(flow.device) for part in pattern))


def _points(layers: list[GenerationLayer], z: Tensor) -> list[Tensor]:
    """The inputs of all layers, each on its sub-lattice."""
    points = []
    for layer in layers:
        step = 2**layer.level
        y = z[..., ::step, ::step]
        points.append(y)
        z = z.clone()
        z[..., ::step, ::step] = layer.apply(y[None].contiguous())[0]
    return points


def _refined(tangents: Tensor, side: int) -> Tensor:
    """Tangents of a kept sub-lattice as those of the finer lattice, ``(C, side, side, m)``."""
    step = side // tangents.shape[1]
    if step == 1:
        return tangents
    finer = tangents.new_zeros(len(tangents), side, side, tangents.shape[-1])
    finer[:, ::step, ::step] = tangents
    return finer
