"""The language in which config versions are written down: types of values, records of named fields. Data only; the
reader (read.py) and the JSON Schema (jsonschema.py) are both made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as text; numbers and booleans are taken as they are written. `nullable`: null is a value of its own."""

    choices: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Bool:
    """A truth value."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any tree; `mapping`: its root must be a mapping."""

    mapping: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one type."""

    item: Type


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from free names to values of one type."""

    value: Type


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a record. `required`: must be there and not be empty. `aliases` are other spellings of the key.

    `internal`: no file may use it; upgrades keep in it what an older version said and this one cannot.
    """

    name: str
    type: Type
    doc: str = ""
    required: bool = False
    default: str | int | bool | None = None
    aliases: tuple[str, ...] = ()
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys. `name` is what it is called in messages and in `$defs`, the same in all versions."""

    name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError when there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name}.{name}")

    def changed(self, *fields: Field, drop: tuple[str, ...] = ()) -> Record:
        """A record like this one without `drop`, in which `fields` are added or take the place of their namesakes."""
        new = {field.name: field for field in fields}
        kept = tuple(new.pop(field.name, field) for field in self.fields if field.name not in drop)
        return replace(self, fields=kept + tuple(new.values()))


Type = Text | Int | Bool | Anything | ListOf | MapOf | Record

TEXT = Text()
NUMBER = Int()
FLAG = Bool()
TEXTS = ListOf(TEXT)
TEXT_MAP = MapOf(TEXT)


def records(root: Type) -> dict[str, Record]:
    """Every record that a file can reach from `root`, by name, outermost first."""
    found: dict[str, Record] = {}
    _collect(root, found)
    return found


def _collect(node: Type, found: dict[str, Record]) -> None:
    if isinstance(node, Record):
        known = found.setdefault(node.name, node)
        if known is not node and known != node:
            raise ValueError(f"two different records are called {node.name}")
        if known is node:
            for field in node.fields:
                if not field.internal:
                    _collect(field.type, found)
    elif isinstance(node, ListOf):
        _collect(node.item, found)
    elif isinstance(node, MapOf):
        _collect(node.value, found)
