"""Profiles on the raw configuration: the chosen one's sections take the places of the configuration's, then its patches
are applied in order. Works before variables and upgrades, so paths are those of the file.
"""

from __future__ import annotations

from kdev.spec.nodes import Entry, ListNode, MapNode, Node, Scalar, fits, plain_tree
from kdev.spec.patches import Missing, Steps, change, find, parse_path
from kdev.spec.problems import Problems, did_you_mean, listed
from kdev.spec.read import Row
from kdev.spec.source import DEEPEST, MOST_NODES


def apply_profile(root: MapNode, profiles: list[Row], name: str, problems: Problems) -> MapNode:
    """`root` with the profile called `name` applied. An unknown name or a patch that fits nowhere is a problem."""
    for row in profiles:
        if row.text("name") == name:
            return _patched(_replaced(root, row), row, problems)
    names = [row.text("name") for row in profiles]
    at = root.entries["profiles"].at if "profiles" in root.entries else None
    problems.add(at, f"there is no profile `{name}`", did_you_mean(name, names) or f"profiles are: {listed(names)}")
    return root


def _replaced(root: MapNode, profile: Row) -> MapNode:
    replacement = profile.row("replace")
    if replacement is None:
        return root
    for key, entry in replacement.node.entries.items():
        root = root.with_entry(key, entry.value, entry.at)
    return root


def _patched(root: MapNode, profile: Row, problems: Problems) -> MapNode:
    for row in profile.rows("patches"):
        try:
            changed = _apply(root, row)
        except Missing as missing:
            place = row.place("from") if missing.of_from else row.place("path")
            problems.add(place, f"`{row.path}`: {missing.message}", missing.hint)
            continue
        if not fits(changed, MOST_NODES, DEEPEST):
            problems.add(row.at, f"`{row.path}` makes the configuration too large or too deep")
            break
        root = _map(changed)
    return root


def _apply(root: MapNode, row: Row) -> Node:
    op = row.text("op")
    path = parse_path(row.text("path"))
    if not path:
        raise Missing("the path leads nowhere")
    entry = row.node.entries.get("value")
    value = Entry(row.key_place("value"), Scalar(row.at, "") if entry is None else entry.value)
    if op == "test":
        for _, found in find(root, path):
            if plain_tree(found) != plain_tree(value.value):
                raise Missing(f"`{row.text('path')}` is not what `test` expects")
        return root
    if op in ("move", "copy"):
        value = _source(root, row)
        if op == "move":
            root = _map(change(root, parse_path(row.text("from")), "remove", None))
        op = "add"
    if op == "add":
        path = _to_list_end(root, path)
    return change(root, path, op, None if op == "remove" else value)


def _source(root: MapNode, row: Row) -> Entry:
    try:
        origin = parse_path(row.text("from"))
        if not origin:
            raise Missing(f"`{row.text('op')}` needs `from`")
        found = find(root, origin)
    except Missing as missing:
        raise Missing(missing.message, missing.hint, of_from=True) from missing
    return Entry(found[0][1].at, found[0][1])


def _map(node: Node) -> MapNode:
    if not isinstance(node, MapNode):
        raise Missing("the whole configuration cannot be removed")
    return node


def _to_list_end(root: MapNode, path: Steps) -> Steps:
    """An `add` whose target is a list appends to it."""
    try:
        targets = find(root, path)
    except Missing:
        return path
    return (*path, "-") if all(isinstance(node, ListNode) for _, node in targets) else path
