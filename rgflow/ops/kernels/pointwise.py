"""Pointwise functions in float32 that compilers can vectorise, with their derivatives.

They have neither branches nor calls. The error of each is about 3e-7 times the larger of 1 and the
value, and nan gives nan.
"""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.codes import ELU, SIGMOID, SILU, TANH
from rgflow.ops.kernels.jit import inlined, jit

_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_LOG2_E = np.float32(1.44269504)
_LN_2_HIGH = np.float32(0.693145752)  # few digits, so that multiples of it are exact
_LN_2_LOW = np.float32(1.42860677e-6)


@inlined
def exp(x: np.float32) -> np.float32:
    """``e^x`` for x clamped to ``[-87, 88]``: a power of two times a polynomial."""
    x = np.float32(-87.0) if x < np.float32(-87.0) else x
    x = np.float32(88.0) if x > np.float32(88.0) else x
    whole = np.floor(x * _LOG2_E + np.float32(0.5))
    r = x - whole * _LN_2_HIGH - whole * _LN_2_LOW
    p = np.float32(1 / 5040)
    p = p * r + np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(1 / 2)
    p = p * r + _ONE
    p = p * r + _ONE
    exponent = (np.int32(whole) + np.int32(127)) << np.int32(23)
    return p * np.int32(exponent).view(np.float32)


@inlined
def sigmoid(x: np.float32) -> np.float32:
    """``1 / (1 + e^-x)``."""
    return _ONE / (_ONE + exp(-x))


@inlined
def log(x: np.float32) -> np.float32:
    """``ln x`` for x at least 1e-37, -inf for 0: the exponent and a polynomial (Cephes)."""
    bits = np.float32(x).view(np.int32)
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    whole = np.float32((bits >> np.int32(23)) - np.int32(126))
    small = mantissa < np.float32(0.70710678)
    whole = whole - _ONE if small else whole
    m = (mantissa + mantissa if small else mantissa) - _ONE
    p = np.float32(7.0376836292e-2)
    p = p * m + np.float32(-1.1514610310e-1)
    p = p * m + np.float32(1.1676998740e-1)
    p = p * m + np.float32(-1.2420140846e-1)
    p = p * m + np.float32(1.4249322787e-1)
    p = p * m + np.float32(-1.6668057665e-1)
    p = p * m + np.float32(2.0000714765e-1)
    p = p * m + np.float32(-2.4999993993e-1)
    p = p * m + np.float32(3.3333331174e-1)
    y = p * m * m * m + whole * _LN_2_LOW - np.float32(0.5) * m * m
    y = m + y + whole * _LN_2_HIGH
    y = np.float32(-np.inf) if x == _ZERO else y
    return y if x < np.float32(np.inf) else x


@inlined
def softplus(x: np.float32) -> np.float32:
    """``ln(1 + e^x)``."""
    magnitude = -x if x < _ZERO else x
    return (_ZERO if x < _ZERO else x) + log(_ONE + exp(-magnitude))


@jit
def activate(code: int, v: np.ndarray, slopes: np.ndarray, rows: int, samples: int) -> None:
    """Replaces v by the values of an activation; for silu, also stores the derivative.

    Args:
        code: The activation, one of ``CODES``.
        v: ``(rows or more, samples or more)``.
        slopes: Of the shape of v; for silu, filled with the derivative.
        rows: Number of features.
        samples: Number of samples.
    """
    for j in range(rows):
        if code == TANH:
            for n in range(samples):
                v[j, n] = _TWO * sigmoid(_TWO * v[j, n]) - _ONE
        elif code == ELU:
            for n in range(samples):
                x = v[j, n]
                v[j, n] = x if x > _ZERO else exp(x) - _ONE
        elif code == SILU:
            for n in range(samples):
                x = v[j, n]
                gate = sigmoid(x)
                v[j, n] = x * gate
                slopes[j, n] = gate * (_ONE + x * (_ONE - gate))
        elif code == SIGMOID:
            for n in range(samples):
                v[j, n] = sigmoid(v[j, n])
        else:
            for n in range(samples):
                x = v[j, n]
                v[j, n] = _ZERO if x < _ZERO else x


@jit
def times_slope(
    code: int, y: np.ndarray, slopes: np.ndarray, grad: np.ndarray, rows: int, samples: int
) -> None:
    """Multiplies ``grad`` by the derivative of an activation.

    Args:
        code: The activation, one of ``CODES``.
        y: The values that `activate` gave.
        slopes: As `activate` filled it.
        grad: Gradient in y, replaced by the gradient in the argument of the activation.
        rows: Number of features.
        samples: Number of samples.
    """
    for j in range(rows):
        if code == TANH:
            for n in range(samples):
                grad[j, n] *= _ONE - y[j, n] * y[j, n]
        elif code == ELU:
            for n in range(samples):
                grad[j, n] *= _ONE if y[j, n] > _ZERO else y[j, n] + _ONE
        elif code == SILU:
            for n in range(samples):
                grad[j, n] *= slopes[j, n]
        elif code == SIGMOID:
            for n in range(samples):
                grad[j, n] *= y[j, n] * (_ONE - y[j, n])
        else:
            for n in range(samples):
                grad[j, n] *= _ZERO if y[j, n] <= _ZERO else _ONE
