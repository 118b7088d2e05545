"""Looks at a folder on this disk: entries with digests. A file that did not change since last time is not read again.

Follows no symlink, and what cannot be read becomes an entry of its own kind, so that nobody takes it for deleted.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable

from kdev.sync.endpoint import CHUNK, MAX_DEPTH, MAX_ENTRIES, SideBroken
from kdev.sync.entry import Entry, Kind
from kdev.sync.rules import Rules

_RACY_NS = 50_000_000
_COARSE_NS = 2_000_000_000
_TRIES = 3
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
Known = Callable[[str], "Entry | None"]
"""What a path was last time."""


class Scanner:
    """`root` is an absolute folder without a symlink in it."""

    def __init__(self, root: str, rules: Rules) -> None:
        self._root = root
        self._rules = rules

    def everything(self, known: Known) -> list[tuple[str, Entry]]:
        """The whole tree. SideBroken when there is no such folder."""
        found: list[tuple[str, Entry]] = []
        if not os.path.isdir(self._root):
            raise SideBroken(f"{self._root} is no folder")
        self._walk("", found, known)
        return found

    def below(self, path: str, known: Known) -> tuple[str, list[tuple[str, Entry]]]:
        """(where it really had to look, what is there): a folder above `path` that is none any more, or `path`."""
        parts = path.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if self._rules.hides(above, True):
                return path, []
            if self._kind(above) is not Kind.FOLDER:
                path = above
                break
        if not os.path.isdir(self._root):
            raise SideBroken(f"{self._root} is no folder")
        found: list[tuple[str, Entry]] = []
        self._look(path, found, known)
        return path, found

    def entry(self, path: str, known: Entry | None) -> Entry | None:
        """What is at `path` alone; None when nothing is."""
        full = self._full(path)
        try:
            info = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return Entry(Kind.UNKNOWN)
        try:
            return self._entry(full, info, known)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return Entry(Kind.UNKNOWN)

    def _kind(self, path: str) -> Kind | None:
        try:
            return _kind(os.lstat(self._full(path)).st_mode)
        except OSError:
            return None

    def _look(self, path: str, found: list[tuple[str, Entry]], known: Known) -> None:
        entry = self.entry(path, known(path))
        if entry is None or self._rules.hides(path, entry.kind is Kind.FOLDER):
            return
        found.append((path, entry))
        if len(found) > MAX_ENTRIES:
            raise SideBroken(f"{self._root} holds more than {MAX_ENTRIES} files")
        if entry.kind is Kind.FOLDER and not self._walk(path, found, known):
            found[:] = [item for item in found if not item[0].startswith(path + "/")]
            found[found.index((path, entry))] = (path, Entry(Kind.UNKNOWN))

    def _walk(self, folder: str, found: list[tuple[str, Entry]], known: Known) -> bool:
        """False when the folder cannot be listed."""
        if folder.count("/") >= MAX_DEPTH:
            return False
        try:
            names = os.listdir(self._full(folder))
        except FileNotFoundError:
            return True
        except OSError as error:
            if not folder:
                raise SideBroken(f"{self._root} cannot be listed: {error.strerror}") from error
            return False
        prefix = folder + "/" if folder else ""
        for name in names:
            self._look(prefix + name, found, known)
        return True

    def _full(self, path: str) -> str:
        return os.path.join(self._root, path) if path else self._root

    def _entry(self, full: str, info: os.stat_result, known: Entry | None) -> Entry:
        kind = _kind(info.st_mode)
        if kind is Kind.LINK:
            return stamped(info, target=os.readlink(full))
        if kind is not Kind.FILE:
            return stamped(info)
        if known is not None and known.kind is Kind.FILE and unchanged(known, info):
            return stamped(info, digest=known.digest)
        return _hashed(full)


def stamped(info: os.stat_result, *, digest: bytes = b"", target: str = "") -> Entry:
    """The entry of a stat. A ctime of 0 says that the file may change again without showing it."""
    kind = _kind(info.st_mode)
    coarse = info.st_ctime_ns % 1_000_000_000 == 0
    age = time.time_ns() - info.st_ctime_ns
    racy = kind is Kind.FILE and age < (_COARSE_NS if coarse else _RACY_NS)
    size = info.st_size if kind is Kind.FILE else 0
    return Entry(kind, stat.S_IMODE(info.st_mode) & 0o777, size, info.st_mtime_ns, digest, target,
                 0 if racy else info.st_ctime_ns, info.st_ino)


def unchanged(known: Entry, info: os.stat_result) -> bool:
    """Is this surely still the file that `known` was made from?"""
    return (known.ctime_ns, known.mtime_ns, known.size, known.inode) == (
        info.st_ctime_ns, info.st_mtime_ns, info.st_size, info.st_ino) and known.ctime_ns != 0


def _hashed(full: str) -> Entry:
    """Read until it did not change meanwhile; Kind.UNKNOWN when it always does: its next event brings it back."""
    for _ in range(_TRIES):
        handle = os.open(full, _OPEN)
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                return stamped(before)
            state = hashlib.sha256()
            while data := os.read(handle, CHUNK):
                state.update(data)
            after = os.fstat(handle)
        finally:
            os.close(handle)
        if (before.st_mtime_ns, before.st_size, before.st_ctime_ns) == (
                after.st_mtime_ns, after.st_size, after.st_ctime_ns):
            return stamped(after, digest=state.digest())
    return Entry(Kind.UNKNOWN)


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER
