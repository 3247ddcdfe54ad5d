"""A perceptron on a tile of samples, and its gradient."""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.pointwise import activate, times_slope
from rgflow.ops.kernels.products import add_outer, add_product, add_sums


@jit
def _weights(widths: np.ndarray) -> int:
    """Numbers in the matrices."""
    return (widths[1:] * widths[:-1]).sum()


@jit
def evaluate(
    flat: np.ndarray,
    start: int,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    hidden: np.ndarray,
    kept: np.ndarray,
    out: np.ndarray,
    samples: int,
) -> None:
    """``linear``, then ``activation, linear`` for each activation.

    Args:
        flat: Numbers among which the parameters lie: all matrices, then all biases.
        start: Where they begin.
        widths: Features in front of the first map and behind each.
        activations: Codes, one less than there are maps.
        x: ``(inputs, samples or more)``.
        hidden: ``(activations, features, samples)``, what activations give.
        kept: Likewise, what their derivatives need beside that.
        out: ``(outputs, samples or more)``, the result.
        samples: Samples.
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
            activate(activations[layer], image, kept[layer], rows, samples)
        weights += rows * columns
        biases += rows


@jit
def pull_back(
    flat: np.ndarray,
    start: int,
    widths: np.ndarray,
    activations: np.ndarray,
    x: np.ndarray,
    hidden: np.ndarray,
    kept: np.ndarray,
    grad: np.ndarray,
    spare: np.ndarray,
    grad_x: np.ndarray,
    grad_flat: np.ndarray,
    samples: int,
) -> None:
    """Adds the gradients in x and in the parameters to ``grad_x`` and ``grad_flat``.

    Args:
        flat: As for `evaluate`, and so are the others.
        start: Where they begin.
        widths: Features.
        activations: Codes.
        x: The input.
        hidden: What `evaluate` left there.
        kept: What `evaluate` left there.
        grad: Gradient of the output, ``(outputs, samples or more)``.
        spare: ``(2, features, samples)`` for intermediate results.
        grad_x: Like x.
        grad_flat: Like ``flat``, or empty where it is not wanted.
        samples: Samples.
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
        turned = flat[weights:end].reshape(rows, columns).T
        if layer == 0:
            add_product(turned, g, grad_x, samples)
        else:
            before = spare[layer % 2]
            for j in range(columns):
                for n in range(samples):
                    before[j, n] = np.float32(0.0)
            add_product(turned, g, before, samples)
            at = layer - 1
            times_slope(activations[at], h, kept[at], before, columns, samples)
            g = before
