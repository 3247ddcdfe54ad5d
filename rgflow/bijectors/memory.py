"""A sequence of invertible maps, with a choice of what is saved for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rgflow.bijectors.base import Bijector
from rgflow.ops.choice import is_transformed

Memory = Literal["store", "recompute", "rebuild"]


def check_memory(memory: str) -> None:
    """Raises ValueError for an unknown memory mode."""
    if memory not in get_args(Memory):
        raise ValueError(f"memory={memory!r} is unknown, expected one of {get_args(Memory)}")


def run_in_sequence(
    steps: Sequence[Bijector], event: Any, memory: Memory, *, inverse: bool
) -> tuple[Any, Tensor]:
    """Applies bijectors in the given order and adds up their log_dets.

    Transforms of torch.func (vmap, jacrev) and forward-mode derivatives need every intermediate
    result: under them every mode is ``"store"``.

    Args:
        steps: Bijectors in the order of application.
        event: Tensor or tuple of tensors, each with the batch axis first.
        memory: See ``Chain``.
        inverse: Whether each step's inverse is applied.

    Returns:
        The last event, and the sum of the log_dets, ``(B,)`` for B samples.
    """
    saves = torch.is_grad_enabled() and not is_transformed()
    if memory == "rebuild" and saves:
        parts = (event,) if isinstance(event, Tensor) else event
        parameters = [p for step in steps for p in step.parameters()]
        *outputs, log_det = _RebuildFromOutput.apply(
            steps, inverse, len(parts), *parts, *dict.fromkeys(parameters)
        )
        return (outputs[0] if isinstance(event, Tensor) else tuple(outputs)), log_det
    total: Tensor | None = None
    for step in steps:
        apply = step.inverse if inverse else step
        if memory == "recompute" and saves:
            event, log_det = checkpoint(
                _with_same_weights(apply, step, event),
                event,
                use_reentrant=False,
                preserve_rng_state=False,
            )
        else:
            event, log_det = apply(event)
        total = log_det if total is None else total + log_det
    if total is None:
        raise ValueError("got an empty sequence of bijectors, expected at least one")
    return event, total


def _with_same_weights(
    apply: Callable[[Any], tuple[Any, Tensor]], step: Bijector, event: Any
) -> Callable[[Any], tuple[Any, Tensor]]:
    """The map, which raises once the weights or the event have been modified in place.

    Autograd checks this for saved tensors, but not for those of a computation that is repeated.
    """
    if torch.compiler.is_compiling():
        return apply
    tensors = [*step.parameters(), *((event,) if isinstance(event, Tensor) else event)]
    versions = [tensor._version for tensor in tensors]

    def run(event: Any) -> tuple[Any, Tensor]:
        if versions != [tensor._version for tensor in tensors]:
            raise RuntimeError(
                "a weight or an event was modified by an inplace operation between the forward "
                "and the backward pass, expected that they stay as they were"
            )
        return apply(event)

    return run


class _RebuildFromOutput(torch.autograd.Function):
    """Saves the output alone; the backward pass inverts and differentiates step by step."""

    @staticmethod
    def forward(
        ctx: Any, steps: Sequence[Bijector], inverse: bool, count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        event = tensors[0] if count == 1 else tensors[:count]
        output, log_det = run_in_sequence(steps, event, "store", inverse=inverse)
        outputs = (output,) if isinstance(output, Tensor) else tuple(output)
        # a part that no step changes is the input itself, and autograd needs another tensor
        outputs = tuple(
            o.view_as(o) if any(o is t for t in tensors[:count]) else o for o in outputs
        )
        ctx.steps, ctx.inverse, ctx.count = steps, inverse, count
        ctx.save_for_backward(*outputs, *tensors[count:])  # weights: to notice changes
        device = outputs[0].device.type
        ctx.autocast = (
            device,
            torch.get_autocast_dtype(device),
            torch.is_autocast_enabled(device),
        )
        return (*outputs, log_det)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        *event_grads, log_det_grad = grads
        parts, parameters = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        sums: dict[Tensor, Tensor] = {}
        device, dtype, enabled = ctx.autocast
        with torch.autocast(device, dtype=dtype, enabled=enabled):
            for step in reversed(ctx.steps):
                run, undo = (step.inverse, step) if ctx.inverse else (step, step.inverse)
                single = len(parts) == 1
                with torch.no_grad():
                    before, _ = undo(parts[0] if single else parts)
                before = (before,) if single else before
                inputs = tuple(b.detach().requires_grad_() for b in before)
                with torch.enable_grad():
                    after, log_det = run(inputs[0] if single else inputs)
                after = (after,) if single else tuple(after)
                own = [p for p in step.parameters() if p.requires_grad]
                outputs, output_grads = [*after], [*event_grads]
                if log_det.requires_grad:
                    outputs, output_grads = [*outputs, log_det], [*output_grads, log_det_grad]
                results = torch.autograd.grad(
                    outputs, (*inputs, *own), output_grads, allow_unused=True
                )
                event_grads = [
                    torch.zeros_like(i) if g is None else g
                    for i, g in zip(inputs, results, strict=False)
                ]
                for p, g in zip(own, results[len(inputs) :], strict=True):
                    if g is not None:
                        sums[p] = sums[p] + g if p in sums else g
                parts = tuple(i.detach() for i in inputs)
        return (None, None, None, *event_grads, *(sums.get(p) for p in parameters))
