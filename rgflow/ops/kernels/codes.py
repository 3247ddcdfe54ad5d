"""The pointwise functions and the numbers by which machine code knows them."""

from __future__ import annotations

TANH, ELU, SILU, RELU, SIGMOID = range(5)
CODES = {"tanh": TANH, "elu": ELU, "silu": SILU, "relu": RELU, "sigmoid": SIGMOID}
