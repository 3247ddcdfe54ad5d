"""A setting of torch.compile that bijectors need."""

from __future__ import annotations

import inspect

import torch


@torch.compiler.assume_constant_result
def keep_buffers_apart() -> None:
    """Tells the compiler that traces the caller not to use buffers in place.

    With buffers in place, the CPU code of torch 2.15 gives wrong gradients of scalar factors, such
    as the slopes of a residual net: it fuses two loops, one of which reads a number that the other
    has overwritten. torch runs this function while it traces, before it generates code for the
    forward or the backward pass; it therefore works for ``flow.compile()`` and for
    ``torch.compile`` of a flow or of a function that calls one. An option that the caller has set
    stays, and other compilers than torch's own are left alone.
    """
    from torch._dynamo.symbolic_convert import InstructionTranslator

    compiler = inspect.unwrap(InstructionTranslator.current_tx().output.compiler_fn)
    if isinstance(compiler, torch._TorchCompileInductorWrapper):
        compiler.config.setdefault("inplace_buffers", False)
