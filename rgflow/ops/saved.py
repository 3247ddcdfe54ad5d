"""Flattens named tuples of tensors for autograd, which saves plain tensors only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from torch import Tensor

Structure = Any
"""A tensor, or a tuple or named tuple of structures."""
Skeleton = tuple[type, "int | list[Skeleton]"] | None
"""A structure without its tensors.

For a tensor it is None; for a tuple it is the type, and either the number of its tensors or the
skeletons of its parts.
"""


def flatten(structure: Structure, into: list[Tensor]) -> Skeleton:
    """Appends all tensors of a structure to a list, and returns its skeleton.

    >>> tensors: list[Tensor] = []
    >>> skeleton = flatten((Tensor([1.0]), (Tensor([2.0]),)), tensors)
    >>> len(tensors), rebuilt(skeleton, tensors)
    (2, (tensor([1.]), (tensor([2.]),)))
    """
    if isinstance(structure, Tensor):
        into.append(structure)
        return None
    for part in structure:
        if not isinstance(part, Tensor):
            return type(structure), [flatten(part, into) for part in structure]
    into += structure  # the usual case: tensors only
    return type(structure), len(structure)


def unflatten(skeleton: Skeleton, tensors: Iterator[Tensor]) -> Structure:
    """The structure with this skeleton, filled with the next tensors of an iterator."""
    if skeleton is None:
        return next(tensors)
    kind, parts = skeleton
    if isinstance(parts, int):
        built = islice(tensors, parts)
    else:
        built = [unflatten(part, tensors) for part in parts]
    return tuple(built) if kind is tuple else kind(*built)


def rebuilt(skeleton: Skeleton, tensors: Sequence[Tensor]) -> Structure:
    """The structure with this skeleton, filled with exactly its tensors."""
    return unflatten(skeleton, iter(tensors))
