"""A single net as one function of autograd with a hand-written gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rgflow.ops.choice import plain
from rgflow.ops.contract import FastNet
from rgflow.ops.coupling_chain import low_precision, with_parameters
from rgflow.ops.saved import flatten, rebuilt
from rgflow.ops.tensors import gradients_of


def run_net(net: nn.Module, x: Tensor) -> Tensor:
    """The output of a net that has a faster way, under autocast in the type of autocast.

    Hooks on the net are not called.
    """
    low = low_precision(x)
    return _Net.apply(net, low, x if low is None else x.to(low), *net.parameter_list())


class _Net(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, net: nn.Module, low: torch.dtype | None, x: Tensor, *parameters: Tensor
    ) -> Tensor:
        how: FastNet = net.fast
        with torch.autocast(x.device.type, enabled=False):
            prepared = how.prepare([parameters], x.dtype)
            weights: list[Tensor] = []
            skeleton = flatten(prepared.weights, weights)
            output, saved = how.forward(x, rebuilt(skeleton, [tensor[0] for tensor in weights]))
        tensors: list[Tensor] = []
        ctx.skeleton = flatten((x, parameters, prepared, saved), tensors)
        ctx.save_for_backward(*tensors)
        ctx.net, ctx.low = net, low
        return output.detach()  # as in `_Couplings`

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, parameters, prepared, saved = rebuilt(ctx.skeleton, ctx.saved_tensors)
        how: FastNet = ctx.net.fast
        wanted = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            autocast = torch.autocast(x.device.type, dtype=ctx.low, enabled=ctx.low is not None)
            with plain(), torch.enable_grad(), autocast:
                # a tensor that is twice among the inputs gets a gradient for each place
                x, *parameters = (tensor.view_as(tensor) for tensor in (x, *parameters))
                output = with_parameters(ctx.net, parameters)(x)
            found = gradients_of([output], (x, *parameters), wanted, [grad.to(output.dtype)])
            return None, None, *found
        weights: list[Tensor] = []
        skeleton = flatten(prepared.weights, weights)
        of_weights = any(wanted[1:])
        of_x, found = how.vjp(
            grad, rebuilt(skeleton, [t[0] for t in weights]), saved, of_weights=of_weights
        )
        if not of_weights:
            return None, None, of_x, *[None] * len(parameters)
        found_weights: list[Tensor] = []
        skeleton = flatten(found, found_weights)
        stack = rebuilt(skeleton, [tensor[None] for tensor in found_weights])
        of_parameters = how.prepare_vjp(stack, prepared.saved)
        views = (g[0].view_as(p) for g, p in zip(of_parameters, parameters, strict=True))
        return None, None, of_x, *views
