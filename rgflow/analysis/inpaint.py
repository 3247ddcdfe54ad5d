"""Restoration: an image's unknown pixels from the known ones (arXiv:2010.00029, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.completion import LatentCompletion, PixelCompletion
from rgflow.analysis.completion_sampling import sampled_completions
from rgflow.analysis.completion_search import USUAL, Effort, candidates, most_probable
from rgflow.analysis.filling import filled
from rgflow.bijectors.partial import decoding_plan
from rgflow.bijectors.pixels import SHADES, acts_on_pixels, dequantize
from rgflow.flow import Flow
from rgflow.montecarlo.hmc import HMCChains
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.seeds import generator_for

METHODS = ("prior", "mode", "posterior")


class Inpainted(NamedTuple):
    """Restored images and what they cost.

    Attributes:
        images: ``(B, C, L, L)``, floating-point, with the known pixels as they were given, and
            intensities clamped to those of shades.
        log_prob: Log density of these images, in nats, ``(B,)``.
        moved: How far the known pixels had moved before they were put back, ``(B,)``: root of the
            mean square over them, in shades for images. It is 0 where they are held exactly.
        tolerance: The standard deviation to which known pixels were held, in the same units; 0
            where they are held exactly, and None for the prior, which does not hold them.
        latents: ``(L, L)`` bool, the latents that may change.
        latents_touched: Their number.
        evaluations: How often the energy was computed, that of the search for starts included.
        blocks: Blocks and mixed cells that one step needs; None for a flow without levels.
            For the prior it is what the unknown pixels need: ``moved`` takes a full decoding. A
            block of 4 x 4 sites counts as much as a cell of 2 x 2, so that compare it with
            ``all_blocks`` of the same flow, not with another kind of levels.
        all_blocks: Those of the full map.
        acceptance: Mean acceptance probability of HMC; None for other methods.
        step_size: Step size of HMC; None for other methods.
    """

    images: Tensor
    log_prob: Tensor
    moved: Tensor
    tolerance: float | None
    latents: Tensor
    latents_touched: int
    evaluations: int
    blocks: int | None
    all_blocks: int | None
    acceptance: float | None = None
    step_size: float | None = None


@takes_counts
def inpaint(
    flow: Flow,
    x: Tensor,
    known: Tensor,
    method: str = "posterior",
    *,
    temperature: float | Sequence[float] = 1.0,
    tolerance: float = 0.0,
    latents: Tensor | None = None,
    effort: Effort = USUAL,
    seed: int = 0,
) -> Inpainted:
    r"""Restores the unknown pixels; only latents in their inference cone change.

    * ``"prior"`` draws the latents of the cone anew and takes the unknown pixels of the picture
      that they make with all other latents. The known pixels of that picture differ from the
      given ones, which are put back.
    * ``"mode"`` searches the unknown pixels for which ``q(x)`` is largest, by Adam.
    * ``"posterior"`` draws from ``q(x_unknown | x_known)`` by HMC in the unknown pixels. A chain
      starts from latents that are drawn anew and then pulled towards the known pixels. Short
      chains stay near their start: where the law has several separate modes, their weights are
      those of the starts.

    The most probable completion may be unlike any sample: that of a hole as large as an object is
    often empty, as an even background has the highest density.

    The last two hold the known pixels exactly. Each step of the mode's search and of HMC computes
    only the blocks of the cone; finding the starts decodes whole images. With a
    tolerance they work in the latents instead, ``p(z_S) exp(-sum_known (x(z) - x_known)^2 / (2
    tolerance^2))``, where every step decodes the whole image, and the known pixels are put back at
    the end. This is the way to restrict a flow without levels to some latents.

    Args:
        flow: The flow, best in float64.
        x: Images, uint8 or as the flow takes them, or fields, ``(B, C, L, L)``. What they have at
            unknown pixels is not looked at.
        known: ``(L, L)`` bool, True where pixels are known.
        method: One of the three.
        temperature: Of the prior's latents, one number or one for each level.
        tolerance: Standard deviation of the known pixels, in shades for images; 0 holds them
            exactly.
        latents: ``(L, L)`` bool, the latents S for ``"prior"`` and for a tolerance; those of the
            cone if None, which for a flow without levels are all.
        effort: Numbers of steps.
        seed: Seed of all randomness.

    Raises:
        ValueError: If shapes or types do not fit, nothing is unknown, or settings do not go
            together.

    Reference: RG-Flow, arXiv:2010.00029; HMC, arXiv:1206.1901.
    """
    _check(flow, x, known, method, tolerance, latents)
    device = flow.device
    unknown = ~known.cpu()
    generator = generator_for("inpaint", seed, device=device)
    given = x.to(device)
    if given.dtype == torch.uint8:
        given = dequantize(given, generator).to(flow.dtype)
    start = filled(given, unknown, periodic=not acts_on_pixels(flow.bijector))
    cone = _cone(flow, unknown) if latents is None else latents.cpu()
    unit = 1 / (SHADES - 1) if acts_on_pixels(flow.bijector) else 1.0
    law = PixelCompletion(flow, start, unknown)
    job = _Job(flow, given, unknown, cone, unit, law)
    if method == "prior":
        return _redrawn(job, start, temperature, generator)
    sampled = LatentCompletion(flow, start, unknown, cone, tolerance * unit) if tolerance else law
    chains = None
    if method == "mode":
        starts = candidates(sampled, flow, start, cone, effort.starts, generator)
        u = most_probable(sampled, starts, effort)
    else:
        chains = sampled_completions(sampled, flow, start, unknown, cone, effort, generator)
        u = chains.samples[-1]
    with torch.no_grad():
        if isinstance(sampled, LatentCompletion):
            decoded, blocks = sampled.decoded(u), law.all_blocks
        else:
            decoded, blocks = job.pasted(law.pixels(u)), law.blocks
    return job.finished(decoded, (sampled.evaluations, blocks), chains, tolerance)


def posterior_samples(
    flow: Flow, x: Tensor, known: Tensor, *, effort: Effort = USUAL, seed: int = 0
) -> HMCChains:
    """Chains of unknown pixels under ``q(x_unknown | x_known)``, one chain for each image.

    The arguments are those of `inpaint`, with x as the flow takes it.

    Returns:
        Samples ``(T, B, C, n)``, in the coordinates of `PixelCompletion`: for a flow of fields the
        values themselves, row by row, for one of images the logits.
    """
    _check(flow, x, known, "posterior", 0.0, None)
    unknown = ~known.cpu()
    start = filled(x.to(flow.device), unknown, periodic=not acts_on_pixels(flow.bijector))
    law = PixelCompletion(flow, start, unknown)
    generator = generator_for("inpaint", seed, device=flow.device)
    return sampled_completions(law, flow, start, unknown, _cone(flow, unknown), effort, generator)


class _Job(NamedTuple):
    flow: Flow
    given: Tensor
    unknown: Tensor
    latents: Tensor
    unit: float
    law: PixelCompletion

    def pasted(self, pixels: Tensor) -> Tensor:
        """The given images with these unknown pixels, ``(B, C, n)``."""
        sites = self.unknown.flatten().nonzero()[:, 0].to(pixels.device)
        return self.given.flatten(2).index_copy(2, sites, pixels).view_as(self.given)

    def finished(
        self,
        decoded: Tensor,
        work: tuple[int, int | None],
        chains: HMCChains | None,
        tolerance: float | None,
    ) -> Inpainted:
        """The result of a method that arrived at some images, whose known pixels may be off."""
        known = ~self.unknown.to(decoded.device)
        if acts_on_pixels(self.flow.bijector):
            decoded = decoded.clamp(-self.unit / 2, 1 + self.unit / 2)
        images = torch.where(known, self.given, decoded)
        off = (decoded - self.given)[..., known].flatten(1) / self.unit
        moved = off.square().mean(1).sqrt() if off.shape[1] else off.new_zeros(len(off))
        evaluations, blocks = work
        with torch.no_grad():
            return Inpainted(
                images=images,
                log_prob=self.flow.log_prob(images),
                moved=moved,
                tolerance=tolerance,
                latents=self.latents,
                latents_touched=int(self.latents.sum()),
                evaluations=evaluations,
                blocks=blocks,
                all_blocks=self.law.all_blocks,
                acceptance=None if chains is None else chains.acceptance,
                step_size=None if chains is None else chains.step_size,
            )


@torch.no_grad()
def _redrawn(
    job: _Job, start: Tensor, temperature: float | Sequence[float], generator: torch.Generator
) -> Inpainted:
    flow = job.flow
    by_site: float | Tensor
    if isinstance(temperature, (int, float)):
        by_site = float(temperature)
    else:
        by_site = flow.known_hierarchy().per_site(temperature)
    drawn = flow.prior.sample(len(start), by_site, generator)
    z = torch.where(job.latents.to(start.device), drawn, flow.encode(start))
    blocks = None
    if flow.bijector.layers_by_level is not None:
        blocks = decoding_plan(flow.bijector, job.latents, job.unknown).blocks
    return job.finished(flow.decode(z), (1, blocks), None, None)


def _cone(flow: Flow, unknown: Tensor) -> Tensor:
    """The latents that the unknown pixels can change; all of them for a flow without levels."""
    if flow.hierarchy is None:
        return torch.ones_like(unknown)
    return flow.hierarchy.inference_cone(unknown)


def _check(
    flow: Flow, x: Tensor, known: Tensor, method: str, tolerance: float, latents: Tensor | None
) -> None:
    if x.dtype == torch.uint8 and not acts_on_pixels(flow.bijector):
        raise ValueError("x: got images, expected fields as the flow has")
    if x.dtype != torch.uint8:
        check_field(x, "inpaint")
    shape = tuple(flow.event_shape)
    if len(shape) != 3 or tuple(x.shape[1:]) != shape:
        raise ValueError(f"x: got {tuple(x.shape)}, expected (B, {', '.join(map(str, shape))})")
    for name, mask in (("known", known), ("latents", latents)):
        if mask is not None and (mask.dtype != torch.bool or mask.shape != shape[1:]):
            raise ValueError(
                f"{name}: got a mask of shape {tuple(mask.shape)} and type {mask.dtype}, "
                f"expected {shape[1:]} of torch.bool"
            )
    if known.all():
        raise ValueError("known: got a mask without an unknown pixel, expected one or more")
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, expected one of {', '.join(METHODS)}")
    if not 0 <= tolerance < float("inf"):
        raise ValueError(f"tolerance: got {tolerance}, expected a finite number, 0 or more")
    if method == "prior" and tolerance:
        raise ValueError(
            f"tolerance: got {tolerance:g} with method 'prior', which holds no pixels; expected 0"
        )
    if latents is not None and method != "prior" and not tolerance:
        raise ValueError(
            "latents: got a mask with known pixels that are held exactly, expected a tolerance: "
            "then the latents are those of the cone"
        )
