"""What the session demands of a side, wherever it is. Trouble with one path is data; a broken side raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from kdev.sync.entry import Change, Entry, Problem

MAX_PATH = 4096
MAX_NAME = 255
MAX_DEPTH = 200
MAX_ENTRIES = 1_000_000
CHUNK = 1 << 18


class PathTrouble(Exception):
    """One path cannot be read or written. With `stale` it is not what it was when it was looked at: look again."""

    def __init__(self, path: str, why: str, *, stale: bool = False) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why
        self.stale = stale


class SideBroken(Exception):
    """The whole side has gone: the stream was cut, the folder is no more. Nothing more can be asked of it."""


class Seen(NamedTuple):
    """Everything from `path` downwards ("" for all), in no order; nothing at all when it is gone."""

    path: str
    items: Sequence[tuple[str, Entry]]


class Outcome(NamedTuple):
    """What became of a change: the entry that is there now, or the problem. With `stale`: look at the path again."""

    change: Change
    entry: Entry | None
    problem: Problem | None = None
    stale: bool = False


class Source(Protocol):
    """Where content comes from."""

    def read(self, wanted: Sequence[tuple[str, Entry]]) -> Iterator[Iterator[bytes]]:
        """The content of each file, in order; one must be finished with before the next is asked for.

        The inner iterator raises PathTrouble when the file is not the one of its entry any more.
        """


class Endpoint(Source, Protocol):
    """One side."""

    def scan(self, paths: Iterable[str] | None = None) -> Iterator[Seen]:
        """Look at everything, or at these paths and below. A path is answered for with a folder above it when that
        folder is none any more. SideBroken when the side is gone."""

    def apply(self, changes: Sequence[Change], source: Source) -> Iterator[Outcome]:
        """Carry out, in order, as the outcomes are drawn. What is not as `old` says is left alone and told as stale."""

    def close(self) -> None: ...


def why_refused(path: str) -> str:
    """Why a path from outside must not be used, "" when it may be."""
    raw = path.encode("utf-8", "surrogateescape")
    if not raw or len(raw) > MAX_PATH:
        return "is empty or too long"
    if b"\0" in raw or raw.startswith(b"/"):
        return "is absolute or holds a NUL"
    parts = raw.split(b"/")
    if len(parts) > MAX_DEPTH:
        return "is too deep"
    for part in parts:
        if part in (b"", b".", b".."):
            return "leads out of the folder"
        if len(part) > MAX_NAME:
            return "has a part that is too long"
    return ""


def leads_out(path: str, target: str) -> bool:
    """Does a link at `path` with this text lead out of the synced folder?"""
    if target.startswith("/"):
        return True
    depth = path.count("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
