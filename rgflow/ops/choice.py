"""Whether the faster ways of this folder are taken: the one place that decides it."""

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
    """Inside, everything is computed in plain torch: no hand-written gradient, no machine code.

    It holds for this thread; the environment variable ``RGFLOW_PLAIN=1``, which is read when
    the package is imported, does the same for a whole process. What is differentiated later
    keeps the way in which it was computed.

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

    Compilers, the transforms of torch.func and derivatives in forward mode cannot see through a
    hand-written backward pass.
    """
    return not (torch.compiler.is_compiling() or is_transformed() or _SWITCHED_OFF.get())


def is_transformed() -> bool:
    """Whether a transform of torch.func, or a derivative in forward mode, is under way."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def are_readable(*tensors: Tensor) -> bool:
    """Whether the numbers in these tensors are there to be looked at.

    Under compilers, transforms of torch.func and dispatch modes they need not be.
    """
    return not (
        torch.compiler.is_compiling()
        or is_transformed()
        or is_in_torch_dispatch_mode()
        or any(t.is_meta for t in tensors)
    )


def machine_code(*tensors: Tensor) -> bool:
    """Whether machine code may be used on these tensors.

    They must be float32 and in the memory of a CPU, and no dispatch mode may be active.
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
    """Whether gradients stand for many at once, as with ``is_grads_batched``.

    Such tensors have no memory of their own that machine code could read.
    """
    try:
        for gradient in gradients:
            gradient.detach().numpy()
    except RuntimeError:
        return True
    return False
