"""Frames of the agent's protocol (kdev/agent/PROTOCOL.md), packed and taken apart. What comes in is hostile."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kdev.sync.endpoint import SideBroken, why_refused
from kdev.sync.entry import Entry, Kind

PROTOCOL = 1
MAX_PAYLOAD = 1 << 20
HELLO, PING, CANCEL = 0x01, 0x02, 0x03
SCAN, HASH, READ = 0x10, 0x11, 0x12
WRITE, DATA, COMMIT, MKDIR, SYMLINK, REMOVE, CHMOD = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26
WATCH = 0x30
WELCOME, PONG = 0x81, 0x82
ENTRIES, BYTES, END, NOTE, RESCAN, ERROR = 0x90, 0x91, 0x92, 0x93, 0x94, 0x9F
CHANGED, MISSING, REFUSED, NOT_EMPTY = 2, 3, 6, 11
WITH_DIGEST = 1
MAKE_ROOT = 1
IN_PIECES, KEEP_MTIME = 1, 2
FOLDS_CASE = 1

_HEAD = struct.Struct(">IBI")
_RECORD = struct.Struct(">BBHHHQqqQ")
_EXPECT = struct.Struct(">BQqqQ")
_RACY = 1
_GONE = 0
_LEFT_OUT = ord("x")
_KINDS = {ord(kind.value): kind for kind in Kind}
_SAID = 300


class Frame(NamedTuple):
    """One answer."""

    kind: int
    request: int
    payload: bytes


class Refusal(NamedTuple):
    """What an ERROR or a NOTE says."""

    code: int
    path: str
    why: str


def pack(kind: int, request: int, *parts: bytes) -> bytes:
    """A frame."""
    payload = b"".join(parts)
    return _HEAD.pack(5 + len(payload), kind, request) + payload


def head(data: bytes) -> tuple[int, int, int]:
    """(length of the payload, type, request) of a frame's first 9 bytes. SideBroken for an impossible length."""
    length, kind, request = _HEAD.unpack(data)
    if not 5 <= length <= 5 + MAX_PAYLOAD:
        raise SideBroken("the agent sent a frame of impossible length")
    return length - 5, kind, request


HEAD_SIZE = _HEAD.size


def text(value: str) -> bytes:
    """A `text` field."""
    raw = value.encode("utf-8", "surrogateescape")
    return len(raw).to_bytes(2, "big") + raw


def texts(values: Iterable[str], count_size: int) -> bytes:
    """A count of that many bytes, and the texts."""
    packed = [text(value) for value in values]
    return len(packed).to_bytes(count_size, "big") + b"".join(packed)


def expect(entry: Entry | None) -> bytes:
    """What must be there for a change to be made."""
    if entry is None:
        return _EXPECT.pack(0, 0, 0, 0, 0)
    inode = entry.inode if entry.ctime_ns else 0
    return _EXPECT.pack(ord(entry.kind.value), entry.size, entry.mtime_ns, entry.ctime_ns, inode)


def write_head(path: str, old: Entry | None, new: Entry, pieces: bool) -> bytes:
    """A WRITE's payload up to its content."""
    flags = KEEP_MTIME | (IN_PIECES if pieces else 0)
    return bytes((flags,)) + text(path) + expect(old) + struct.pack(">Hq", new.mode, new.mtime_ns)


def entries(payload: bytes) -> Iterator[tuple[str, Entry | None]]:
    """(path, what is there); without folders that a rule left out. SideBroken when it is no list of entries."""
    try:
        count = int.from_bytes(payload[:4], "big")
        at = 4 + count * _RECORD.size
        if len(payload) < 4 or at > len(payload):
            raise SideBroken("the agent sent a broken list")
        for record in _RECORD.iter_unpack(payload[4:at]):
            kind, path_size, extra_size = record[0], record[3], record[4]
            path = payload[at : at + path_size].decode("utf-8", "surrogateescape")
            extra = payload[at + path_size : at + path_size + extra_size]
            at += path_size + extra_size
            if at > len(payload):
                raise SideBroken("the agent sent a broken list")
            if path and (why := why_refused(path)):
                raise SideBroken(f"the agent sent a path that {why}")
            if kind == _LEFT_OUT:
                continue
            yield path, None if kind == _GONE else _entry(record, extra)
    except (struct.error, KeyError) as error:
        raise SideBroken("the agent sent a broken list") from error


def _entry(record: tuple[int, ...], extra: bytes) -> Entry:
    code, flags, mode, _, _, size, mtime, ctime, inode = record
    kind = _KINDS[code]
    found = Entry(kind, mode & 0o777, 0, mtime, ctime_ns=0 if flags & _RACY else ctime, inode=inode)
    if kind is Kind.LINK:
        return found._replace(size=size, target=extra.decode("utf-8", "surrogateescape"))
    if kind is Kind.FILE:
        return found._replace(size=size, digest=extra if len(extra) == 32 else b"")
    return found


def refusal(payload: bytes) -> Refusal:
    """An ERROR's or a NOTE's payload, fit to be shown."""
    code = int.from_bytes(payload[:2], "big")
    path, rest = take_text(payload[2:])
    why, _ = take_text(rest)
    return Refusal(code, shown(path), shown(why))


def take_text(payload: bytes) -> tuple[str, bytes]:
    """(a `text` field, what follows it)."""
    size = int.from_bytes(payload[:2], "big")
    return payload[2 : 2 + size].decode("utf-8", "surrogateescape"), payload[2 + size :]


def shown(value: str) -> str:
    """Words from the container without what a terminal would obey, and not too many of them."""
    return "".join(char if char.isprintable() else "?" for char in value[:_SAID])
