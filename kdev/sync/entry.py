"""What a path is on one side, and what is said about paths: entries, pairs, changes, conflicts, problems. Values only.

Paths are POSIX, relative to the synced folder, never "" or "."; bytes that are not UTF-8 are surrogate-escaped.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

Side = Literal["local", "remote"]
LOCAL: Side = "local"
REMOTE: Side = "remote"


class Kind(Enum):
    """The first three are synced. The values are those of the agent's protocol."""

    FILE = "f"
    FOLDER = "d"
    LINK = "l"
    OTHER = "o"
    """A device, a socket, a FIFO: never touched."""
    UNKNOWN = "u"
    """There is something, but it cannot be read: neither it nor what is below it is known."""


class Entry(NamedTuple):
    """`mode` is the nine permission bits; `digest` a file's SHA-256 (32 bytes), `target` a link's text.

    `ctime_ns` and `inode` only serve to know the very file again; they say nothing about its content.
    """

    kind: Kind
    mode: int = 0
    size: int = 0
    mtime_ns: int = 0
    digest: bytes = b""
    target: str = ""
    ctime_ns: int = 0
    inode: int = 0


class Pair(NamedTuple):
    """What both sides were last seen with and both accepted. They mostly say the same; they differ where a difference
    was left standing on purpose."""

    local: Entry | None
    remote: Entry | None

    def on(self, side: Side) -> Entry | None:
        """The half of that side."""
        return self.local if side == LOCAL else self.remote


class Change(NamedTuple):
    """On `side`, `path` is `old` and shall be `new`; the content of a new file is on the other side."""

    side: Side
    path: str
    old: Entry | None
    new: Entry | None


class Conflict(NamedTuple):
    """Both sides changed `path`. `winner` is the side that was kept, "" when both were left as they are.

    `losers` are the paths, with their entries, whose content would otherwise be gone.
    """

    path: str
    local: Entry | None
    remote: Entry | None
    winner: Side | Literal[""]
    losers: tuple[tuple[str, Entry], ...] = ()
    first: bool = False


class Problem(NamedTuple):
    """Something about one path that could not be done; the rest goes on. `side` is where the trouble is."""

    path: str
    why: str
    side: Side | Literal[""] = ""


def same(one: Entry | None, other: Entry | None) -> bool:
    """Equal for the user: kind, content and permissions. A folder is a folder, and a link has no permissions."""
    if one is None or other is None:
        return one is other
    if one.kind is not other.kind:
        return False
    if one.kind is Kind.FILE:
        return one.digest == other.digest and one.mode == other.mode
    return one.kind is not Kind.LINK or one.target == other.target


def carries(change: Change) -> bool:
    """Does the change need content from the other side? A new mode alone does not."""
    old, new = change.old, change.new
    if new is None or new.kind is not Kind.FILE:
        return False
    return old is None or old.kind is not Kind.FILE or old.digest != new.digest


def opposite(side: Side) -> Side:
    """The other side."""
    return REMOTE if side == LOCAL else LOCAL
