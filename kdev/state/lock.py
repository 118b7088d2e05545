"""One writing session per project: a lock that the system frees when its holder dies, and who holds it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from kdev.errors import LockedError, StateError
from kdev.state.folder import StateFolder

try:
    import fcntl
except ImportError:  # Windows proper; under WSL it is there
    fcntl = None  # type: ignore[assignment]

FILE = "lock"
# Asking whether it is held means holding it for some microseconds; trying again tells that from a session.
_PATIENCE = 0.2
_PAUSE = 0.01


class Holder(NamedTuple):
    """Who holds the project. `since` is local time with its zone, ISO 8601; `command` the command line."""

    pid: int
    host: str
    user: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"{self.command!r} (process {self.pid} of {self.user} on {self.host}, since {self.since})"


class SessionLock:
    """`with SessionLock(folder, holder):`; LockedError names the other session. Read-only folders are not locked."""

    def __init__(
        self,
        folder: StateFolder,
        holder: Holder,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._holder = holder
        self._clock = clock
        self._sleep = sleep
        self._descriptor = -1

    def acquire(self, patience: float = _PATIENCE) -> None:
        """Take the lock, trying for `patience` seconds."""
        if self._folder.read_only or self._descriptor >= 0:
            return
        self._folder.make()
        try:
            descriptor = os.open(self._folder.file(FILE), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._folder.trouble("locked", error) from error
        try:
            self._wait(descriptor, patience)
            _write(descriptor, self._holder)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back. The file stays: deleting it would let two sessions lock two files of one name."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> SessionLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _wait(self, descriptor: int, patience: float) -> None:
        deadline = self._clock() + patience
        while not _try(descriptor, shared=False):
            if self._clock() >= deadline:
                other = _read(descriptor)
                who = str(other) if other else "another session"
                raise LockedError(
                    f"this project is held by {who}",
                    hint="look in with `kdev status`, `kdev logs` or `kdev enter`, or end it first",
                )
            self._sleep(_PAUSE)


def current_holder(folder: StateFolder) -> Holder | None:
    """Who holds the project now; None when nobody does. Writes nothing."""
    try:
        descriptor = os.open(folder.file(FILE), os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise folder.trouble("read", error) from error
    try:
        if _try(descriptor, shared=True):
            return None
        return _read(descriptor) or Holder(0, "", "", "", "another session")
    finally:
        os.close(descriptor)


def _try(descriptor: int, *, shared: bool) -> bool:
    """The one seam to the system's locks: True when taken. Closing the descriptor, or dying, gives it back."""
    if fcntl is None:
        raise StateError("this platform has no file locks that kdev knows", hint="run kdev inside WSL")
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StateError(f"the project cannot be locked: {error.strerror}") from error
    return True


def _write(descriptor: int, holder: Holder) -> None:
    lines = [str(field).replace("\n", " ") for field in holder]
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, "\n".join(lines).encode("utf-8", "surrogateescape"), 0)


def _read(descriptor: int) -> Holder | None:
    """None while the holder has not written yet who it is."""
    fields = os.pread(descriptor, 65536, 0).decode("utf-8", "surrogateescape").split("\n")
    if len(fields) != len(Holder._fields) or not fields[0].isdigit():
        return None
    return Holder(int(fields[0]), *fields[1:])
