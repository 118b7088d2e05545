"""YAML as values: scalars, lists and maps that know where they were written. Nodes are shared by aliases, so nothing
here changes one: every edit gives a new node. Knows how plain text is typed, nothing about any configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kdev.errors import Mark


class Scalar(NamedTuple):
    """A single value as text. `quoted`: it was no plain scalar, so it is text whatever it looks like.

    `filled`: variables were put in; `whole`: the text was one variable and nothing else.
    """

    at: Mark
    text: str
    quoted: bool = False
    filled: bool = False
    whole: bool = False


class ListNode(NamedTuple):
    """A sequence."""

    at: Mark
    items: tuple[Node, ...]


class Entry(NamedTuple):
    """A key's place and its value."""

    at: Mark
    value: Node


class MapNode(NamedTuple):
    """A mapping; keys are text."""

    at: Mark
    entries: Mapping[str, Entry]

    def value(self, key: str) -> Node | None:
        """The value under `key`; None when the key is absent or its value is null."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.value) else entry.value

    def place(self, key: str) -> Mark:
        """Where `key` is written; the map's own place when it is not."""
        entry = self.entries.get(key)
        return self.at if entry is None else entry.at

    def with_entry(self, key: str, value: Node, at: Mark | None = None) -> MapNode:
        """A copy in which `key` has `value`; its place stays, or becomes `at`, or the value's own."""
        old = self.entries.get(key)
        place = at or (old.at if old else value.at)
        return MapNode(self.at, {**self.entries, key: Entry(place, value)})

    def without(self, *keys: str) -> MapNode:
        """A copy that lacks `keys`."""
        return MapNode(self.at, {key: entry for key, entry in self.entries.items() if key not in keys})

    def renamed(self, old: str, new: str) -> MapNode:
        """A copy in which the key `old` is called `new`; the same map when there is no `old`."""
        if old not in self.entries:
            return self
        return MapNode(self.at, {new if key == old else key: entry for key, entry in self.entries.items()})


Node = Scalar | ListNode | MapNode

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
# Typed fields also take the words of YAML 1.1, as Go's decoder does.
_YES = _TRUE | frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_NO = _FALSE | frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF"))
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))")
# Longer digits are no number that any reader of ours can hold (and Python refuses very long ones).
_LONGEST = 40


def is_null(node: Node) -> bool:
    """Whether `node` is YAML's null (an empty value, `~` or `null`)."""
    return isinstance(node, Scalar) and not node.quoted and not node.filled and node.text in _NULLS


def integer(text: str) -> int | None:
    """The whole number that plain `text` writes, as Go's decoder reads it: `0644` is octal, `1_000` is 1000."""
    if len(text) > _LONGEST:
        return None
    match = _INT.fullmatch(text.replace("_", "") if text[:1] != "_" else text)
    if match is None:
        return None
    sign, *digits = match.groups()
    value = next(int(found, base) for found, base in zip(digits, (16, 8, 2, 10), strict=True) if found is not None)
    return -value if sign == "-" else value


def boolean(text: str) -> bool | None:
    """The truth value that plain `text` writes where a boolean is wanted."""
    return True if text in _YES else False if text in _NO else None


def plain_value(scalar: Scalar) -> Any:
    """What a scalar means where anything may stand: text, number, boolean or None.

    Text that variables were put into stays text, unless it was wholly one unquoted variable and is a number or a
    boolean that reads back as the same text.
    """
    text = scalar.text
    if scalar.quoted:
        return text
    if scalar.filled:
        if scalar.whole and (text in _TRUE or text in _FALSE):
            return text in _TRUE
        number = integer(text) if scalar.whole else None
        return number if number is not None and str(number) == text else text
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number = integer(text)
    if number is not None:
        return number
    if len(text) <= _LONGEST and _FLOAT.fullmatch(text):
        value = float(text)
        # `08` is no octal number; Go reads it as 8, and infinity has no JSON.
        return text if value in (float("inf"), float("-inf")) else int(value) if text.isdigit() else value
    return text


def plain_tree(node: Node) -> Any:
    """`node` as dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return plain_value(node)
    if isinstance(node, ListNode):
        return [plain_tree(item) for item in node.items]
    return {key: plain_tree(entry.value) for key, entry in node.entries.items()}


def kind_of(node: Node) -> str:
    """What `node` is, for messages: `a mapping`, `a list`, `nothing`, or the text itself."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    return "nothing" if is_null(node) else f"`{excerpt(node.text)}`"


def excerpt(text: str, limit: int = 60) -> str:
    """`text` on one line and not longer than `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def fits(node: Node, most: int, deepest: int) -> bool:
    """Whether `node` holds at most `most` values, shared ones counted at every use, in at most `deepest` levels.

    Stops as soon as it is too much, since copies of copies grow without bound.
    """
    waiting: list[tuple[Node, int]] = [(node, 1)]
    count = 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if count > most or depth > deepest:
            return False
        if isinstance(one, ListNode):
            waiting += ((item, depth + 1) for item in one.items)
        elif isinstance(one, MapNode):
            waiting += ((entry.value, depth + 1) for entry in one.entries.values())
    return True
