"""Settings by group: flat in a configuration, in small dataclasses in Python.

A function with many settings takes them in groups, each a parameter whose default is an instance
of a frozen dataclass::

    def conv_flow(side: int, levels: ConvLevels = ConvLevels(), ...) -> Flow: ...

In a configuration, in a checkpoint and on the command line the settings of all groups stand side
by side (``flow.side=64 flow.hidden=96``).
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any


def setting_names(function: Callable[..., Any]) -> list[str]:
    """Names of all settings of a function, those of its groups one by one.

    >>> from rgflow.models import realnvp_flow
    >>> setting_names(realnvp_flow)[:5]
    ['side', 'channels', 'scales', 'couplings', 'hidden']
    """
    groups = _groups(function)
    parameters = inspect.signature(function).parameters
    lists = [[f.name for f in fields(groups[p])] if p in groups else [p] for p in parameters]
    return [name for names in lists for name in names]


def sort_into_groups(
    function: Callable[..., Any],
    settings: Mapping[str, Any],
    check: Callable[[type, dict[str, Any]], None],
) -> dict[str, Any]:
    """The arguments of a function from flat settings: each group takes the fields that it has.

    A field that is not among the settings stays as it is in the default of the parameter. What
    belongs to no group is left as it is.

    Args:
        function: Takes groups of settings, or none.
        settings: Flat settings by name.
        check: Called with the class of a group and the settings for it, before they are taken;
            refuses what is of another type than annotated.

    Raises:
        ValueError: If a group is given as a whole, or refuses its settings.

    >>> from rgflow.models import realnvp_flow
    >>> sort_into_groups(realnvp_flow, {"side": 8, "scales": 2}, lambda group, given: None)
    ... # doctest: +ELLIPSIS
    {'side': 8, 'layers': RealNVPLayers(scales=2, couplings=3, ...)}
    """
    arguments = dict(settings)
    for parameter, default in _groups(function).items():
        names = [field.name for field in fields(default)]
        if parameter in settings:
            raise ValueError(
                f"{parameter}: got {settings[parameter]!r}, expected the settings of this group "
                f"one by one: {', '.join(names)}"
            )
        given = {name: arguments.pop(name) for name in names if name in settings}
        check(type(default), given)
        arguments[parameter] = replace(default, **given)
    return arguments


def _groups(function: Callable[..., Any]) -> dict[str, Any]:
    """The parameters that are groups, with their defaults."""
    parameters = inspect.signature(function).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return {
        name: default
        for name, default in defaults.items()
        if is_dataclass(default) and not isinstance(default, type)
    }
