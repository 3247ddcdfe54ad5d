"""Values against annotated types, by pydantic: those of a configuration, and those of a file."""

import json
from typing import Any


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value of a configuration is of an annotated type.

    A configuration holds what JSON can hold, so that a list stands for any sequence. An int is a
    float, but a bool is neither. What JSON cannot hold is only compared with classes.

    >>> from collections.abc import Sequence
    >>> has_type([3, 1.5], Sequence[float]), has_type("31", Sequence[str]), has_type(True, int)
    (True, False, False)
    """
    try:
        content = json.dumps([value])
    except TypeError:
        return first_misfit(value, hint) is None
    try:
        _checker(hint).validate_json(content)
    except ValueError:
        return False
    return True


def first_misfit(value: Any, hint: Any) -> str | None:
    """Says where and how a value is not of an annotated type; None if it is.

    >>> first_misfit({"a": [1, "b"]}, dict[str, list[int]])
    'a.1: Input should be a valid integer'
    """
    from pydantic import ValidationError

    try:
        _checker(hint).validate_python((value,))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        return f"{place}: {first['msg']}" if place else first["msg"]
    return None


def _checker(hint: Any) -> Any:
    """Checks a tuple of one value: a class with settings of its own takes none by itself."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(tuple[hint], config=ConfigDict(strict=True, arbitrary_types_allowed=True))
