"""The residual net of RG-Flow as one function of autograd.

Autograd alone would make about three times as many small operations as are needed. See
``rgflow.ops.fused`` for the principle.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rgflow.ops.fused import apply, cut, with_eager_twin
from rgflow.ops.residual import Layout, collect, evaluate, prepare, pull_back


def residual_net(x: Tensor, flat: Tensor, layout: Layout) -> Tensor:
    """The residual net of `rgflow.ops.residual` for autograd.

    Args:
        x: ``(N, width)``.
        flat: Its parameters, see `rgflow.ops.residual.prepare`.
        layout: Of the maps.

    Returns:
        ``(N, outputs)``.
    """
    if torch.compiler.is_compiling():  # a compiler fuses better than we do
        return _evaluate_one(x, flat, layout)[0]
    device = x.device.type
    if torch.is_autocast_enabled(device):
        low = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return apply(_ResidualNet, x.to(low), flat, *layout)[0]
    return apply(_ResidualNet, x, flat, *layout)[0]


def _evaluate_one(
    x: Tensor, flat: Tensor, layout: Layout
) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
    """Output, what `prepare` makes of one net (with its leading axis), and what is kept."""
    ready, aside = prepare([flat], layout, x.dtype)
    out, inputs = evaluate(x, [tensor[0] for tensor in ready], layout)
    return out, ready, aside, inputs


@with_eager_twin
class _ResidualNet(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, flat: Tensor, *layout: Any) -> tuple[Tensor, list[Tensor]]:
        out, ready, aside, inputs = _evaluate_one(x, flat, Layout(*layout))
        return out, [*ready, *aside, *inputs]

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, list[Tensor]]
    ) -> None:
        # tensors in a list are no outputs to autograd, which would wrap each of them
        ctx.shapes = inputs[2:5]
        ctx.save_for_backward(*inputs[:2], *inputs[5:], *output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        x, flat, exponents, shrinks, *kept = ctx.saved_tensors  # recomputation allows one look
        layout = Layout(*ctx.shapes, exponents, shrinks)
        wanted = ctx.needs_input_grad[1]
        if torch.is_grad_enabled():
            _, ready, aside, inputs = _evaluate_one(x, flat, layout)
        else:
            count = len(layout.order)
            made = 2 * count + (count + 2) // 3
            sizes = (made, 2 + 3 * len(layout.groups), count)
            ready, aside, inputs = cut(kept, sizes)
        of_x, of_ready = pull_back(grad, [t[0] for t in ready], inputs, layout, wanted)
        stacks = [tensor[None] for tensor in of_ready]
        of_flat = collect(stacks, layout, aside)[0] if wanted else None
        return of_x, of_flat, *[None] * 5
