"""What was agreed, on disk: one file per sync and container. Written whole at first, then line by line; a line that was
cut off by a crash is as if it had not been written. Being behind is safe: what both sides have alike needs no memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from kdev.errors import StateError
from kdev.sync.entry import Entry, Kind, Pair
from kdev.sync.reconcile import Base
from kdev.sync.tree import Tree

VERSION = 1
_SLACK = 2000
"""Lines beyond twice what is needed, from which on the file is written anew."""


class Memory:
    """`path` is the file. `complete` says that a first sync came to its end."""

    def __init__(self, path: str) -> None:
        self.base: Base = Tree()
        self.complete = False
        self._path = path
        self._stream: IO[str] | None = None
        self._lines = 0
        self._load()

    def note(self, pairs: Iterable[tuple[str, Pair | None]]) -> None:
        """Agree on these; None forgets a path. StateError when it cannot be written."""
        lines = []
        for path, pair in pairs:
            self.base.put(path, pair)
            lines.append(_line(path, pair))
        if lines:
            self._append(lines)

    def finish_first(self) -> None:
        """From now on an absence means a deletion."""
        if not self.complete:
            self.complete = True
            self._append(["true\n"])

    def start_over(self) -> None:
        """As if nothing had ever been agreed. The file goes on with it when there is something new to write."""
        self.close()
        self.base = Tree()
        self.complete = False

    def close(self) -> None:
        """Nothing is held open afterwards."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _load(self) -> None:
        try:
            with open(self._path, encoding="ascii", errors="replace") as stream:
                if stream.readline() != _header():
                    return
                for line in stream:
                    self._take(json.loads(line))
                    self._lines += 1
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            return

    def _take(self, item: object) -> None:
        if item is True:
            self.complete = True
        elif isinstance(item, list):
            path, local, remote = item
            pair = Pair(_entry(local), _entry(remote))
            self.base.put(path, None if pair == (None, None) else pair)

    def _append(self, lines: list[str]) -> None:
        try:
            if self._stream is None or self._lines > 2 * len(self.base) + _SLACK:
                self._rewrite()
            else:
                self._stream.writelines(lines)
                self._stream.flush()
                self._lines += len(lines)
        except OSError as error:
            raise StateError(f"the state of the sync cannot be written: {error.strerror}") from error

    def _rewrite(self) -> None:
        self.close()
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        part = f"{self._path}.{os.getpid()}.part"
        try:
            stream = open(part, "w", encoding="ascii", opener=_private)  # noqa: SIM115 - stays open for the lines to come
            stream.write(_header())
            stream.writelines(_line(path, pair) for path, pair in self.base.items())
            if self.complete:
                stream.write("true\n")
            stream.flush()
            os.replace(part, self._path)
        except OSError:
            with suppress(OSError):
                os.unlink(part)
            raise
        self._stream = stream
        self._lines = len(self.base) + 1


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _header() -> str:
    return json.dumps({"kdev-sync": VERSION}) + "\n"


def _line(path: str, pair: Pair | None) -> str:
    return json.dumps([path, _raw(pair.local if pair else None), _raw(pair.remote if pair else None)]) + "\n"


def _raw(entry: Entry | None) -> list[object] | None:
    if entry is None:
        return None
    return [entry.kind.value, *entry[1:4], entry.digest.hex(), *entry[5:]]


def _entry(raw: list[object] | None) -> Entry | None:
    if raw is None:
        return None
    kind, mode, size, mtime, digest, target, ctime, inode = raw
    return Entry(Kind(kind), mode, size, mtime, bytes.fromhex(digest), target, ctime, inode)  # type: ignore[arg-type]
