"""Nodes × schema → rows: the strict check of everything a file says. Every key must be known and every value of its
type; each failure becomes a problem and the rest is still read. Text with variables fits any scalar type until filled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kdev.errors import Mark
from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar, boolean, integer, is_null, kind_of, plain_tree
from kdev.spec.problems import Problems, did_you_mean, listed
from kdev.spec.schema import Anything, Bool, Int, ListOf, MapOf, Record, Text, Type, records

VARIABLE = re.compile(r"\$+\{[A-Za-z0-9_.-]+\}")
_GO_TRUE = frozenset(("1", "t", "T"))
_GO_FALSE = frozenset(("0", "f", "F"))


class _Bad:
    """Stands for a value that could not be read; its problem is already told."""


BAD = _Bad()


class Row:
    """A record as read: values by key, defaults for the rest, and where each is written.

    `at` is the place of its key, or of itself in a list; `path` its place in words, like `dev.sync[0]`.
    """

    __slots__ = ("_record", "_values", "at", "node", "path")

    def __init__(self, record: Record, node: MapNode, at: Mark, path: str) -> None:
        self._record, self.node, self.at, self.path = record, node, at, path
        self._values: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def set(self, key: str, value: Any) -> None:
        """For the reader only."""
        self._values[key] = value

    def place(self, key: str) -> Mark:
        """Where the value of `key` is written; the row's own place when it is not."""
        entry = self._entry(key)
        return self.at if entry is None else entry.value.at

    def key_place(self, key: str) -> Mark:
        """Where `key` itself is written; the row's own place when it is not."""
        entry = self._entry(key)
        return self.at if entry is None else entry.at

    def text(self, key: str) -> str:
        """The text under `key`, its default, or ""."""
        value = self._get(key)
        return "" if value is None else str(value)

    def flag(self, key: str) -> bool:
        """The truth value under `key`, or its default."""
        return bool(self._get(key))

    def number(self, key: str, otherwise: int = 0) -> int:
        """The number under `key`, its default, or `otherwise`."""
        value = self._get(key)
        return otherwise if value is None else int(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of the list under `key`; empty when it is absent."""
        return tuple(text for text, _ in self.placed_texts(key))

    def placed_texts(self, key: str) -> list[tuple[str, Mark]]:
        """The texts of the list under `key`, each with its place."""
        return list(self._values.get(key) or ())

    def pairs(self, key: str) -> tuple[tuple[str, str | None], ...]:
        """The mapping of texts under `key`, in the order of the file."""
        return tuple((self._values.get(key) or {}).items())

    def row(self, key: str) -> Row | None:
        """The record under `key`."""
        value = self._values.get(key)
        return value if isinstance(value, Row) else None

    def rows(self, key: str) -> list[Row]:
        """The records of the list under `key`."""
        return list(self._values.get(key) or ())

    def table(self, key: str) -> dict[str, Row]:
        """The records of the mapping under `key`, by name."""
        return dict(self._values.get(key) or {})

    def tree(self, key: str) -> Any:
        """The tree under `key` as plain values; None when it is absent."""
        return self._values.get(key)

    def plain(self) -> dict[str, Any]:
        """What is written in this record as plain values, typed by the schema; no defaults."""
        return {key: _plain(self._record.field(key).type, value) for key, value in self._values.items()}

    def _get(self, key: str) -> Any:
        return self._values[key] if key in self._values else self._record.field(key).default

    def _entry(self, key: str) -> Entry | None:
        for name in (key, *self._record.field(key).aliases):
            if name in self.node.entries:
                return self.node.entries[name]
        return None


def _plain(kind: Type, value: Any) -> Any:
    if isinstance(value, Row):
        return value.plain()
    if isinstance(kind, ListOf):
        return [item[0] if isinstance(kind.item, Text) else _plain(kind.item, item) for item in value]
    if isinstance(kind, MapOf):
        return {key: _plain(kind.value, item) for key, item in value.items()}
    return value


class Reader:
    """Reads nodes by a schema. `known` are the schemas of all versions, by name, and `version` the one that is read:
    unknown keys are looked up there for a hint. `internal`: fields that upgrades add may be there.
    """

    def __init__(
        self,
        problems: Problems,
        known: Mapping[str, Type] | None = None,
        *,
        version: str = "",
        internal: bool = False,
    ) -> None:
        self._problems = problems
        self._known = dict(known or {})
        self._version = version
        self._internal = internal

    def record(self, record: Record, node: Node | None, at: Mark, path: str = "") -> Row:
        """Read `node` as `record`; what is wrong is left out of the row and told to the problems."""
        value = self._record(record, node, at, path) if node is not None else BAD
        return value if isinstance(value, Row) else Row(record, MapNode(at, {}), at, path)

    def value(self, kind: Type, node: Node, at: Mark, path: str) -> Any:
        """Read `node` as `kind`. Lists of text give (text, place) pairs; BAD when nothing could be read."""
        if isinstance(kind, Record):
            return self._record(kind, node, at, path)
        if isinstance(kind, ListOf):
            return self._list(kind, node, path)
        if isinstance(kind, MapOf):
            return self._map(kind, node, path)
        if isinstance(kind, Anything):
            if kind.mapping and not isinstance(node, MapNode):
                return self._wrong(node, path, "a mapping")
            return plain_tree(node)
        if not isinstance(node, Scalar):
            return self._wrong(node, path, _SCALAR[type(kind)])
        return self._scalar(kind, node, path)

    def _record(self, record: Record, node: Node, at: Mark, path: str) -> Row | _Bad:
        if not isinstance(node, MapNode):
            return self._wrong(node, path, "a mapping")
        row = Row(record, node, at, path)
        fields = {name: field for field in record.fields for name in (field.name, *field.aliases)}
        seen: dict[str, str] = {}
        for key, entry in node.entries.items():
            field = fields.get(key)
            if field is None or (field.internal and not self._internal):
                self._unknown(record, key, entry.at, path)
                continue
            if field.name in seen:
                self._problems.add(
                    entry.at, f"`{_join(path, key)}` and `{seen[field.name]}` are the same key", "remove one"
                )
                continue
            seen[field.name] = key
            if is_null(entry.value) and not isinstance(field.type, Anything):
                continue
            value = self.value(field.type, entry.value, entry.at, _join(path, key))
            if value is not BAD:
                row.set(field.name, value)
        self._required(record, row, seen)
        return row

    def _required(self, record: Record, row: Row, seen: dict[str, str]) -> None:
        for field in record.fields:
            if not field.required:
                continue
            where = _join(row.path, field.name)
            if field.name not in seen:
                self._problems.add(row.at, f"`{where}` is missing", field.doc)
                continue
            entry = row.node.entries[seen[field.name]]
            node = entry.value
            if is_null(node) or (isinstance(node, Scalar) and not node.text.strip()):
                self._problems.add(entry.at, f"`{where}` is empty", field.doc)

    def _list(self, kind: ListOf, node: Node, path: str) -> list[Any] | _Bad:
        if not isinstance(node, ListNode):
            return self._wrong(node, path, "a list")
        found: list[Any] = []
        for index, item in enumerate(node.items):
            where = f"{path}[{index}]"
            if is_null(item) and not isinstance(kind.item, Anything):
                self._problems.add(item.at, f"`{where}` is empty", "write a value behind the `-`, or remove the line")
                continue
            value = self.value(kind.item, item, item.at, where)
            if value is not BAD:
                found.append((value, item.at) if isinstance(kind.item, Text) else value)
        return found

    def _map(self, kind: MapOf, node: Node, path: str) -> dict[str, Any] | _Bad:
        if not isinstance(node, MapNode):
            return self._wrong(node, path, "a mapping")
        found: dict[str, Any] = {}
        for key, entry in node.entries.items():
            where = _join(path, key)
            if is_null(entry.value) and isinstance(kind.value, Text):
                if kind.value.nullable:
                    found[key] = None
                else:
                    self._problems.add(entry.at, f"`{where}` is empty", 'write "" for an empty text')
                continue
            if is_null(entry.value):
                self._problems.add(entry.at, f"`{where}` is empty", "write its keys below, or remove it")
                continue
            value = self.value(kind.value, entry.value, entry.at, where)
            if value is not BAD:
                found[key] = value
        return found

    def _scalar(self, kind: Text | Int | Bool, node: Scalar, path: str) -> Any:
        if isinstance(kind, Text):
            if kind.choices and node.text not in kind.choices and not _open(node):
                hint = did_you_mean(node.text, kind.choices)
                return self._wrong(node, path, f"one of {listed(kind.choices)}", hint)
            return node.text
        if _open(node):
            return BAD
        # Variables are put into typed fields as they are meant there, quoted or not: nothing is ambiguous.
        plain = not node.quoted or node.filled
        if isinstance(kind, Int):
            number = integer(node.text) if plain else None
            if number is None:
                quoted = "remove the quotes" if node.quoted and integer(node.text) is not None else ""
                return self._wrong(node, path, "a whole number", quoted)
            if not kind.least <= number <= kind.most:
                return self._wrong(node, path, f"a number from {kind.least} to {kind.most}")
            return number
        truth = boolean(node.text) if plain else None
        if truth is None and node.filled:
            truth = True if node.text in _GO_TRUE else False if node.text in _GO_FALSE else None
        if truth is None:
            quoted = "remove the quotes" if node.quoted and boolean(node.text) is not None else ""
            return self._wrong(node, path, "true or false", quoted)
        return truth

    def _wrong(self, node: Node, path: str, wanted: str, hint: str = "") -> _Bad:
        subject = f"`{path}` must be {wanted}" if path else f"the file must hold {wanted}"
        self._problems.add(node.at, f"{subject}, not {kind_of(node)}", hint)
        return BAD

    def _unknown(self, record: Record, key: str, at: Mark, path: str) -> None:
        if self._problems.plenty:
            self._problems.add(at, f"`{_join(path, key)}` is no known key")
            return
        names = [name for field in record.fields if not field.internal for name in (field.name, *field.aliases)]
        near = did_you_mean(key, names, 0.8) or self._elsewhere(record, key) or did_you_mean(key, names)
        self._problems.add(at, f"`{_join(path, key)}` is no known key", near or f"known here: {listed(names)}")

    def _elsewhere(self, record: Record, key: str) -> str:
        """Whether this version has the key in another place, or another version has it in this one."""
        own = records(self._known[self._version]) if self._version in self._known else {}
        homes = [name for name, other in own.items() if _has(other, key)]
        if homes:
            return f"it is a key of {listed(homes[:3])}"
        for version, schema in self._known.items():
            same = records(schema).get(record.name)
            if same is not None and _has(same, key):
                return f"it is a key of {version}, and this file is {self._version}"
        return ""


_SCALAR: dict[type, str] = {Text: "text", Int: "a whole number", Bool: "true or false"}


def _has(record: Record, key: str) -> bool:
    return any(field.name == key and not field.internal for field in record.fields)


def _open(node: Scalar) -> bool:
    return not node.filled and "${" in node.text and VARIABLE.search(node.text) is not None


def _join(path: str, key: str) -> str:
    short = key if len(key) <= 60 else key[:59] + "…"
    return f"{path}.{short}" if path else short


def walk(kind: Type, node: Node) -> Iterator[tuple[str, str]]:
    """Every (record, key) of the schema that `node` uses."""
    if isinstance(kind, Record) and isinstance(node, MapNode):
        for field in kind.fields:
            for name in (field.name, *field.aliases):
                if name in node.entries:
                    yield kind.name, field.name
                    yield from walk(field.type, node.entries[name].value)
    elif isinstance(kind, ListOf) and isinstance(node, ListNode):
        for item in node.items:
            yield from walk(kind.item, item)
    elif isinstance(kind, MapOf) and isinstance(node, MapNode):
        for entry in node.entries.values():
            yield from walk(kind.value, entry.value)
