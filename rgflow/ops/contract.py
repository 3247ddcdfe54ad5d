"""The interface of transforms and nets with a hand-written gradient.

Both are small frozen objects that hold no parameters: they compute the map, and its
vector-Jacobian product (vjp) from the tensors that the forward pass saved. Saved tensors and
prepared weights are named tuples, which `rgflow.ops.saved` flattens for autograd.
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
    """The image, the log_det ``(N,)``, and the tensors that the vjp needs."""

    image: Tensor
    log_det: Tensor
    saved: Structure


class NetResult(NamedTuple):
    """The output, and the tensors that the vjp needs."""

    output: Tensor
    saved: Structure


class Prepared(NamedTuple):
    """Prepared weights: those of several nets that are alike, in the form that the nets use.

    Attributes:
        weights: Tensors ``(nets, ...)``.
        saved: The tensors that `FastNet.prepare_vjp` needs.
    """

    weights: Structure
    saved: Structure


class FastTransform(ABC):
    """An elementwise map in which every entry has its own parameters, and its vjp.

    ``b`` is the half that is changed, ``(N, D, *lattice)`` with N the batch. ``parameters`` has
    the shape ``(N, parameters_per_entry * D, *lattice)``: the first parameter of all D channels,
    then the second of all, and so on.
    """

    parameters_per_entry: int

    @abstractmethod
    def apply(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The image and its log_det ``(N,)``, as one function of autograd."""

    @abstractmethod
    def forward(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> TransformResult:
        """The image, the log_det ``(N,)`` and saved tensors; autograd does not record it."""

    @abstractmethod
    def vjp(
        self, grad: Tensor, log_det_grad: Tensor, saved: Structure, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Gradients in b and in the parameters, from those in the image and the log_det."""


class FastNet(ABC):
    """A net whose parameters are the ``parameter_list()`` of its module, and its vjp.

    What does not depend on the samples, such as weight normalisation, is computed at once for all
    nets of a chain that are alike, as many small operations would cost more than the matrix
    products. Nets are alike if their objects of this class are equal.
    """

    inputs: int
    outputs: int

    @abstractmethod
    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """Prepared weights, in the type of the nets' inputs, from the parameters of each net."""

    @abstractmethod
    def forward(self, x: Tensor, weights: Structure) -> NetResult:
        """The output for x ``(N, inputs, ...)`` with the weights of one net; saved tensors."""

    @abstractmethod
    def vjp(
        self, grad: Tensor, weights: Structure, saved: Structure, *, of_weights: bool
    ) -> tuple[Tensor, Structure]:
        """Gradients in x and in the weights; without ``of_weights`` the latter are ``()``."""

    @abstractmethod
    def prepare_vjp(self, of_weights: Structure, saved: Structure) -> list[Tensor]:
        """Gradients in the parameters, ``(nets, ...)`` each.

        Args:
            of_weights: Gradients in the prepared weights, of the form of `Prepared.weights`.
            saved: `Prepared.saved`.
        """


class Transform(Protocol):
    """What this folder needs of a transform, see `rgflow.bijectors.transforms.Transform`.

    Attributes:
        fast: The faster way of computing it, or None.
    """

    parameters_per_entry: int
    fast: FastTransform | None

    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The image and the logarithm of the slope."""
        ...

    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same for the inverse function."""
        ...


class Coupling(Protocol):
    """What this folder needs of a coupling, see `rgflow.bijectors.coupling.Coupling`.

    Attributes:
        read_half: Index of the half that is read, 0 or 1; the other one is changed.
        event_shape: Shapes of the halves without the batch axis.
        transform: The elementwise map.
        conditioner: The net; one with a faster way has ``fast`` and ``parameter_list()``.
        fast: Whether the coupling computes no more than its transform and its conditioner.
    """

    read_half: int
    event_shape: tuple[tuple[int, ...], tuple[int, ...]]
    transform: Transform
    conditioner: nn.Module
    fast: bool | None

    def apply_with(
        self, halves: Halves, net: Callable[[Tensor], Tensor], *, inverse: bool
    ) -> tuple[Halves, Tensor]:
        """Applies the coupling or its inverse with the function ``net`` as its conditioner."""
        ...


class HasFasterWay:
    """Base of transforms, nets and couplings that may have a faster way beside plain torch.

    A class that overrides a method of the class that declares ``fast``, itself or by a mix-in, may
    compute something else. It therefore has no faster way unless it declares one.

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
    """The faster way of a net, or None if it has none."""
    found: Any = getattr(module, "fast", None)
    return found if isinstance(found, FastNet) else None
