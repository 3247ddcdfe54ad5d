"""A perceptron on all samples, and its vjp, for which only the input is saved."""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.perceptron import perceptron_on_tile, perceptron_on_tile_vjp
from rgflow.ops.kernels.tile import ROW, TILE


@jit
def perceptron(
    flat: np.ndarray,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    out: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Computes the output of a perceptron for samples ``start`` to ``stop``.

    Args:
        flat: Matrices one after another, then biases.
        widths: Features before the first map and after each map.
        activations: Codes of the activations between the maps.
        x: ``(inputs, N)``.
        out: ``(outputs, N)``, filled with the output.
        start: First sample.
        stop: One past the last sample.
    """
    depth, widest = len(activations), widths.max()
    hidden = np.empty((depth, widest, ROW), np.float32)
    slopes = np.empty((depth, widest, ROW), np.float32)
    read = np.empty((len(x), ROW), np.float32)
    image = np.empty((len(out), ROW), np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        for row in range(len(x)):
            read[row, :samples] = x[row, begin : begin + samples]
        perceptron_on_tile(flat, 0, widths, activations, read, hidden, slopes, image, samples)
        for row in range(len(out)):
            out[row, begin : begin + samples] = image[row, :samples]


@jit
def perceptron_vjp(
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
    """The vjp of `perceptron` for samples ``start`` to ``stop``.

    Args:
        flat: Matrices one after another, then biases.
        widths: Features before the first map and after each map.
        activations: Codes of the activations between the maps.
        x: The input, ``(inputs, N)``.
        grad: ``(outputs, N)``, gradient in the output.
        grad_x: ``(inputs, N)``, filled with the gradient in x.
        grad_flat: The gradient in ``flat`` is added to it; empty if it is not wanted.
        start: First sample.
        stop: One past the last sample.
    """
    depth, widest = len(activations), widths.max()
    hidden = np.empty((depth, widest, ROW), np.float32)
    slopes = np.empty((depth, widest, ROW), np.float32)
    scratch = np.empty((2, widest, ROW), np.float32)
    read = np.empty((len(x), ROW), np.float32)
    found = np.empty((len(x), ROW), np.float32)
    given = np.empty((len(grad), ROW), np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        for row in range(len(x)):
            read[row, :samples] = x[row, begin : begin + samples]
            found[row, :samples] = np.float32(0.0)
        perceptron_on_tile(flat, 0, widths, activations, read, hidden, slopes, given, samples)
        for row in range(len(grad)):
            given[row, :samples] = grad[row, begin : begin + samples]
        perceptron_on_tile_vjp(
            flat,
            0,
            widths,
            activations,
            read,
            hidden,
            slopes,
            given,
            scratch,
            found,
            grad_flat,
            samples,
        )
        for row in range(len(x)):
            grad_x[row, begin : begin + samples] = found[row, :samples]
