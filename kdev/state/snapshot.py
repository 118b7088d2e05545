"""Reads a SQLite database in WAL mode without touching its folder: no lock, no -shm, no recovery on disk.

A dry run must leave every byte as it was, even next to a live session or after a killed one, where SQLite itself would
create or rewrite the -wal and -shm files. So the committed frames of the log are laid over a copy in memory.
"""

from __future__ import annotations

import os
import struct
from sqlite3 import Connection, connect

_WAL_HEADER = 32
_FRAME_HEADER = 24
_ATTEMPTS = 8
Stamp = tuple[int, int, bytes] | None


def open_snapshot(path: str) -> Connection:
    """A connection to a private copy of the last committed state; to an empty database when there is none.

    Damage surfaces as sqlite3.DatabaseError, here or at the first query.
    """
    image = b""
    for _ in range(_ATTEMPTS):
        before = _stamp(path + "-wal")
        log = _read(path + "-wal")
        main = _read(path)
        # A commit or a reset of the log in between would mix two states. The log's salts, size and time tell.
        image = overlay(main, log)
        if _stamp(path + "-wal") == before:
            break
    if not image:
        return connect(":memory:", isolation_level=None)
    connection = connect(":memory:", isolation_level=None)
    if hasattr(connection, "deserialize"):
        connection.deserialize(image)
        return connection
    connection.close()
    return copy_immutable(path)


def copy_immutable(path: str) -> Connection:
    """For a SQLite without deserialize (before 3.36, unless built with it): what the last checkpoint left."""
    source = connect(f"file:{_quoted(path)}?immutable=1", uri=True)
    copy = connect(":memory:", isolation_level=None)
    try:
        source.backup(copy)
    except BaseException:
        copy.close()
        raise
    finally:
        source.close()
    return copy


def overlay(main: bytes, log: bytes) -> bytes:
    """The database file as it would be after a checkpoint of `log`, switched to rollback mode."""
    if len(main) < 100:
        main = b""
    pages, count, size = _committed(log)
    if not main and not pages:
        return b""
    image = bytearray(main)
    if pages:
        image = image[: count * size].ljust(count * size, b"\0")
        for number, page in pages.items():
            if number <= count:
                image[(number - 1) * size : number * size] = page
    # A database in memory has no log: write and read version say "rollback journal".
    image[18:20] = b"\1\1"
    return bytes(image)


def _committed(log: bytes) -> tuple[dict[int, memoryview], int, int]:
    """(page number → its last committed content, pages in the database, page size)."""
    if len(log) < _WAL_HEADER:
        return {}, 0, 0
    magic, _version, size, _sequence = struct.unpack(">4I", log[:16])
    if magic not in (0x377F0682, 0x377F0683):
        return {}, 0, 0
    words = ">" if magic & 1 else "<"
    sums = _checksum(log[:24], words, (0, 0))
    if sums != struct.unpack(">2I", log[24:32]):
        return {}, 0, 0
    view = memoryview(log)
    committed: dict[int, memoryview] = {}
    pending: dict[int, memoryview] = {}
    count = 0
    for start in range(_WAL_HEADER, len(log) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        number, after_commit = struct.unpack_from(">2I", log, start)
        page = view[start + _FRAME_HEADER : start + _FRAME_HEADER + size]
        if log[start + 8 : start + 16] != log[16:24]:
            break  # a frame of an older generation of the log
        sums = _checksum(page, words, _checksum(log[start : start + 8], words, sums))
        if sums != struct.unpack_from(">2I", log, start + 16):
            break  # torn: the writer was killed here
        pending[number] = page
        if after_commit:
            committed.update(pending)
            pending.clear()
            count = after_commit
    return committed, count, size


def _checksum(data: bytes | memoryview, words: str, start: tuple[int, int]) -> tuple[int, int]:
    """SQLite's running log checksum over pairs of 32-bit words."""
    one, two = start
    values = iter(struct.unpack(f"{words}{len(data) // 4}I", data))
    for first, second in zip(values, values, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _stamp(path: str) -> Stamp:
    try:
        with open(path, "rb") as stream:
            info = os.fstat(stream.fileno())
            return info.st_size, info.st_mtime_ns, stream.read(_WAL_HEADER)
    except FileNotFoundError:
        return None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def _quoted(path: str) -> str:
    """A path as SQLite's URI form wants it."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
