"""A hijacked Engine connection: raw bytes both ways after an HTTP upgrade, and the frames that carry two outputs.

Reads on demand and keeps no more than it was asked for, so a slow reader slows the program in the container down.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import docker

from kdev.core.ports import Cancellation
from kdev.drivers.docker.client import TIMEOUT, Clients, raise_for_status
from kdev.drivers.docker.errors import translated
from kdev.errors import Cancelled, KdevError, TargetError

_CHUNK = 65536
_HEADER = struct.Struct(">BxxxL")
_STDERR, _SYSTEM = 2, 3


class Wire:
    """Bytes to and from the engine. One thread may read while another writes; `close` is for any thread."""

    def __init__(self, api: docker.APIClient, response: Any) -> None:
        self._api = api
        self._response = response
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._line = _line(response.raw._fp.fp)

    @property
    def closed(self) -> bool:
        """Whether this side has cut the connection."""
        return self._closed

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end, and once closed. Raises TargetError when the engine broke off."""
        try:
            with self._using() as usable:
                return self._line.read(size) if usable else b""
        except KdevError:
            if not self._closed:
                raise
            return b""

    def write(self, data: bytes) -> None:
        """All of `data`. Raises TargetError when the other side takes no more, or once closed."""
        with self._using() as usable:
            if not usable:
                raise TargetError("the stream to the container is closed")
            self._line.write(data)

    def finish(self) -> None:
        """Nothing more will be written; reading goes on."""
        # The program may have ended before: then there is nobody left to tell.
        with self._using() as usable, suppress(OSError):
            if usable:
                self._line.finish()

    def close(self) -> None:
        """Cut. Blocked calls return; the last one out lets go of the descriptor, which nobody may reuse before."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            last = self._users == 0
        with suppress(OSError):
            self._line.cut()
        if last:
            self._release()

    @contextmanager
    def _using(self) -> Iterator[bool]:
        with self._lock:
            usable = not self._closed
            self._users += usable
        try:
            with translated(self._api.base_url):
                yield usable
        finally:
            with self._lock:
                self._users -= usable
                release = usable and self._closed and self._users == 0
            if release:
                self._release()

    def _release(self) -> None:
        with suppress(OSError):
            self._line.release()
        with suppress(OSError):
            self._response.close()
        self._api.close()


def hijack(clients: Clients, path: str, cancel: Cancellation, **request: Any) -> Wire:
    """POST to `path` (without the version) and take over the connection. Raises as `errors.translate` does.

    `request` goes to requests (params, json).
    """
    cancel.check()
    api = clients.fresh()
    try:
        with translated(api.base_url):
            response = api.request(
                "POST", f"{api.base_url}/v{api.api_version}{path}", stream=True, timeout=(TIMEOUT, TIMEOUT),
                headers={"Connection": "Upgrade", "Upgrade": "tcp"}, **request,
            )
            raise_for_status(response)
            wire = Wire(api, response)
    except BaseException:
        api.close()
        raise
    if cancel.triggered:
        wire.close()
        raise Cancelled
    return wire


class Frames:
    """Takes the engine's frames apart: 8 bytes of header (stream, length), then data."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._kind = 0
        self._left = 0

    def read(self, size: int) -> tuple[int, bytes]:
        """(1 or 2, up to `size` bytes of one frame), (0, b"") at the end.

        Raises TargetError for what is no frame, for one that breaks off, and for the engine's own error frame.
        """
        while self._left == 0:
            header = self._exactly(_HEADER.size)
            if not header:
                return 0, b""
            self._kind, self._left = _HEADER.unpack(header)
            self._check()
        data = self._read(min(size, self._left))
        if not data:
            raise TargetError("the Docker Engine broke off in the middle of the output")
        self._left -= len(data)
        return (_STDERR if self._kind == _STDERR else 1), data

    def whole(self, limit: int) -> tuple[int, bytes]:
        """As `read`, but one whole frame, of which the first `limit` bytes are kept."""
        kind, data = self.read(_CHUNK)
        kept = bytearray(data[:limit])
        while kind and self._left:
            _, data = self.read(_CHUNK)
            kept += data[:limit - len(kept)]
        return kind, bytes(kept)

    def _check(self) -> None:
        if self._kind > _SYSTEM:
            raise TargetError(f"the Docker Engine's stream is broken: a frame of kind {self._kind}")
        if self._kind == _SYSTEM:
            words = self._exactly(min(self._left, 4096)).decode(errors="replace").strip()
            raise TargetError(f"the Docker Engine broke off the output: {words}")

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._read(size - len(data))
            if not more:
                if data:
                    raise TargetError("the Docker Engine broke off in the middle of the output")
                break
            data += more
        return data


# -- what lies under an upgraded connection ---------------------------------------------------------------------------


class _Plain:
    """A Unix, TCP or named pipe socket. `early` was already read while the headers were."""

    def __init__(self, sock: Any, early: bytes) -> None:
        self._sock = sock
        self._early = early

    def read(self, size: int) -> bytes:
        if self._early:
            data, self._early = self._early[:size], self._early[size:]
            return data
        data = self._sock.recv(size)
        return bytes(data)

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)

    def finish(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        self._sock.close()


class _Secure(_Plain):
    """TLS. OpenSSL wants one thread at a time in a connection, so nothing blocks inside and waiting is outside."""

    def __init__(self, sock: ssl.SSLSocket, early: bytes) -> None:
        super().__init__(sock, early)
        self._busy = threading.Lock()

    def read(self, size: int) -> bytes:
        if self._early:
            return super().read(size)
        try:
            data = self._patiently(lambda: self._sock.recv(size))
        except ssl.SSLEOFError:
            return b""
        return bytes(data)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            part = rest[:_CHUNK]
            rest = rest[self._patiently(partial(self._sock.send, part)):]

    def finish(self) -> None:
        # Closing the TCP connection's half would end TLS with it, so TLS says it. Its answer comes with later reads.
        with self._busy, suppress(ssl.SSLError):
            self._sock._sslobj.shutdown()

    def cut(self) -> None:
        socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _patiently(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                with self._busy:
                    return act()
            except ssl.SSLWantReadError:
                self._wait(selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self._wait(selectors.EVENT_WRITE)

    def _wait(self, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, event)
            selector.select()


class _Program:
    """`ssh HOST docker system dial-stdio`: its stdin and stdout are the connection."""

    def __init__(self, process: Any, stdout: Any) -> None:
        self._process = process
        self._stdout = stdout

    def read(self, size: int) -> bytes:
        return bytes(self._stdout.read1(size))

    def write(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def finish(self) -> None:
        self._process.stdin.close()

    def cut(self) -> None:
        self._process.kill()

    def release(self) -> None:
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


def _line(reader: Any) -> _Plain | _Program:
    process = getattr(getattr(reader, "channel", None), "proc", None)
    if process is not None:
        return _Program(process, reader)
    raw = getattr(reader, "raw", reader)
    sock = getattr(raw, "_sock", None) or getattr(raw, "sock", raw)
    early = _early(reader, sock)
    secure = isinstance(sock, ssl.SSLSocket)
    if not secure:
        sock.settimeout(None)
    return (_Secure if secure else _Plain)(sock, early)


def _early(reader: Any, sock: Any) -> bytes:
    """What the engine sent right behind its headers and Python has already buffered."""
    if not hasattr(reader, "peek"):
        return b""
    sock.settimeout(0)
    try:
        data = reader.peek(1)
    except (ssl.SSLWantReadError, BlockingIOError):
        return b""
    return bytes(data)
