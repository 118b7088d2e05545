"""Changes a folder on this disk by order of the other side, which is not trusted: no path leads out, no link is
followed, and a file is there whole or not at all. Only what is still as it was looked at is replaced or removed.

Every step goes through descriptors of folders, so that a folder swapped for a link in mid-work leads nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kdev.sync.endpoint import PathTrouble, leads_out, why_refused
from kdev.sync.entry import Change, Entry, Kind
from kdev.sync.scan import stamped, unchanged

PART = ".kdev-part-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Disk:
    """`root` is an absolute folder without a symlink in it. Used by one thread at a time."""

    def __init__(self, root: str) -> None:
        self.root = root

    def carry_out(self, change: Change, content: Iterator[bytes] | None) -> Entry | None:
        """Do it; what is there now. `content` is given for a file with another content. PathTrouble when it cannot be.

        A folder that still holds something is left, and is the answer.
        """
        why = why_refused(change.path)
        if why:
            raise PathTrouble(change.path, f"refused: the path {why}")
        try:
            with self._parent(change.path) as (folder, name):
                self._expect(change, folder, name)
                return self._do(change, content, folder, name)
        except OSError as error:
            raise PathTrouble(change.path, _said(error), stale=error.errno in _MOVED) from error

    def open(self, path: str, entry: Entry) -> int:
        """A descriptor for reading the file of `entry`. PathTrouble when it is another one."""
        try:
            with self._parent(path) as (folder, name):
                handle = os.open(name, _OLD, dir_fd=folder)
        except OSError as error:
            raise PathTrouble(path, _said(error), stale=error.errno in _MOVED) from error
        if not _still(os.fstat(handle), entry):
            os.close(handle)
            raise PathTrouble(path, "changed meanwhile", stale=True)
        return handle

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the folder that `path` is in, its name there)."""
        *above, name = path.split("/")
        folder = os.open(self.root, _FOLDER)
        try:
            for part in above:
                inner = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, name
        finally:
            os.close(folder)

    def _expect(self, change: Change, folder: int, name: str) -> None:
        try:
            now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            now = None
        old = change.old
        if now is None and change.new is None:
            return
        if (now is None) != (old is None) or (now and old and not _still(now, old)):
            raise PathTrouble(change.path, "changed meanwhile", stale=True)

    def _do(self, change: Change, content: Iterator[bytes] | None, folder: int, name: str) -> Entry | None:
        old, new = change.old, change.new
        if new is None:
            return self._remove(old, folder, name)
        if old is not None and (old.kind is Kind.FOLDER) != (new.kind is Kind.FOLDER):
            left = self._remove(old, folder, name)
            if left is not None:
                raise PathTrouble(change.path, "the folder is not empty", stale=True)
            old = None
        if new.kind is Kind.FOLDER:
            if old is None:
                os.mkdir(name, 0o700 | new.mode, dir_fd=folder)
            return stamped(os.stat(name, dir_fd=folder, follow_symlinks=False))
        if new.kind is Kind.LINK:
            return self._link(change.path, new, folder, name)
        if new.kind is not Kind.FILE:
            raise PathTrouble(change.path, "refused: neither a file, a folder nor a link")
        if content is None:
            return self._mode(new, folder, name)
        return self._file(change, content, folder, name)

    def _remove(self, old: Entry | None, folder: int, name: str) -> Entry | None:
        try:
            if old is not None and old.kind is Kind.FOLDER:
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return stamped(os.stat(name, dir_fd=folder, follow_symlinks=False))
        return None

    def _link(self, path: str, new: Entry, folder: int, name: str) -> Entry:
        if leads_out(path, new.target):
            raise PathTrouble(path, "refused: the link leads out of the folder")
        part = _part()
        os.symlink(new.target, part, dir_fd=folder)
        try:
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(part, dir_fd=folder)
            raise
        return stamped(os.stat(name, dir_fd=folder, follow_symlinks=False), target=new.target)

    def _mode(self, new: Entry, folder: int, name: str) -> Entry:
        handle = os.open(name, _OLD, dir_fd=folder)
        try:
            os.fchmod(handle, new.mode)
            return stamped(os.fstat(handle), digest=new.digest)
        finally:
            os.close(handle)

    def _file(self, change: Change, content: Iterator[bytes], folder: int, name: str) -> Entry:
        new = change.new
        assert new is not None
        part = _part()
        handle = os.open(part, _NEW, 0o600, dir_fd=folder)
        try:
            self._fill(handle, change.path, new, content)
            self._like(handle, new, change.old, (folder, name))
            # The other side took its time: whoever wrote here meanwhile is not to be overwritten.
            self._expect(change._replace(old=_as_before(change)), folder, name)
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            return stamped(os.fstat(handle), digest=new.digest)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise
        finally:
            os.close(handle)

    def _fill(self, handle: int, path: str, new: Entry, content: Iterator[bytes]) -> None:
        state, size = hashlib.sha256(), 0
        for data in content:
            size += len(data)
            if size > new.size:
                raise PathTrouble(path, "changed meanwhile", stale=True)
            state.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view):]
        if state.digest() != new.digest:
            raise PathTrouble(path, "changed meanwhile", stale=True)

    def _like(self, handle: int, new: Entry, old: Entry | None, place: tuple[int, str]) -> None:
        """Mode and mtime of the new file; the owner of the one that it replaces, where we may."""
        if old is not None and old.kind is Kind.FILE:
            before = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
            mine = os.fstat(handle)
            if (before.st_uid, before.st_gid) != (mine.st_uid, mine.st_gid):
                with suppress(OSError):
                    os.fchown(handle, before.st_uid, before.st_gid)
        os.fchmod(handle, new.mode)
        os.utime(handle, ns=(new.mtime_ns, new.mtime_ns))


def _as_before(change: Change) -> Entry | None:
    """What stands in the way of the rename: a folder has been removed already."""
    return None if change.old is not None and change.old.kind is Kind.FOLDER else change.old


def _still(now: os.stat_result, known: Entry) -> bool:
    """Is this what `known` was made from? Of a file that was too new to be sure, its times and size must do."""
    if stat.S_IFMT(now.st_mode) != _FORMATS.get(known.kind):
        return False
    if known.kind is Kind.FOLDER:
        return True
    if known.ctime_ns:
        return unchanged(known, now) if known.kind is Kind.FILE else now.st_ino == known.inode
    return (known.mtime_ns, known.inode) == (now.st_mtime_ns, now.st_ino) and (
        known.kind is Kind.LINK or known.size == now.st_size)


def _part() -> str:
    return PART + secrets.token_hex(6)


def _said(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


_MOVED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.EISDIR)
_FORMATS = {Kind.FILE: stat.S_IFREG, Kind.FOLDER: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}
