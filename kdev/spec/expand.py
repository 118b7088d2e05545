"""Puts the values of variables into text. Values only, never keys; `$${X}` stays as the text `${X}`."""

from __future__ import annotations

import re

from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar
from kdev.spec.read import VARIABLE
from kdev.spec.variables import Variables


def expand(node: Node, variables: Variables) -> Node:
    """`node` with every variable filled; the very same node when it holds none."""
    if isinstance(node, Scalar):
        return _scalar(node, variables)
    if isinstance(node, ListNode):
        items = tuple(expand(item, variables) for item in node.items)
        same = all(new is old for new, old in zip(items, node.items, strict=True))
        return node if same else ListNode(node.at, items)
    entries: dict[str, Entry] = {}
    changed = False
    for key, entry in node.entries.items():
        value = expand(entry.value, variables)
        changed = changed or value is not entry.value
        entries[key] = entry if value is entry.value else Entry(entry.at, value)
    return MapNode(node.at, entries) if changed else node


def _scalar(node: Scalar, variables: Variables) -> Scalar:
    if "${" not in node.text:
        return node
    used = False

    def put_in(match: re.Match[str]) -> str:
        nonlocal used
        used = True
        found = match[0]
        return found[1:] if found.startswith("$$") else variables.value(found[2:-1], node.at)

    text = VARIABLE.sub(put_in, node.text)
    if not used:
        return node
    return node._replace(text=text, filled=True, whole=VARIABLE.fullmatch(node.text) is not None)
