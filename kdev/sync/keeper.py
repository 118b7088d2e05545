"""Keeps what a conflict would lose: a copy of each losing file below one folder, by time and side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from kdev.sync.disk import Disk
from kdev.sync.endpoint import PathTrouble, Source
from kdev.sync.entry import LOCAL, Change, Conflict, Entry, Kind, opposite
from kdev.sync.tree import parent_of

_FOLDER = Entry(Kind.FOLDER, 0o700)


class Keeper:
    """`folder` is absolute and made when it is needed; `now` gives Unix time."""

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now

    def keep(self, conflict: Conflict, source: Source) -> str:
        """Where the losing content of `conflict` is now, "" when there was none. PathTrouble when it cannot be kept.

        A link is kept as a file that holds its target.
        """
        if not conflict.losers or not conflict.winner:
            return ""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._now()))
        root = self._fresh(os.path.join(self._folder, f"{stamp}-{opposite(conflict.winner)}"), conflict.path)
        disk = Disk(root)
        made: set[str] = set()
        contents = source.read([item for item in conflict.losers if item[1].kind is Kind.FILE])
        for path, entry in conflict.losers:
            self._parents(disk, parent_of(path), made)
            if entry.kind is Kind.LINK:
                _write_target(root, path, entry.target)
            else:
                new = entry._replace(mode=0o600 | entry.mode & 0o100)
                disk.carry_out(Change(LOCAL, path, None, new), next(contents))
        return os.path.join(root, conflict.path)

    def _fresh(self, wanted: str, path: str) -> str:
        """A folder that has nothing at `path` yet: two conflicts within a second must not share it."""
        root, count = wanted, 1
        while os.path.lexists(os.path.join(root, path)):
            count += 1
            root = f"{wanted}-{count}"
        try:
            os.makedirs(root, mode=0o700, exist_ok=True)
        except OSError as error:
            raise PathTrouble(path, f"the losing version cannot be kept: {error.strerror}") from error
        return os.path.realpath(root)

    def _parents(self, disk: Disk, folder: str, made: set[str]) -> None:
        if not folder or folder in made:
            return
        self._parents(disk, parent_of(folder), made)
        made.add(folder)
        if not os.path.isdir(os.path.join(disk.root, folder)):
            disk.carry_out(Change(LOCAL, folder, None, _FOLDER), None)


def _write_target(root: str, path: str, target: str) -> None:
    try:
        with open(os.path.join(root, path), "x", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(target)
    except OSError as error:
        raise PathTrouble(path, f"the losing link cannot be kept: {error.strerror}") from error
