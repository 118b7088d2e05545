"""Trees in shorthand: {"a": "text", "x": "text!", "d": DIR, "l": "->target", "s": OTHER}; a "!" is for mode 0755."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kdev.sync.entry import LOCAL, Change, Entry, Kind, Pair
from kdev.sync.reconcile import Base, Entries, Sides
from kdev.sync.tree import Tree

DIR, OTHER, UNKNOWN = "(dir)", "(other)", "(unknown)"
Shorthand = Mapping[str, str]


def entry(text: str) -> Entry:
    """`text@5` has the mtime 5."""
    if text == DIR:
        return Entry(Kind.FOLDER, 0o755)
    if text == OTHER:
        return Entry(Kind.OTHER)
    if text == UNKNOWN:
        return Entry(Kind.UNKNOWN)
    if text.startswith("->"):
        return Entry(Kind.LINK, 0o777, target=text[2:])
    content, _, mtime = text.partition("@")
    mode = 0o755 if content.endswith("!") else 0o644
    content = content.removesuffix("!")
    return Entry(Kind.FILE, mode, len(content), int(mtime or 0), hashlib.sha256(content.encode()).digest())


def tree(shorthand: Shorthand) -> Entries:
    return Tree((path, entry(text)) for path, text in shorthand.items())


def base(shorthand: Shorthand) -> Base:
    return Tree((path, Pair(entry(text), entry(text))) for path, text in shorthand.items())


def sides(before: Shorthand | None, local: Shorthand, remote: Shorthand) -> Sides:
    """`before` None is a first sync."""
    return Sides(base(before or {}), tree(local), tree(remote), first=before is None)


def short(change: Change) -> str:
    """`>a` local's goes to the remote, `<a` the other way, `->a` deleted on the remote, `-<a` deleted here."""
    arrow = "<" if change.side == LOCAL else ">"
    return ("-" if change.new is None else "") + arrow + change.path
