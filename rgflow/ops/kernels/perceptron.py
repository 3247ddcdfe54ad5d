"""A perceptron on a tile of samples, and its vjp."""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.pointwise import activate, times_slope
from rgflow.ops.kernels.products import add_outer, add_product, add_sums


@jit
def _weights(widths: np.ndarray) -> int:
    """Number of elements of all matrices."""
    return (widths[1:] * widths[:-1]).sum()


@jit
def perceptron_on_tile(
    flat: np.ndarray,
    start: int,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    hidden: np.ndarray,
    slopes: np.ndarray,
    out: np.ndarray,
    samples: int,
) -> None:
    """``linear``, then ``activation, linear`` for each activation.

    Args:
        flat: Contains the parameters: all matrices, then all biases.
        start: Index in ``flat`` at which they begin.
        widths: Features before the first map and after each map.
        activations: Codes of the activations between the maps.
        x: ``(inputs, samples or more)``.
        hidden: ``(activations, features, samples or more)``, filled with the values of the
            activations.
        slopes: Like ``hidden``, filled with the derivatives of those activations whose derivative
            does not follow from their value.
        out: ``(outputs, samples or more)``, filled with the output.
        samples: Number of samples.
    """
    maps = len(widths) - 1
    weights, biases = start, start + _weights(widths)
    for layer in range(maps):
        columns, rows = widths[layer], widths[layer + 1]
        h = x if layer == 0 else hidden[layer - 1]
        image = out if layer == maps - 1 else hidden[layer]
        for j in range(rows):
            for n in range(samples):
                image[j, n] = flat[biases + j]
        matrix = flat[weights : weights + rows * columns].reshape(rows, columns)
        add_product(matrix, h, image, samples)
        if layer < maps - 1:
            activate(activations[layer], image, slopes[layer], rows, samples)
        weights += rows * columns
        biases += rows


@jit
def perceptron_on_tile_vjp(
    flat: np.ndarray,
    start: int,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    hidden: np.ndarray,
    slopes: np.ndarray,
    grad: np.ndarray,
    scratch: np.ndarray,
    grad_x: np.ndarray,
    grad_flat: np.ndarray,
    samples: int,
) -> None:
    """Adds the gradients in x and in the parameters to ``grad_x`` and ``grad_flat``.

    Args:
        flat: Contains the parameters: all matrices, then all biases.
        start: Index in ``flat`` at which they begin.
        widths: Features before the first map and after each map.
        activations: Codes of the activations between the maps.
        x: The input, ``(inputs, samples or more)``.
        hidden: As `perceptron_on_tile` filled it.
        slopes: As `perceptron_on_tile` filled it.
        grad: Gradient in the output, ``(outputs, samples or more)``.
        scratch: ``(2, features, samples or more)`` for intermediate results.
        grad_x: Of the shape of x.
        grad_flat: Of the shape of ``flat``, or empty if it is not wanted.
        samples: Number of samples.
    """
    maps = len(widths) - 1
    weights = start + _weights(widths)
    biases = weights + widths[1:].sum()
    g = grad
    for layer in range(maps - 1, -1, -1):
        columns, rows = widths[layer], widths[layer + 1]
        weights -= rows * columns
        biases -= rows
        h = x if layer == 0 else hidden[layer - 1]
        end = weights + rows * columns
        if len(grad_flat):
            add_outer(g, h, grad_flat[weights:end].reshape(rows, columns), samples)
            add_sums(g, grad_flat[biases : biases + rows], samples)
        transposed = flat[weights:end].reshape(rows, columns).T
        if layer == 0:
            add_product(transposed, g, grad_x, samples)
        else:
            of_input = scratch[layer % 2]
            for j in range(columns):
                for n in range(samples):
                    of_input[j, n] = np.float32(0.0)
            add_product(transposed, g, of_input, samples)
            at = layer - 1
            times_slope(activations[at], h, slopes[at], of_input, columns, samples)
            g = of_input
