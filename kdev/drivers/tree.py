"""Folders and files of a project as they are on disk, read through the stat cache.

A file is opened only when its stamp (mode, size, mtime, ctime, inode) is new, or too young to be trusted: git's racy
rule. What cannot be read has the digest UNREADABLE and is tried again next time. Links are not followed in folders.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from array import array
from collections.abc import Callable, Iterable, Iterator

from kdev.state.statcache import STAMP, DirRecord, StatCache

UNREADABLE = b"\xff" * 32
UNKNOWN = bytes(32)

# A file may change twice within one tick of its file system's clock (2 s on FAT, 1 s on HFS+ and some network shares),
# and a share's clock may be a little behind ours. A stamp younger than this is not kept.
RACY_NS = 2_000_000_000
_CHUNK = 1 << 20
_INODES = (1 << 63) - 1
# A named pipe put in a file's place must not block us, nor a link lead elsewhere.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_OPEN_FOLLOWING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SMUDGED = (-1).to_bytes(8, "little", signed=True)


class Tree:
    """`root` is the project; every path here is relative to it, POSIX. Not for two threads at once."""

    def __init__(self, root: str, cache: StatCache, now: Callable[[], int] = time.time_ns) -> None:
        self.root = root
        self.cache = cache
        self._now = now
        self._fresh: set[str] = set()
        self._fresh_files: dict[str, tuple[int, bytes] | None] = {}

    def path(self, path: str) -> str:
        """Where it is on this machine."""
        return self.root if path == "." else f"{self.root}/{path}"

    def forget(self, paths: Iterable[str] | None = None) -> None:
        """Look at these again, with all that is below them and the folders that they are in; at everything for None."""
        if paths is None:
            self._fresh.clear()
            self._fresh_files.clear()
            return
        for path in paths:
            self._fresh.discard(os.path.dirname(path) or ".")
            inside = "" if path == "." else path + "/"
            self._fresh = {known for known in self._fresh if known != path and not known.startswith(inside)}
            for known in [one for one in self._fresh_files if one == path or one.startswith(inside)]:
                del self._fresh_files[known]

    def folder(self, path: str) -> DirRecord:
        """The folder's record, read now unless it was since `forget`. OSError when it cannot be."""
        record = self.cache.record(path)
        if record is not None and path in self._fresh:
            return record
        scanned = self._now()
        try:
            names, stamps = _read_folder(self.path(path))
        except OSError:
            self.cache.drop(path)
            raise
        if record is None:
            record = self.cache.put(path, names, stamps, bytes(len(stamps) // STAMP * 32), scanned)
        elif record.names != names or record.stamps != stamps:
            record = self.cache.put(path, names, stamps, _carried(record, names, stamps), scanned)
        else:
            record.scanned = scanned
        self._fresh.add(path)
        return record

    def digest(self, folder: str, record: DirRecord, index: int, name: str) -> bytes:
        """SHA-256 of a file's bytes, or of a link's target; computed once for a record."""
        known = bytes(record.digests[index * 32 : index * 32 + 32])
        if known != UNKNOWN:
            return known
        path = self.path(name if folder == "." else f"{folder}/{name}")
        start = index * STAMP
        mode, _size, mtime, ctime, _inode = _numbers(record.stamps[start : start + STAMP])
        try:
            found = _read_link(path) if stat.S_ISLNK(mode) else _read_file(path, _OPEN)
        except OSError:
            found = UNREADABLE
        record.digests[index * 32 : index * 32 + 32] = found
        self.cache.dirty = True
        if found == UNREADABLE or max(mtime, ctime) >= record.scanned - RACY_NS:
            # An inode that no file has: the next look differs and reads again.
            record.stamps[start + STAMP - 8 : start + STAMP] = _SMUDGED
        return found

    def file(self, path: str) -> tuple[int, bytes] | None:
        """(mode, digest of the bytes) of one file, links followed; None when there is no regular file."""
        if path in self._fresh_files:
            return self._fresh_files[path]
        found = self._fresh_files[path] = self._read_one(path)
        return found

    def _read_one(self, path: str) -> tuple[int, bytes] | None:
        scanned = self._now()
        try:
            info = os.stat(self.path(path))
        except OSError:
            return None
        if not stat.S_ISREG(info.st_mode):
            return None
        stamp = array("q", _stamp(info)).tobytes()
        known = self.cache.files.get(path)
        if known and known[0] == stamp:
            return info.st_mode, known[1]
        try:
            found = _read_file(self.path(path), _OPEN_FOLLOWING)
        except OSError:
            return info.st_mode, UNREADABLE
        if max(info.st_mtime_ns, info.st_ctime_ns) < scanned - RACY_NS:
            self.cache.files[path] = (stamp, found)
            self.cache.dirty = True
        elif self.cache.files.pop(path, None):
            self.cache.dirty = True
        return info.st_mode, found


def children(record: DirRecord) -> Iterator[tuple[str, int, int]]:
    """(name, mode, index) of what is in a folder, sorted by name."""
    if not record.names:
        return
    modes = array("q", bytes(record.stamps))[:: STAMP // 8]
    for name, index in sorted(zip(record.names.split("\0"), range(len(modes)), strict=True)):
        yield name, modes[index], index


def _read_folder(path: str) -> tuple[str, bytes]:
    """The hot loop of a run with nothing to do: 4 us a file."""
    names: list[str] = []
    numbers: list[int] = []
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since the folder was opened
            names.append(entry.name)
            if info.st_mode & 0o170000 == 0o040000:
                # Its times change with what is inside it, which is looked at by itself.
                numbers += (info.st_mode, 0, 0, 0, 0)
            else:
                numbers += (info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino & _INODES)
    return "\0".join(names), array("q", numbers).tobytes()


def _stamp(info: os.stat_result) -> tuple[int, int, int, int, int]:
    return info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino & _INODES


def _numbers(stamp: bytes | bytearray) -> array[int]:
    return array("q", bytes(stamp))


def _carried(old: DirRecord, names: str, stamps: bytes) -> bytes:
    """The digests of those files whose stamps are as before."""
    before = {
        (name, bytes(old.stamps[at * STAMP : at * STAMP + STAMP])): bytes(old.digests[at * 32 : at * 32 + 32])
        for at, name in enumerate(old.names.split("\0") if old.names else ())
    }
    return b"".join(
        before.get((name, stamps[at * STAMP : at * STAMP + STAMP]), UNKNOWN)
        for at, name in enumerate(names.split("\0") if names else ())
    )


def _read_link(path: str) -> bytes:
    return hashlib.sha256(os.fsencode(os.readlink(path))).digest()


def _read_file(path: str, flags: int) -> bytes:
    # os.open and os.read cost half of what open().read() does, and most files fit into one read.
    descriptor = os.open(path, flags)
    try:
        chunk = os.read(descriptor, _CHUNK)
        content = hashlib.sha256(chunk)
        while chunk:
            chunk = os.read(descriptor, _CHUNK)
            content.update(chunk)
    finally:
        os.close(descriptor)
    return content.digest()
