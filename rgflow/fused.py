"""Inner loops of a flow with hand-written gradients: affine map, residual net, periodic padding.

Autograd would keep every intermediate and run two small operations for each of ours; on small
blocks that costs more than the matrix products. The gradients are written as plain tensor
operations of the saved *inputs* where a graph of the gradient is asked for (second derivatives,
torch.func), and use what the forward pass computed where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SHRINK = 0.5**0.5  # of the residual sum, keeps its variance


def affine(b: Tensor, parameters: Tensor, bound: float, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """``b exp(s) + t`` or its inverse ``(b - t) exp(-s)``, with ``s = bound tanh(raw / bound)``.

    Args:
        b: ``(N, D, ...)``.
        parameters: ``(N, 2 D, ...)``, raw log-scales then shifts.
        bound: Largest absolute log-scale.
        inverse: Which of the two.

    Returns:
        The image, shaped like b, and the log_det ``(N,)`` of the map just applied.
    """
    run = _Affine.forward if torch.compiler.is_compiling() else _Affine.apply
    return run(b, parameters, bound, inverse)[:2]


class _Affine(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        b: Tensor, parameters: Tensor, bound: float, inverse: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raw, shift = parameters.chunk(2, 1)
        sign = -1 if inverse else 1
        # tanh by the sigmoid, which is twice as fast on a CPU
        squashed = torch.sigmoid(raw * (2 / bound)).mul(2).sub(1)
        factor = torch.exp(squashed * (sign * bound))
        image = (b - shift) * factor if inverse else torch.addcmul(shift, b, factor)
        return image, squashed.flatten(1).sum(1) * (sign * bound), squashed, factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        b, parameters, ctx.bound, ctx.inverse = inputs
        image, _, squashed, factor = output
        ctx.mark_non_differentiable(squashed, factor)
        ctx.set_materialize_grads(False)  # zeros for the two above would cost as much as they do
        ctx.save_for_backward(b, parameters, image, squashed, factor)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, log_det_grad: Tensor | None, *_: None
    ) -> tuple[Any, ...]:
        b, parameters, image, squashed, factor = ctx.saved_tensors
        grad = torch.zeros_like(b) if grad is None else grad
        log_det_grad = b.new_zeros(len(b)) if log_det_grad is None else log_det_grad
        if torch.is_grad_enabled():
            image, _, squashed, factor = _Affine.forward(b, parameters, ctx.bound, ctx.inverse)
        grad_b = grad * factor
        weight = log_det_grad.view(-1, *[1] * (b.dim() - 1))
        # d image / d s is b exp(s), and minus the image for the inverse
        pulled = torch.addcmul(weight, *((grad, image) if ctx.inverse else (grad_b, b)))
        grad_raw = pulled * (1 - squashed * squashed)
        if ctx.inverse:
            return grad_b, torch.cat((-grad_raw, -grad_b), 1), None, None
        return grad_b, torch.cat((grad_raw, grad), 1), None, None


def circular_pad(x: Tensor, width: int) -> Tensor:
    """A periodic lattice continued on all sides: ``(..., H, W) -> (..., H + 2 w, W + 2 w)``."""
    if torch.compiler.is_compiling():
        return _CircularPad.forward(x, width)
    return _CircularPad.apply(x, width)


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


def residual_net(x: Tensor, slopes: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    """Residual blocks ``x <- x / sqrt 2 + W3 silu(W2 silu(W1 silu(s x)))``, then ``W silu(s x)``.

    Slopes of the hidden swishes and the factor of the residual sum are already in the weights.

    Args:
        x: ``(N, width)``.
        slopes: ``(3 * blocks + 1,)``, of which every third, on the residual stream, is used here.
        weights: Three per block and one to close, ``(out, in)``.
        biases: One per weight.

    Returns:
        ``(N, outputs)``.
    """
    if torch.compiler.is_compiling():  # a compiler fuses better than we do
        return _residual_forward(x, slopes, weights, biases)[0]
    device = x.device.type
    if torch.is_autocast_enabled(device):
        low = torch.get_autocast_dtype(device)
        x, *layers = (tensor.to(low) for tensor in (x, *weights, *biases))
        with torch.autocast(device, enabled=False):
            return _ResidualNet.apply(x, slopes, *layers)[0]
    return _ResidualNet.apply(x, slopes, *weights, *biases)[0]


def _residual_forward(
    x: Tensor, slopes: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The output, then for every block its input and its two hidden sums, then the last stream."""
    kept = []
    *block_slopes, last_slope = slopes[::3].unbind()
    for i, slope in enumerate(block_slopes):
        first = F.linear(F.silu(x * slope), weights[3 * i], biases[3 * i])
        second = F.linear(F.silu(first), weights[3 * i + 1], biases[3 * i + 1])
        third = F.linear(F.silu(second), weights[3 * i + 2], biases[3 * i + 2])
        kept += [x, first, second]
        x = torch.add(third, x, alpha=SHRINK)
    return F.linear(F.silu(x * last_slope), weights[-1], biases[-1]), *kept, x


class _ResidualNet(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, slopes: Tensor, *layers: Tensor) -> tuple[Tensor, ...]:
        count = len(layers) // 2
        out, _, *kept = _residual_forward(x, slopes, layers[:count], layers[count:])
        return out, *kept  # an input must not come back as an output

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])
        ctx.inputs = len(inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors  # recomputation allows one look
        x, slopes, *layers = saved[: ctx.inputs]
        kept = (x, *saved[ctx.inputs :])
        count = len(layers) // 2
        weights, biases = layers[:count], layers[count:]
        if torch.is_grad_enabled():
            kept = _residual_forward(x, slopes, weights, biases)[1:]
        *block_slopes, slope = slopes[::3].unbind()
        grad, slope_grad, *last = _layer_backward(grad, kept[-1], slope, weights[-1])
        slope_grads, layer_grads = [slope_grad], [last]
        for i in reversed(range(len(block_slopes))):
            stream, first, second = kept[3 * i : 3 * i + 3]
            inner, _, *third = _layer_backward(grad, second, None, weights[3 * i + 2])
            inner, _, *middle = _layer_backward(inner, first, None, weights[3 * i + 1])
            inner, slope_grad, *entry = _layer_backward(
                inner, stream, block_slopes[i], weights[3 * i]
            )
            grad = torch.add(inner, grad, alpha=SHRINK)
            slope_grads.append(slope_grad)
            layer_grads += [third, middle, entry]
        weight_grads, bias_grads = zip(*layer_grads[::-1], strict=True)
        by_layer = F.pad(torch.stack(slope_grads[::-1])[:, None], (0, 2)).flatten()[: len(slopes)]
        return grad, by_layer, *weight_grads, *bias_grads


def _layer_backward(
    grad: Tensor, x: Tensor, slope: Tensor | None, weight: Tensor
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Gradients of ``linear(silu(slope x))`` in x, slope, weight and bias; slope None is 1."""
    scaled = x if slope is None else x * slope
    weight_grad, bias_grad = grad.T @ F.silu(scaled), grad.sum(0)
    inner = _silu_backward(grad @ weight, scaled)
    if slope is None:
        return inner, None, weight_grad, bias_grad
    return inner * slope, (inner * x).sum(), weight_grad, bias_grad


def _silu_backward(grad: Tensor, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return torch.ops.aten.silu_backward(grad, x)
    gate = torch.sigmoid(x)
    return grad * gate * (1 + x * (1 - gate))
