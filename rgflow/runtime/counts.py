"""Whole numbers that enter from outside, such as numbers of samples and sides of lattices."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def whole_number(name: str, value: Any) -> int:
    """The value as an ``int``: NumPy's integers are counts, floats and truth values are not.

    Raises:
        ValueError: If the value is no integer.

    >>> import numpy
    >>> whole_number("n", numpy.int64(3))
    3
    """
    if type(value) is int:
        return value
    is_truth_value = "bool" in str(getattr(value, "dtype", type(value)))
    try:
        if not is_truth_value:
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError(f"{name}: got {value!r}, expected an integer")


def whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    """Several values as a tuple of ``int``, as a shape has them.

    Raises:
        ValueError: If the values are no sequence, or one of them is no integer.
    """
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise ValueError(f"{name}: got {values!r}, expected integers such as (1, 8, 8)")
    return tuple(whole_number(name, value) for value in values)


def takes_counts(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function pass its arguments that are annotated with ``int`` by `whole_number`.

    ``int | None`` lets None through, and ``int | Sequence[int]`` a sequence of such numbers.
    Of a class, such as a dataclass, it is the ``__init__``.

    Raises:
        ValueError: On a call, with the name of the argument that is no integer.

    >>> @takes_counts
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> double(2.5)
    Traceback (most recent call last):
    ValueError: n: got 2.5, expected an integer
    """
    if isinstance(function, type):
        function.__init__ = takes_counts(function.__init__)
        return function
    parameters = inspect.signature(function).parameters
    kinds = {name: _alternatives(one.annotation) for name, one in parameters.items()}
    counts = {name: kind for name, kind in kinds.items() if kind & {"int", "Sequence[int]"}}
    positions = {place: name for place, name in enumerate(parameters) if name in counts}

    @functools.wraps(function)
    def with_counts(*args: P.args, **kwargs: P.kwargs) -> R:
        passed = [
            _passed(positions[place], value, counts[positions[place]])
            if place in positions
            else value
            for place, value in enumerate(args)
        ]
        for name in counts.keys() & kwargs.keys():
            kwargs[name] = _passed(name, kwargs[name], counts[name])
        return function(*passed, **kwargs)

    return with_counts


def _alternatives(annotation: Any) -> frozenset[str]:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return frozenset(part.rpartition(".")[2] for part in text.split(" | "))


def _passed(name: str, value: Any, kinds: frozenset[str]) -> Any:
    if value is None and "None" in kinds:
        return value
    if "Sequence[int]" in kinds and isinstance(value, Sequence) and not isinstance(value, str):
        return whole_numbers(name, value)
    return whole_number(name, value)
