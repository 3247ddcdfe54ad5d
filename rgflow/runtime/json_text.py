"""Reports as JSON, which has no infinity and nothing that is not a number."""

import json
import math
import os
from typing import Any

from rgflow.runtime.files import write_atomically


def json_text(report: Any) -> str:
    """A report as indented text; numbers in it that are not finite become null.

    >>> " ".join(json_text({"a": [1.5, float("nan")]}).split())
    '{ "a": [ 1.5, null ] }'
    """
    return json.dumps(_finite(report), indent=2, allow_nan=False)


def write_json(path: str | os.PathLike[str], report: Any) -> None:
    """Write a report so that the file is there whole or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    text = json_text(report) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
