"""Names of pointwise functions and their numbers in machine code."""

from __future__ import annotations

TANH, ELU, SILU, RELU, SIGMOID = range(5)
CODES = {"tanh": TANH, "elu": ELU, "silu": SILU, "relu": RELU, "sigmoid": SIGMOID}
