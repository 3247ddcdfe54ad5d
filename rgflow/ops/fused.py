"""Inner loops of a flow with hand-written gradients: the affine map and periodic padding.

Autograd would keep every intermediate and run two small operations for each of ours; on small
blocks that costs more than the matrix products. The gradients are written as plain tensor
operations of the saved *inputs* where a graph of the gradient is asked for (second derivatives,
torch.func), and use what the forward pass computed where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

LOG2_E = math.log2(math.e)

Halves = tuple[Tensor, Tensor]


def with_eager_twin(function: type[torch.autograd.Function]) -> type[torch.autograd.Function]:
    """Adds ``eager``: the same function for use outside torch.func, in the form with a context.

    The form that torch.func wants costs a look at the function's signature on each call.
    """

    def forward(ctx: Any, *args: Any) -> Any:
        output = function.forward(*args)
        function.setup_context(ctx, args, output)
        return output

    members = {"forward": staticmethod(forward), "backward": staticmethod(function.backward)}
    function.eager = type(function.__name__, (torch.autograd.Function,), members)
    return function


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """``function.apply`` of the cheapest form that works here."""
    if torch._C._are_functorch_transforms_active():
        return function.apply(*args)
    return function.eager.apply(*args)


def affine(b: Tensor, parameters: Tensor, bound: float, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """``b exp(s) + t`` or its inverse ``(b - t) exp(-s)``, with ``s = bound tanh(raw / 2)``.

    Args:
        b: ``(N, D, ...)``.
        parameters: ``(N, 2 D, ...)``, raw log-scales then shifts.
        bound: Largest absolute log-scale.
        inverse: Which of the two.

    Returns:
        The image, shaped like b, and the log_det ``(N,)`` of the map just applied.
    """
    if torch.compiler.is_compiling():  # a compiler fuses better than we do
        return _Affine.forward(b, parameters, bound, inverse)
    return apply(_Affine, b, parameters, bound, inverse)


@with_eager_twin
class _Affine(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(b: Tensor, parameters: Tensor, bound: float, inverse: bool) -> Halves:
        image, log2_scale, _, _ = evaluate_affine(b, parameters, bound, inverse)
        return image, log2_scale.flatten(1).sum(1) / LOG2_E

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Halves) -> None:
        ctx.save_for_backward(*inputs[:2])  # reading more from memory costs more than the map
        ctx.bound, ctx.inverse = inputs[2:]
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, log_det_grad: Tensor | None) -> tuple[Any, ...]:
        b, parameters = ctx.saved_tensors
        grad = torch.zeros_like(b) if grad is None else grad
        log_det_grad = b.new_zeros(len(b)) if log_det_grad is None else log_det_grad
        gate, _, factor = _scales(parameters, ctx.bound, ctx.inverse)
        if ctx.inverse:
            b = (b - parameters.chunk(2, 1)[1]) * factor
        slope = -2 * ctx.bound if ctx.inverse else 2 * ctx.bound
        weight = (log_det_grad * slope).view(-1, *[1] * (b.dim() - 1))
        return *pull_back_affine(grad, weight, slope, b, gate, factor, ctx.inverse), None, None


def evaluate_affine(
    b: Tensor, parameters: Tensor, bound: float, inverse: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`affine` in plain operations: image, log-scales in powers of two, and factors kept.

    What is kept is ``sigmoid(raw)`` and the factor that was applied.
    """
    shift = parameters.chunk(2, 1)[1]
    gate, log2_scale, factor = _scales(parameters, bound, inverse)
    image = (b - shift) * factor if inverse else torch.addcmul(shift, b, factor)
    return image, log2_scale, gate, factor


def pull_back_affine(
    grad: Tensor,
    log_det_grad: Tensor,
    slope: float,
    scaled: Tensor,
    gate: Tensor,
    factor: Tensor,
    inverse: bool,
) -> Halves:
    """Gradients of `affine` in b and in the parameters.

    Args:
        grad: Gradient of the image.
        log_det_grad: Gradient of the log_det, times ``slope``, ``(N, 1, ...)``.
        slope: ``2 bound``, or for the inverse ``-2 bound``.
        scaled: b, or for the inverse its image.
        gate: As kept.
        factor: As kept.
        inverse: Which of the two.
    """
    grad_b = grad * factor
    # d s / d raw = slope gate (1 - gate); d image / d s = b factor, or the image of the inverse
    pulled = torch.addcmul(log_det_grad, grad if inverse else grad_b, scaled, value=slope)
    grad_raw = torch.ops.aten.sigmoid_backward(pulled, gate)
    grad_shift = -grad_b if inverse else grad
    return grad_b, concatenate((grad_raw, grad_shift))


def _scales(parameters: Tensor, bound: float, inverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """``sigmoid(raw)``, the log-scale that is applied in powers of two, and its exponential."""
    gate = torch.sigmoid(parameters.chunk(2, 1)[0])
    # tanh(raw / 2) = 2 sigmoid(raw) - 1, and sigmoid and exp2 are much faster on a CPU
    limit = bound * LOG2_E * (-1 if inverse else 1)
    log2_scale = gate.mul(2 * limit).sub_(limit)
    return gate, log2_scale, torch.exp2(log2_scale)


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Along axis 1; a batch that lies innermost in memory stays there."""
    if parts[0].stride(0) == 1:
        return torch.cat([part.movedim(0, -1) for part in parts]).movedim(-1, 0)
    return torch.cat(parts, 1)


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """``torch.stack``, without a copy of a single one."""
    return torch.stack(tuple(tensors)) if len(tensors) > 1 else tensors[0][None]


def are_plain(*tensors: Tensor) -> bool:
    """Whether all are float32 in a CPU's memory, and nobody follows what happens to them.

    Who follows beside the graph of gradients: compilers, transforms, dispatch modes, derivatives
    in forward mode.
    """
    return (
        all(
            t.dtype == torch.float32
            and t.device.type == "cpu"
            and type(t) in (Tensor, nn.Parameter)
            and t.numel() > 0
            for t in tensors
        )
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and not is_in_torch_dispatch_mode()
        and forward_ad._current_level < 0
    )


def wants_graph(*tensors: Tensor) -> bool:
    """Whether operations on them are recorded for gradients."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def stand_for_many(grads: Sequence[Tensor]) -> bool:
    """Whether there is no memory behind gradients, as with ``is_grads_batched``."""
    try:
        for grad in grads:
            grad.detach().numpy()
    except RuntimeError:
        return True
    return False


def cut(items: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Lists of the given lengths, one after another."""
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]


def circular_pad(x: Tensor, width: int) -> Tensor:
    """A periodic lattice continued on all sides: ``(..., H, W) -> (..., H + 2 w, W + 2 w)``."""
    if torch.compiler.is_compiling():
        return _CircularPad.forward(x, width)
    return apply(_CircularPad, x, width)


@with_eager_twin
class _CircularPad(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, width: int) -> Tensor:
        x = torch.cat((x[..., -width:, :], x, x[..., :width, :]), -2)
        return torch.cat((x[..., -width:], x, x[..., :width]), -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.width = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        w = ctx.width
        rows = grad[..., w:-w].clone()
        rows[..., :w] += grad[..., -w:]
        rows[..., -w:] += grad[..., :w]
        out = rows[..., w:-w, :].clone()
        out[..., :w, :] += rows[..., -w:, :]
        out[..., -w:, :] += rows[..., :w, :]
        return out, None
