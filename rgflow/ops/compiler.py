"""What the compiler of torch is told before it compiles a bijector."""

from __future__ import annotations

import inspect

import torch


@torch.compiler.assume_constant_result
def keep_buffers_apart() -> None:
    """Tells the compiler that traces the caller not to use buffers in place.

    With them the CPU code of torch 2.15 sums wrong gradients of scalar factors, such as the slopes
    of a residual net: of two loops that it fuses, one reads a number that the other one has
    overwritten. torch runs this function while it traces, before it makes code of either pass, so
    that it holds for ``torch.compile`` of a flow, or of any function that calls one, as for
    ``flow.compile()``. What the caller has chosen as an option stays. Other compilers than
    torch's own are left alone.
    """
    from torch._dynamo.symbolic_convert import InstructionTranslator

    compiler = inspect.unwrap(InstructionTranslator.current_tx().output.compiler_fn)
    if isinstance(compiler, torch._TorchCompileInductorWrapper):
        compiler.config.setdefault("inplace_buffers", False)
