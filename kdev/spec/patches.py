"""One change at one path of a node tree. Paths are dotted with `[i]`, or JSON pointers; `key=value` picks the items of
a list that have that value. Gives new nodes; a path that fits nowhere raises Missing.
"""

from __future__ import annotations

from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar
from kdev.spec.problems import did_you_mean, listed

Steps = tuple[str, ...]


class Missing(Exception):
    """A path that does not fit the tree. `of_from`: it is the patch's `from`."""

    def __init__(self, message: str, hint: str = "", *, of_from: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.of_from = message, hint, of_from


def parse_path(text: str) -> Steps:
    """The steps of a patch path; empty when there are none."""
    if text.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/") if step)
    return tuple(step for step in text.replace("[", ".").replace("]", "").split(".") if step)


def find(node: Node, path: Steps) -> list[tuple[Steps, Node]]:
    """Every node that `path` leads to, at least one, with its own exact path. Raises Missing."""
    found: list[tuple[Steps, Node]] = [((), node)]
    for step in path:
        found = [((*where, key), child) for where, parent in found for key, child in _children(parent, step, where)]
    return found


def change(node: Node, path: Steps, op: str, value: Entry | None) -> Node:
    """`node` with `op` (`add`, `replace` or `remove`) done at `path`. Raises Missing."""
    parents = find(node, path[:-1])
    for where, _ in parents:
        node = _rebuilt(node, where, path[-1], op, value)
    return node


def _rebuilt(node: Node, where: Steps, last: str, op: str, value: Entry | None) -> Node:
    if not where:
        return _changed(node, last, op, value)
    step, rest = where[0], where[1:]
    [(_, child)] = _children(node, step, ())
    new = _rebuilt(child, rest, last, op, value)
    if isinstance(node, MapNode):
        return node.with_entry(step, new)
    assert isinstance(node, ListNode)
    index = int(step)
    return ListNode(node.at, (*node.items[:index], new, *node.items[index + 1 :]))


def _changed(node: Node, key: str, op: str, value: Entry | None) -> Node:
    if isinstance(node, MapNode):
        if op != "add":
            _children(node, key, ())
        if op == "remove" or value is None:
            return node.without(key)
        return node.with_entry(key, value.value, value.at)
    if not isinstance(node, ListNode):
        raise Missing(f"`{key}` is inside a value that has no keys")
    items = list(node.items)
    if op == "add" and value is not None:
        # An index may be the place behind the last item.
        items.insert(len(items) if key in ("-", str(len(items))) else _index(key, len(items)), value.value)
        return ListNode(node.at, tuple(items))
    for place, _ in reversed(_children(node, key, ())):
        if value is None:
            del items[int(place)]
        else:
            items[int(place)] = value.value
    return ListNode(node.at, tuple(items))


def _children(node: Node, step: str, where: Steps) -> list[tuple[str, Node]]:
    if isinstance(node, MapNode):
        entry = node.entries.get(step)
        if entry is None:
            raise Missing(f"there is no `{'.'.join((*where, step))}`",
                          did_you_mean(step, node.entries) or f"there are: {listed(list(node.entries)[:20])}")
        return [(step, entry.value)]
    if not isinstance(node, ListNode):
        raise Missing(f"there is no `{'.'.join((*where, step))}`: `{'.'.join(where)}` is a single value")
    key, equals, wanted = step.partition("=")
    if not equals:
        index = _index(step, len(node.items))
        return [(str(index), node.items[index])]
    hits = [(str(index), item) for index, item in enumerate(node.items) if _has(item, key, wanted)]
    if not hits:
        raise Missing(f"`{'.'.join(where)}` has no item with `{key}: {wanted}`")
    return hits


def _has(item: Node, key: str, wanted: str) -> bool:
    value = item.value(key) if isinstance(item, MapNode) else None
    return isinstance(value, Scalar) and value.text == wanted


def _index(step: str, length: int) -> int:
    if not (step.isascii() and step.isdigit()) or len(step) > 9 or int(step) >= length:
        raise Missing(f"`{step[:40]}` is no index of a list with {length} items" if step != "-" else
                      "`-` is the place behind a list's end: there is nothing", "indexes start with 0")
    return int(step)
