"""What the user wants of a sync: the strategy by its name, and what is invisible in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from kdev.sync.entry import LOCAL, REMOTE, Entry, Kind, Side
from kdev.sync.gitignore import GitIgnore

OWN = (".kdev", ".devspace", ".kdev-part-*", ".kdev-*.tmp")
"""Never synced: our own state, DevSpace's, and files that are still being written."""


class Strategy(Enum):
    """Who wins at the first sync, and in conflicts later."""

    MIRROR_LOCAL = "mirrorLocal"
    MIRROR_REMOTE = "mirrorRemote"
    PREFER_LOCAL = "preferLocal"
    PREFER_REMOTE = "preferRemote"
    PREFER_NEWEST = "preferNewest"
    KEEP_ALL = "keepAll"
    DISABLED = "disabled"

    @property
    def mirrored(self) -> Side | None:
        """The side that the other one is a mirror of."""
        return {Strategy.MIRROR_LOCAL: LOCAL, Strategy.MIRROR_REMOTE: REMOTE}.get(self)

    def winner(self, local: Entry | None, remote: Entry | None) -> Side | None:
        """Whose version stays when both changed; None to leave both. Only a mirror lets a deletion beat a change."""
        if self.mirrored:
            return self.mirrored
        if local is None or remote is None:
            return REMOTE if local is None else LOCAL
        if self is Strategy.PREFER_REMOTE:
            return REMOTE
        if self is Strategy.PREFER_NEWEST:
            if local.mtime_ns == remote.mtime_ns:
                return None
            return LOCAL if local.mtime_ns > remote.mtime_ns else REMOTE
        return None if self is Strategy.KEEP_ALL else LOCAL


class Rules:
    """`both`, `upload` and `download` are gitignore lines: invisible everywhere, never sent, never fetched."""

    def __init__(
        self, strategy: Strategy = Strategy.PREFER_LOCAL, *, both: Sequence[str] = (), upload: Sequence[str] = (),
        download: Sequence[str] = (), folds_case: bool = False,
    ) -> None:
        self.strategy = strategy
        self.lines = (*both, *OWN)
        self.folds_case = folds_case
        self._invisible = GitIgnore(self.lines)
        self._blocked = {REMOTE: GitIgnore(upload), LOCAL: GitIgnore(download)}
        self._free = {REMOTE: not upload, LOCAL: not download}

    def hides(self, path: str, is_dir: bool) -> bool:
        """For a walk from the top: is this path, whose parents were asked before, invisible on both sides?"""
        return bool(self._invisible.judge(path, is_dir))

    def invisible(self, path: str, is_dir: bool) -> bool:
        """Is the path invisible on both sides, by itself or with a folder above it?"""
        return self._invisible.match(path, is_dir)

    def blocked(self, path: str, entry: Entry | None, to: Side) -> bool:
        """May `path` not be written to, or deleted from, that side?"""
        if self._free[to]:
            return False
        return self._blocked[to].match(path, entry is not None and entry.kind is Kind.FOLDER)


class Guard(NamedTuple):
    """When a deletion is too big to be believed: more than half of more than `files` files."""

    files: int = 20

    def refuses(self, deleted: int, total: int) -> bool:
        """`total` counts the files of the side before anything of it was deleted."""
        return total > self.files and deleted * 2 > total
