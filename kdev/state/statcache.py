"""What was read of each folder, kept between runs, so that an unchanged file is stat-ed and never opened again.

One sealed marshal blob. Losing it costs time, never truth: anything torn, foreign or of another version is empty.
"""

from __future__ import annotations

import marshal
from contextlib import suppress
from typing import Any

from kdev.state.folder import StateFolder, seal, unseal

FILE = "files.cache"
VERSION = "files 1 sha256"
"""Raise it when the layout of a record, a memo or a stamp changes."""

MOST_FILES = 400_000
MOST_INPUTS = 128
STAMP = 5 * 8
"""Bytes of one file's stamp: mode, size, mtime_ns, ctime_ns, inode as signed 64-bit numbers."""

Memo = tuple[int, bytes, tuple[tuple[str, int, bool, int], ...]]
"""(generation of the folder's record, digest over what was selected in it or b"", (name, state, included, mode) of each
folder below that the selection goes on to)."""


class DirRecord:
    """One folder as it was read: `names` in the order the system gave them, joined by NUL.

    `stamps` has STAMP bytes for each name; a folder's hold only its mode. `digests` has 32 bytes for each name, zero
    while nobody needed them. `generation` is new whenever anything but `digests` is.
    """

    __slots__ = ("digests", "generation", "names", "scanned", "stamps")

    def __init__(self, generation: int, names: str, stamps: bytes, digests: bytes, scanned: int = 0) -> None:
        self.generation = generation
        self.names = names
        self.stamps = bytearray(stamps)
        self.digests = bytearray(digests)
        self.scanned = scanned


class StatCache:
    """Records by folder, single files by path, and memos by input and folder. Paths are relative to the project."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._raw: dict[str, tuple[int, str, bytes, bytes]] = {}
        self._records: dict[str, DirRecord] = {}
        self._generation = 0
        self.files: dict[str, tuple[bytes, bytes]] = {}
        self.memos: dict[str, dict[str, Memo]] = {}
        self.dirty = False

    @classmethod
    def load(cls, folder: StateFolder) -> StatCache:
        """What the last run kept; empty when there is nothing usable."""
        cache = cls(folder)
        data = unseal(VERSION, folder.read(FILE))
        if data is not None:
            with suppress(ValueError, EOFError, TypeError):
                cache._generation, cache._raw, cache.files, cache.memos = marshal.loads(data)
        return cache

    def record(self, folder: str) -> DirRecord | None:
        """What is known of a folder."""
        found = self._records.get(folder)
        if found is None and (raw := self._raw.pop(folder, None)):
            found = self._records[folder] = DirRecord(*raw)
        return found

    def put(self, folder: str, names: str, stamps: bytes, digests: bytes, scanned: int) -> DirRecord:
        """Replace what is known of a folder."""
        self._generation += 1
        self.dirty = True
        record = self._records[folder] = DirRecord(self._generation, names, stamps, digests, scanned)
        return record

    def drop(self, folder: str) -> None:
        """The folder is gone."""
        if self._records.pop(folder, None) or self._raw.pop(folder, None):
            self.dirty = True

    def memo(self, key: str) -> dict[str, Memo]:
        """The memos of an input; asking makes it the most recently used one."""
        memos = self.memos.pop(key, None)
        if memos is None:
            memos = {}
        self.memos[key] = memos
        return memos

    def save(self) -> None:
        """Write what changed since `load`; nothing when nothing did, or when the folder is read-only."""
        if not self.dirty or self._folder.read_only:
            return
        rows: dict[str, Any] = {
            path: (record.generation, record.names, bytes(record.stamps), bytes(record.digests))
            for path, record in self._records.items()
        }
        # Folders that nobody asked for this time may be asked for next time, as long as there is room.
        room = MOST_FILES - sum(len(row[2]) for row in rows.values()) // STAMP
        for path, row in self._raw.items():
            room -= len(row[2]) // STAMP
            if room < 0:
                break
            rows[path] = row
        memos = {
            key: {path: memo for path, memo in self.memos[key].items() if path in rows and rows[path][0] == memo[0]}
            for key in list(self.memos)[-MOST_INPUTS:]
        }
        files = dict(list(self.files.items())[-MOST_FILES:])
        payload = marshal.dumps((self._generation, rows, files, memos), 2)
        self._folder.write(seal(VERSION, payload), FILE, durable=False)
        self.dirty = False
