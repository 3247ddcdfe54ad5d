"""The activations that machine code knows, and their codes."""

from __future__ import annotations

TANH, ELU, SILU, RELU, SIGMOID = range(5)
CODES = {"tanh": TANH, "elu": ELU, "silu": SILU, "relu": RELU, "sigmoid": SIGMOID}
