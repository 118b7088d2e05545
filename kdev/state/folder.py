"""The `.kdev` folder of a project: where each thing lies, and the only ways a file gets into it.

Private to the user (0700) and invisible to git through its own ignore file. Opened read-only it creates nothing.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from kdev.errors import StateError

NAME = ".kdev"
_MAGIC = b"kdev-cache 1\n"


class StateFolder:
    """`root` is the project's folder. With `read_only`, nothing below it is ever created or written."""

    def __init__(self, root: str, *, read_only: bool = False) -> None:
        self.root = root
        self.path = os.path.join(root, NAME)
        self.read_only = read_only
        self._made = False

    def file(self, *parts: str) -> str:
        """The absolute path of something in the folder. Creates nothing."""
        return os.path.join(self.path, *parts)

    def make(self) -> None:
        """The folder exists, is private, and git ignores it. StateError when it cannot be made."""
        if self._made or self.read_only:
            return
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            os.chmod(self.path, 0o700)
            ignore = self.file(".gitignore")
            if not os.path.exists(ignore):
                self._replace(ignore, b"*\n")
        except OSError as error:
            raise self.trouble("made", error) from error
        self._made = True

    def write(self, data: bytes, *parts: str, durable: bool = True) -> None:
        """Put `data` in a file, whole or not at all, mode 0600. Folders in between are made."""
        if self.read_only:
            return
        self.make()
        target = self.file(*parts)
        try:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            self._replace(target, data, durable=durable)
        except OSError as error:
            raise self.trouble("written", error) from error

    def read(self, *parts: str) -> bytes | None:
        """A file's bytes; None when there is no such file."""
        try:
            with open(self.file(*parts), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.trouble("read", error) from error

    def trouble(self, verb: str, error: Exception) -> StateError:
        """The StateError for a failed access: `verb` completes "cannot be …"."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StateError(
            f"the state folder {NAME} cannot be {verb}: {reason}",
            hint=f"check the permissions and the free space of {self.path}",
        )

    def _replace(self, target: str, data: bytes, *, durable: bool = True) -> None:
        # The process id keeps two readers' caches apart; a session's own writes are under its lock.
        temporary = f"{target}.{os.getpid()}.tmp"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as stream:
                stream.write(data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(temporary, target)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def seal(key: str, payload: bytes) -> bytes:
    """Cache bytes that tell whose they are (`key`) and whether they are whole."""
    body = b"%d:%s%s" % (len(key.encode()), key.encode(), payload)
    return _MAGIC + hashlib.sha256(body).digest() + body


def unseal(key: str, data: bytes | None) -> bytes | None:
    """The payload of what `seal` made with the same key; None for anything else, torn or foreign."""
    start = len(_MAGIC)
    if data is None or not data.startswith(_MAGIC):
        return None
    body = memoryview(data)[start + 32 :]
    head = b"%d:%s" % (len(key.encode()), key.encode())
    if body[: len(head)] != head or hashlib.sha256(body).digest() != data[start : start + 32]:
        return None
    return bytes(body[len(head) :])
