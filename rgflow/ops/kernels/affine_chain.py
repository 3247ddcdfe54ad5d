"""A chain of affine couplings with perceptrons inside, on compact halves, and its gradient.

For the gradient only the numbers that each coupling changed are saved, as they were before; the
nets are evaluated again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.perceptron import perceptron_on_tile, perceptron_on_tile_vjp
from rgflow.ops.kernels.pointwise import exp, sigmoid
from rgflow.ops.kernels.tile import ROW, TILE

_ONE, _TWO = np.float32(1.0), np.float32(2.0)


class Plan(NamedTuple):
    """A chain of C couplings in the order of application, without their parameters.

    Attributes:
        inverse: Whether each one's inverse is applied.
        reads: ``(C,)``, the half that is read.
        bounds: ``(C,)``, the largest absolute log-scale.
        starts: ``(C, nets)``, where the parameters of each net begin: its matrices one after
            another, then its biases. The nets of a coupling share its outputs evenly.
        widths: ``(C, maps + 1)``, features in front of each net's first map and behind each.
        activations: ``(C, maps - 1)``, codes of the activations.
    """

    inverse: bool
    reads: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    widths: np.ndarray
    activations: np.ndarray


@jit
def _raw_parameters(
    plan: Plan,
    c: int,
    flat: np.ndarray,
    read: np.ndarray,
    hidden: np.ndarray,
    slopes: np.ndarray,
    out: np.ndarray,
    samples: int,
) -> None:
    """What the nets of coupling c give: log-scales before the bound, then shifts."""
    outputs = plan.widths[c, -1]
    for net in range(plan.starts.shape[1]):
        perceptron_on_tile(
            flat,
            plan.starts[c, net],
            plan.widths[c],
            plan.activations[c],
            read,
            hidden[net],
            slopes[net],
            out[net * outputs : (net + 1) * outputs],
            samples,
        )


@jit
def affine_chain(
    plan: Plan,
    flat: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    image_first: np.ndarray,
    image_second: np.ndarray,
    log_det: np.ndarray,
    changed: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """The images and log_dets of a chain for samples ``start`` to ``stop``.

    Args:
        plan: The chain.
        flat: All parameters.
        first: ``(A, N)``, the first half.
        second: ``(B, N)``, the second half.
        image_first: Like ``first``, the result.
        image_second: Like ``second``, the result.
        log_det: ``(N,)``, the result.
        changed: ``(numbers changed by all couplings, N)``, filled with what each coupling found in
            the half that it changes; without rows where no gradient is wanted.
        start: First sample, a multiple of TILE.
        stop: One behind the last sample.
    """
    nets, depth = plan.starts.shape[1], plan.activations.shape[1]
    widest, outputs = plan.widths.max(), nets * plan.widths[:, -1].max()
    hidden = np.empty((nets, depth, widest, ROW), np.float32)
    slopes = np.empty((nets, depth, widest, ROW), np.float32)
    raw = np.empty((outputs, ROW), np.float32)
    a = np.empty((len(first), ROW), np.float32)
    b = np.empty((len(second), ROW), np.float32)
    total = np.empty(TILE, np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        a[:, :samples] = first[:, begin : begin + samples]
        b[:, :samples] = second[:, begin : begin + samples]
        total[:] = np.float32(0.0)
        row = 0
        for c in range(len(plan.reads)):
            read, half = (a, b) if plan.reads[c] == 0 else (b, a)
            _raw_parameters(plan, c, flat, read, hidden, slopes, raw, samples)
            size, bound = len(half), plan.bounds[c]
            if len(changed):
                changed[row : row + size, begin : begin + samples] = half[:, :samples]
                row += size
            for j in range(size):
                if plan.inverse:
                    for n in range(samples):
                        log_scale = bound * (_TWO * sigmoid(raw[j, n]) - _ONE)
                        half[j, n] = (half[j, n] - raw[size + j, n]) * exp(-log_scale)
                        total[n] -= log_scale
                else:
                    for n in range(samples):
                        log_scale = bound * (_TWO * sigmoid(raw[j, n]) - _ONE)
                        half[j, n] = half[j, n] * exp(log_scale) + raw[size + j, n]
                        total[n] += log_scale
        image_first[:, begin : begin + samples] = a[:, :samples]
        image_second[:, begin : begin + samples] = b[:, :samples]
        log_det[begin : begin + samples] = total[:samples]


@jit
def affine_chain_vjp(
    plan: Plan,
    flat: np.ndarray,
    image_first: np.ndarray,
    image_second: np.ndarray,
    changed: np.ndarray,
    grad_image_first: np.ndarray,
    grad_image_second: np.ndarray,
    grad_log_det: np.ndarray,
    grad_first: np.ndarray,
    grad_second: np.ndarray,
    grad_flat: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Gradients of `affine_chain` for samples ``start`` to ``stop``.

    Args:
        plan: The chain.
        flat: All parameters.
        image_first: As `affine_chain` filled it.
        image_second: As `affine_chain` filled it.
        changed: As `affine_chain` filled it.
        grad_image_first: Gradient of the first image.
        grad_image_second: Gradient of the second image.
        grad_log_det: Gradient of the log_det.
        grad_first: ``(A, N)``, the result.
        grad_second: ``(B, N)``, the result.
        grad_flat: Like ``flat``, to which gradients are added.
        start: First sample, a multiple of TILE.
        stop: One behind the last sample.
    """
    nets, depth = plan.starts.shape[1], plan.activations.shape[1]
    widest, outputs = plan.widths.max(), nets * plan.widths[:, -1].max()
    hidden = np.empty((nets, depth, widest, ROW), np.float32)
    slopes = np.empty((nets, depth, widest, ROW), np.float32)
    scratch = np.empty((2, widest, ROW), np.float32)
    raw = np.empty((outputs, ROW), np.float32)
    a = np.empty((len(image_first), ROW), np.float32)
    b = np.empty((len(image_second), ROW), np.float32)
    grad_a = np.empty((len(image_first), ROW), np.float32)
    grad_b = np.empty((len(image_second), ROW), np.float32)
    for begin in range(start, stop, TILE):
        samples = min(TILE, stop - begin)
        a[:, :samples] = image_first[:, begin : begin + samples]
        b[:, :samples] = image_second[:, begin : begin + samples]
        grad_a[:, :samples] = grad_image_first[:, begin : begin + samples]
        grad_b[:, :samples] = grad_image_second[:, begin : begin + samples]
        row = len(changed)
        for c in range(len(plan.reads) - 1, -1, -1):
            read, half = (a, b) if plan.reads[c] == 0 else (b, a)
            grad_read, grad = (grad_a, grad_b) if plan.reads[c] == 0 else (grad_b, grad_a)
            _raw_parameters(plan, c, flat, read, hidden, slopes, raw, samples)
            size, bound = len(half), plan.bounds[c]
            row -= size
            for j in range(size):
                if plan.inverse:
                    for n in range(samples):
                        gate = sigmoid(raw[j, n])
                        of_log_det = grad_log_det[begin + n]
                        of_scale = -grad[j, n] * half[j, n] - of_log_det
                        factor = exp(-bound * (_TWO * gate - _ONE))
                        raw[j, n] = of_scale * _TWO * bound * gate * (_ONE - gate)
                        raw[size + j, n] = -grad[j, n] * factor
                        grad[j, n] *= factor
                        half[j, n] = changed[row + j, begin + n]
                else:
                    for n in range(samples):
                        gate = sigmoid(raw[j, n])
                        of_log_det = grad_log_det[begin + n]
                        before = changed[row + j, begin + n]
                        factor = exp(bound * (_TWO * gate - _ONE))
                        of_scale = grad[j, n] * factor * before + of_log_det
                        raw[j, n] = of_scale * _TWO * bound * gate * (_ONE - gate)
                        raw[size + j, n] = grad[j, n]
                        grad[j, n] *= factor
                        half[j, n] = before
            outputs = plan.widths[c, -1]
            for net in range(plan.starts.shape[1]):
                perceptron_on_tile_vjp(
                    flat,
                    plan.starts[c, net],
                    plan.widths[c],
                    plan.activations[c],
                    read,
                    hidden[net],
                    slopes[net],
                    raw[net * outputs : (net + 1) * outputs],
                    scratch,
                    grad_read,
                    grad_flat,
                    samples,
                )
        grad_first[:, begin : begin + samples] = grad_a[:, :samples]
        grad_second[:, begin : begin + samples] = grad_b[:, :samples]
