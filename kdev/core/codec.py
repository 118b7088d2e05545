"""Plans and actions as plain lists and back, for the cache on disk. Every value is a NamedTuple of plain values.

A tuple becomes a list that starts with the name of its type ("" for a bare tuple); scalars stay as they are.
"""

from __future__ import annotations

from typing import Any

from kdev.core import inputs
from kdev.core.actions import ACTIONS
from kdev.core.inputs import digest_of
from kdev.core.plan import Plan
from kdev.core.step import Role, Step

_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Plan, Step, inputs.Setting, inputs.Files, inputs.BuildContext, inputs.BaseImage, inputs.Tool, inputs.Pods,
        inputs.PodSelector, inputs.EachRun, inputs.Environment, inputs.Login, inputs.TargetIdentity, *ACTIONS.values(),
    )
}


LAYOUT = digest_of(*(f"{name}{kind._fields}" for name, kind in sorted(_TYPES.items())))
"""Differs when any of these types has got other fields: what was kept before must not be read as if it were of now."""


def encode(value: object) -> object:
    """Lists, strings, numbers, booleans and None. TypeError for a type that must not be kept (a Secret)."""
    if isinstance(value, tuple):
        name = type(value).__name__ if type(value) is not tuple else ""
        if name and name not in _TYPES:
            raise TypeError(f"{name} is never kept on disk")
        return [name, *map(encode, value)]
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`. KeyError, TypeError or IndexError when `value` did not come from it."""
    if type(value) is not list:
        return value
    items = [decode(item) if type(item) is list else item for item in value[1:]]
    name = value[0]
    if not name:
        return tuple(items)
    if name == "Step":
        items[1] = Role(items[1])
    return _TYPES[name](*items)
