"""What training minimises, as pure functions of a flow and tensors."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from rgflow.flow import Flow


def negative_log_likelihood(flow: "Flow", x: Tensor) -> Tensor:
    r"""Negative log-likelihood of samples of the data, ``-ln p(x)``.

    Its mean over the data is the cross-entropy: the Kullback-Leibler divergence of the flow from
    the law of the data, plus that law's entropy.

    Args:
        flow: The flow; it is called, not asked for ``log_prob``, so that a compiled or a
            distributed wrapper of it takes effect.
        x: Samples, ``(B, C, L, L)``; images in units of 1/255, dequantized.

    Returns:
        Nats per sample, ``(B,)``.
    """
    return -flow(x)
