"""Maps computed in part: what a few changed pixels, or latents, change, and nothing else.

Block levels are computed block by block, so that the work follows the cone. A level of another
kind, such as one of convolutions, whose cones are wide, is computed as a whole wherever the change
reaches it, and counts with all its blocks. The numbers are those of the full map in both cases.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cone_plan import ConePlan, Step, plan_decoding, plan_encoding
from rgflow.bijectors.known import Trace, levels_of


class ChangedSites(NamedTuple):
    """What a partial map has computed.

    Attributes:
        sites: ``(n,)`` int64, sites ``row * L + column`` of the image or of the latent layout.
        values: Their values, ``(B, C, n)``.
        log_det: That of the full map, ``(B,)``; None if only some of the changed pixels were asked
            for, as it depends on the others as well.
        blocks: Number of blocks and mixed cells that were computed.
    """

    sites: Tensor
    values: Tensor
    log_det: Tensor | None
    blocks: int

    def paste(self, known: Tensor) -> Tensor:
        """A copy of known fields or latents, ``(B or fewer, C, L, L)``, with these values."""
        known = _versions(known, 0, len(self.values))
        return known.flatten(2).index_copy(2, self.sites, self.values).view_as(known)


def encode_inside(
    bijector: Bijector, x: Tensor, known: Trace, pixels: Tensor | ConePlan
) -> ChangedSites:
    """Latents that change when some pixels of a known image do: those of the inference cone.

    Args:
        bijector: The map that was traced.
        x: ``(B, C, L, L)``, or the values of the masked pixels alone, ``(B, C, n)`` in row-major
            order. Outside of the mask it counts as the known image.
        known: Of as many images as x has, or of one, or of fewer: x then has the same number of
            versions of each known image, one after another.
        pixels: Mask ``(L, L)`` of the pixels that may differ, or a plan of them.

    Raises:
        ValueError: If shapes or types do not fit.
    """
    plan = pixels if isinstance(pixels, ConePlan) else encoding_plan(bijector, pixels)
    values = _checked(bijector, x, known, plan, plan.levels[0].reads)
    outputs, change = [], None
    for level in plan.levels:
        for step in level.steps:
            values, gain = _run(step, values, known, inverse=False)
            change = gain if change is None else change + gain
        outputs.append(values.index_select(1, level.emitted))
        values = values.index_select(1, level.up)
    values = torch.cat(outputs, 1).permute(2, 0, 1)
    log_det = _versions(known.log_det, 0, len(values))
    log_det = log_det if change is None else log_det + change
    return ChangedSites(plan.sites, values, log_det, plan.blocks)


def decode_inside(
    bijector: Bijector,
    z: Tensor,
    known: Trace,
    latents: Tensor | ConePlan,
    pixels: Tensor | None = None,
) -> ChangedSites:
    """Pixels that change when some latents of a known image do: those of the generation cone.

    Coarse latents change all pixels. With ``pixels`` only these are computed, from the latents on
    which they depend, so that the work follows the cone of the mask.

    Args:
        bijector: The map that was traced.
        z: ``(B, C, L, L)``, or the values of the masked latents alone, ``(B, C, n)`` in row-major
            order. Outside of the mask it counts as the latents of the known image.
        known: Of one or more images, as in `encode_inside`.
        latents: Mask ``(L, L)`` of the latents that may differ, or a plan of them.
        pixels: Mask ``(L, L)`` of the pixels that are asked for; all if None.

    Raises:
        ValueError: If shapes or types do not fit, or if a plan and ``pixels`` are given.
    """
    if isinstance(latents, ConePlan) and pixels is not None:
        raise ValueError("pixels: got a mask beside a plan, expected it when the plan is made")
    plan = latents if isinstance(latents, ConePlan) else decoding_plan(bijector, latents, pixels)
    reads = torch.cat([level.reads for level in plan.levels])
    source = _checked(bijector, z, known, plan, reads)
    values, change, start = source[:, :0], None, 0
    for level in plan.levels:
        entering = source[:, start : start + len(level.reads)]
        start += len(level.reads)
        values = torch.cat((values, entering), 1)
        for step in level.steps:
            values, gain = _run(step, values, known, inverse=True)
            change = gain if change is None else change + gain
    log_det = None
    if plan.everything:
        log_det = -_versions(known.log_det, 0, source.shape[2])
        log_det = log_det if change is None else log_det + change
    return ChangedSites(plan.sites, values.permute(2, 0, 1), log_det, plan.blocks)


def encoding_plan(bijector: Bijector, pixel_mask: Tensor) -> ConePlan:
    """What `encode_inside` computes for a mask of pixels, ``(L, L)``, to be used several times."""
    levels, hierarchy = levels_of(bijector)
    return plan_encoding(levels, hierarchy, pixel_mask, device_of(bijector))


def decoding_plan(
    bijector: Bijector, latent_mask: Tensor, pixel_mask: Tensor | None = None
) -> ConePlan:
    """What `decode_inside` computes for these masks, ``(L, L)``, to be used several times."""
    levels, hierarchy = levels_of(bijector)
    return plan_decoding(levels, hierarchy, latent_mask, pixel_mask, device_of(bijector))


def device_of(bijector: Bijector) -> torch.device:
    """The device of the weights."""
    return next((p.device for p in bijector.parameters()), torch.device("cpu"))


def _run(step: Step, values: Tensor, known: Trace, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """The changed values ``(C, n, B)`` after a layer, and by how much its log_det changes."""
    fields = known.fields[step.level]
    batch = values.shape[2]
    if len(step.known):
        rest = fields[step.position + inverse].index_select(1, step.known)
        values = torch.cat((values, _versions(rest, 2, batch)), 1)
    cells = values.index_select(1, step.order)
    cells = cells.view(len(values), *step.sites.shape, batch)
    images, log_det = step.layer.map_cells(cells, step.sites, inverse=inverse)
    images = images.flatten(1, 2)
    if step.kept is not None:
        images = images.index_select(1, step.kept)
    before = known.cell_log_dets[step.level][step.position].index_select(0, step.cells)
    before = _versions(before, 1, batch)
    # the known log_dets are those of encoding
    change = (log_det + before if inverse else log_det - before).sum(0)
    return images, change


def _checked(
    bijector: Bijector, source: Tensor, known: Trace, plan: ConePlan, reads: Tensor
) -> Tensor:
    """The changed inputs, ``(C, n, B)``, in the order in which a plan reads them."""
    if known.bijector is not bijector:
        raise ValueError("known: got the trace of another map, expected one of this map")
    if source.dim() == 4:
        bijector._check(source)
        values = source.flatten(2).index_select(2, reads)
    else:
        channels = known.x.shape[1]
        if source.dim() != 3 or source.shape[1:] != (channels, len(reads)):
            raise ValueError(
                f"got values of shape {tuple(source.shape)}, expected (B, {channels}, "
                f"{len(reads)}) for the masked sites, or whole fields"
            )
        values = source.index_select(2, reads.argsort().argsort())
    batch = len(known.x)
    if len(source) % batch:
        raise ValueError(
            f"known: got the trace of {batch} fields, expected one of {len(source)} or of a "
            "divisor of that, as there are fields to map"
        )
    if known.x.dtype != source.dtype:
        raise ValueError(f"got {source.dtype}, expected {known.x.dtype} as the trace has")
    return values.permute(1, 2, 0)


def _versions(known: Tensor, axis: int, count: int) -> Tensor:
    """Known numbers with the batch on ``axis``, repeated so that there are ``count``."""
    batch = known.shape[axis]
    if batch == count:
        return known
    if batch == 1:
        shape = [-1] * known.dim()
        shape[axis] = count
        return known.expand(shape)
    return known.repeat_interleave(count // batch, axis)
