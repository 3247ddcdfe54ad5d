"""A chain of affine couplings with perceptrons inside, on compact halves, and its gradient.

For the gradient only the half that each coupling changes is saved, as it is before the coupling;
the nets are evaluated again.
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
    """A chain of couplings in the order of application, without their parameters.

    Attributes:
        inverse: Whether each coupling's inverse is applied.
        reads: ``(couplings,)``, index of the half that is read.
        bounds: ``(couplings,)``, largest absolute log-scale.
        starts: ``(couplings, nets)``, where the parameters of each net begin: its matrices one
            after another, then its biases. The nets of a coupling have equally many outputs.
        widths: ``(couplings, maps + 1)``, features before a net's first map and after each map.
        activations: ``(couplings, maps - 1)``, codes of the activations.
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
    """Fills ``out`` with the outputs of the nets of coupling c: raw log-scales, then shifts."""
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
    """Computes the images and log_dets of a chain for samples ``start`` to ``stop``.

    Args:
        plan: The chain.
        flat: All parameters.
        first: ``(A, N)``, the first half.
        second: ``(D, N)``, the second half.
        image_first: ``(A, N)``, filled with the image of the first half.
        image_second: ``(D, N)``, filled with the image of the second half.
        log_det: ``(N,)``, filled with the log_dets.
        changed: ``(features, N)``, filled with the half that each coupling changes, as it is
            before the coupling, one coupling after another; without rows if no gradient is wanted.
        start: First sample, a multiple of TILE.
        stop: One past the last sample.
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
    """The vjp of `affine_chain` for samples ``start`` to ``stop``.

    Args:
        plan: The chain.
        flat: All parameters.
        image_first: As `affine_chain` filled it.
        image_second: As `affine_chain` filled it.
        changed: As `affine_chain` filled it.
        grad_image_first: Gradient in the image of the first half.
        grad_image_second: Gradient in the image of the second half.
        grad_log_det: Gradient in the log_det.
        grad_first: ``(A, N)``, filled with the gradient in the first half.
        grad_second: ``(D, N)``, filled with the gradient in the second half.
        grad_flat: The gradient in ``flat`` is added to it; empty if it is not wanted.
        start: First sample, a multiple of TILE.
        stop: One past the last sample.
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
