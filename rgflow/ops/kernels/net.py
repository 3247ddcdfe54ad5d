"""A perceptron on all samples, and its gradient, for which only the input is kept."""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.perceptron import evaluate, pull_back
from rgflow.ops.kernels.tile import ROW, TILE


@jit
def run(
    flat: np.ndarray,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Samples ``start`` to ``stop``.

    Args:
        flat: Matrices one after another, then biases.
        widths: Features in front of the first map and behind each.
        activations: Codes, one less than there are maps.
        x: ``(inputs, N)``.
        out: ``(outputs, N)``, the result.
        start: Where the samples begin.
        stop: Where they end.
    """
    depth, widest = len(activations), widths.max()
    hidden = np.empty((depth, widest, ROW), np.float32)
    kept = np.empty((depth, widest, ROW), np.float32)
    read = np.empty((len(x), ROW), np.float32)
    image = np.empty((len(out), ROW), np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        for row in range(len(x)):
            read[row, :samples] = x[row, begin : begin + samples]
        evaluate(flat, 0, widths, activations, read, hidden, kept, image, samples)
        for row in range(len(out)):
            out[row, begin : begin + samples] = image[row, :samples]


@jit
def run_back(
    flat: np.ndarray,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    grad: np.ndarray,
    grad_x: np.ndarray,
    grad_flat: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Gradients of `run` for samples ``start`` to ``stop``.

    Args:
        flat: As for `run`, and so are the others.
        widths: Features.
        activations: Codes.
        x: The input.
        grad: ``(outputs, N)``, gradient of the output.
        grad_x: Like x, the result.
        grad_flat: Like ``flat``, to which gradients are added, or empty where none is wanted.
        start: Where the samples begin.
        stop: Where they end.
    """
    depth, widest = len(activations), widths.max()
    hidden = np.empty((depth, widest, ROW), np.float32)
    kept = np.empty((depth, widest, ROW), np.float32)
    spare = np.empty((2, widest, ROW), np.float32)
    read = np.empty((len(x), ROW), np.float32)
    found = np.empty((len(x), ROW), np.float32)
    given = np.empty((len(grad), ROW), np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        for row in range(len(x)):
            read[row, :samples] = x[row, begin : begin + samples]
            found[row, :samples] = np.float32(0.0)
        evaluate(flat, 0, widths, activations, read, hidden, kept, given, samples)
        for row in range(len(grad)):
            given[row, :samples] = grad[row, begin : begin + samples]
        pull_back(
            flat,
            0,
            widths,
            activations,
            read,
            hidden,
            kept,
            given,
            spare,
            found,
            grad_flat,
            samples,
        )
        for row in range(len(x)):
            grad_x[row, begin : begin + samples] = found[row, :samples]
