"""What a transform and a net must offer to be differentiated by hand.

Both are small frozen objects without parameters of their own: they say what is computed, and how
its vector-Jacobian product (vjp) is computed from the tensors that the forward pass saved. Saved
tensors and prepared weights are named tuples, flattened for autograd by `rgflow.ops.saved`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from rgflow.ops.saved import Structure

Halves = tuple[Tensor, Tensor]


class TransformResult(NamedTuple):
    """What a transform gives, and the tensors that its vjp needs."""

    image: Tensor
    log_det: Tensor
    saved: Structure


class NetResult(NamedTuple):
    """What a net gives, and the tensors that its vjp needs."""

    output: Tensor
    saved: Structure


class Prepared(NamedTuple):
    """The weights of several nets of one kind, in the form in which the nets use them.

    Attributes:
        weights: Each tensor with a first axis for the nets.
        saved: What `FastNet.prepare_vjp` needs.
    """

    weights: Structure
    saved: Structure


class FastTransform(ABC):
    """An elementwise map with parameters of its own for every entry, and its vjp.

    ``b`` has the shape ``(N, D, *lattice)`` and ``parameters`` the shape
    ``(N, parameters_per_entry * D, *lattice)``, with all first parameters in front.
    """

    parameters_per_entry: int

    @abstractmethod
    def apply(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The image and its log_det ``(N,)``, as one function of autograd."""

    @abstractmethod
    def forward(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> TransformResult:
        """The image, its log_det ``(N,)`` and saved tensors; autograd sees nothing of it."""

    @abstractmethod
    def vjp(
        self, grad: Tensor, log_det_grad: Tensor, saved: Structure, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Gradients in b and in the parameters, from those of the image and of the log_det."""


class FastNet(ABC):
    """A net whose parameters are the list of tensors that its module gives, and its vjp.

    What the net makes of its parameters before it reads any sample, such as weight norm, is
    prepared for all nets of a chain that are alike at once: a small operation costs as much as a
    small product of matrices. Nets are alike if they are equal as objects.
    """

    inputs: int
    outputs: int

    @abstractmethod
    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """Weights in the type of the nets' inputs, from the parameters of each net."""

    @abstractmethod
    def forward(self, x: Tensor, weights: Structure) -> NetResult:
        """The output of ``(N, inputs, ...)`` for the weights of one net, and saved tensors."""

    @abstractmethod
    def vjp(
        self, grad: Tensor, weights: Structure, saved: Structure, *, of_weights: bool
    ) -> tuple[Tensor, Structure]:
        """Gradients in x and, if asked for, in the weights, else an empty tuple."""

    @abstractmethod
    def prepare_vjp(self, of_weights: Structure, saved: Structure) -> list[Tensor]:
        """Gradients in the parameters, each with a first axis for the nets.

        Args:
            of_weights: Gradients in the weights of all nets, like `Prepared.weights`.
            saved: `Prepared.saved`.
        """


class Transform(Protocol):
    """What this folder calls of a transform.

    Attributes:
        fast: The faster way of computing it, or None.
    """

    parameters_per_entry: int
    fast: FastTransform | None

    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The image and the logarithm of the slope."""
        ...

    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same of the inverse function."""
        ...


class Coupling(Protocol):
    """What this folder calls of a coupling.

    Attributes:
        read_half: Index of the half that is read, 0 or 1; the other one is changed.
        event_shape: Shapes of the halves without the batch axis.
        transform: The elementwise map.
        conditioner: The net; one with a faster way has ``fast`` and ``parameter_list()``.
        fast: Whether the coupling is nothing but its transform and its conditioner.
    """

    read_half: int
    event_shape: tuple[tuple[int, ...], tuple[int, ...]]
    transform: Transform
    conditioner: nn.Module
    fast: bool | None

    def apply_with(
        self, halves: Halves, net: Callable[[Tensor], Tensor], *, inverse: bool
    ) -> tuple[Halves, Tensor]:
        """The coupling or its inverse, with a function in place of its conditioner."""
        ...


class HasFasterWay:
    """Base of transforms, nets and couplings that may have a faster way beside plain torch.

    A class that overrides a method of the one that declares ``fast``, itself or by a mix-in, may
    compute something else. It does not inherit the faster way: it has none unless it declares one.

    Attributes:
        fast: The faster way, or None.
    """

    fast: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        mro = cls.__mro__
        owner = next(base for base in mro if "fast" in vars(base))
        above = mro[: mro.index(owner)]
        names = {name for base in above for name in vars(base) if not name.startswith("__")}
        if any(callable(getattr(owner, name, None)) for name in names):
            cls.fast = None


def fast_net(module: nn.Module) -> FastNet | None:
    """The faster way of computing a net, or None if there is none."""
    found: Any = getattr(module, "fast", None)
    return found if isinstance(found, FastNet) else None
