"""The one place that decides whether the faster ways of this folder are taken."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

_SWITCHED_OFF: ContextVar[bool] = ContextVar(
    "rgflow_plain",
    default=os.environ.get("RGFLOW_PLAIN", "").lower() not in ("", "0", "false", "no", "off"),
)


@contextmanager
def plain() -> Iterator[None]:
    """A context in which all is computed in plain torch, without hand-written gradients.

    It holds for the current thread. The environment variable ``RGFLOW_PLAIN=1``, which is read
    when the package is imported, does the same for a whole process. The backward pass of a result
    takes the way in which the result was computed, also outside of the context.

    >>> from rgflow.bijectors import AffineCoupling
    >>> from rgflow.conditioners import MLP
    >>> coupling, halves = AffineCoupling((2, 3), MLP(2, 6)), (torch.ones(1, 2), torch.ones(1, 3))
    >>> with plain():
    ...     slow = coupling(halves)
    >>> torch.allclose(slow[1], coupling(halves)[1])
    True
    """
    token = _SWITCHED_OFF.set(True)
    try:
        yield
    finally:
        _SWITCHED_OFF.reset(token)


def hand_written_gradients() -> bool:
    """Whether functions with a hand-written gradient may be used here.

    torch.compile, the transforms of torch.func and forward-mode derivatives cannot trace a
    hand-written backward pass.
    """
    return not (torch.compiler.is_compiling() or is_transformed() or _SWITCHED_OFF.get())


def is_transformed() -> bool:
    """Whether a transform of torch.func or a forward-mode derivative is active."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def are_readable(*tensors: Tensor) -> bool:
    """Whether the numbers in these tensors can be read.

    Under torch.compile, transforms of torch.func and dispatch modes a tensor may have no numbers.
    """
    return not (
        torch.compiler.is_compiling()
        or is_transformed()
        or is_in_torch_dispatch_mode()
        or any(t.is_meta for t in tensors)
    )


def machine_code(*tensors: Tensor) -> bool:
    """Whether machine code may be used on these tensors.

    They must be plain float32 tensors on a CPU with at least one element, hand-written gradients
    must be allowed, and no dispatch mode may be active.
    """
    return (
        all(
            t.dtype == torch.float32
            and t.device.type == "cpu"
            and type(t) in (Tensor, nn.Parameter)
            and t.numel() > 0
            for t in tensors
        )
        and hand_written_gradients()
        and not is_in_torch_dispatch_mode()
    )


def wants_graph(*tensors: Tensor) -> bool:
    """Whether autograd records operations on these tensors."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def are_batched(gradients: Sequence[Tensor]) -> bool:
    """Whether each of these tensors is a batch of gradients, as with ``is_grads_batched``.

    Such tensors have no memory that machine code could read.
    """
    try:
        for gradient in gradients:
            gradient.detach().numpy()
    except RuntimeError:
        return True
    return False
