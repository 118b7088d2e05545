"""A hijacked Engine connection: raw bytes both ways after an HTTP upgrade, and the frames that carry two outputs.

Reads on demand and keeps no more than it was asked for, so a slow reader slows the program in the container down.
"""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urlencode

import requests

from kdev.core.ports import Cancellation
from kdev.drivers.docker.client import TIMEOUT, Clients, raise_for_status
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.tls_wire import TlsLine, upgrade
from kdev.errors import Cancelled, KdevError, TargetError

_CHUNK = 65536
_HEADER = struct.Struct(">BxxxL")
_STDERR, _SYSTEM = 2, 3
_REFUSED = 300


class Line(Protocol):
    """What lies under an upgraded connection. One thread reads, another may write; `cut` unblocks both."""

    def read(self, size: int) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...

    def cut(self) -> None: ...

    def release(self) -> None: ...


class Wire:
    """Bytes to and from the engine. One thread may read while another writes; `close` is for any thread."""

    def __init__(self, line: Line, release: Callable[[], None], host: str) -> None:
        self._line = line
        self._let_go = release
        self._host = host
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

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
            with translated(self._host):
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
        self._let_go()


def hijack(clients: Clients, path: str, cancel: Cancellation, **request: Any) -> Wire:
    """POST to `path` (without the version) and take over the connection. Raises as `errors.translate` does.

    `request` goes to requests (params, json).
    """
    cancel.check()
    wire = (_hijack_tls if clients.endpoint.tls else _hijack)(clients, path, request)
    if cancel.triggered:
        wire.close()
        raise Cancelled
    return wire


def _hijack(clients: Clients, path: str, request: Mapping[str, Any]) -> Wire:
    api = clients.fresh()
    try:
        with translated(api.base_url):
            response = api.request(
                "POST", f"{api.base_url}/v{api.api_version}{path}", stream=True, timeout=(TIMEOUT, TIMEOUT),
                headers={"Connection": "Upgrade", "Upgrade": "tcp"}, **request,
            )
            raise_for_status(response)

            def release() -> None:
                with suppress(OSError):
                    response.close()
                api.close()

            raw: Any = response.raw
            return Wire(_line(raw._fp.fp), release, api.base_url)
    except BaseException:
        api.close()
        raise


def _hijack_tls(clients: Clients, path: str, request: Mapping[str, Any]) -> Wire:
    endpoint = clients.endpoint
    version = clients.api().api_version
    query = urlencode(request.get("params", {}))
    body = json.dumps(request["json"]).encode() if "json" in request else b""
    with translated(endpoint.host):
        line = TlsLine(endpoint, TIMEOUT)
        try:
            target = f"/v{version}{path}" + (f"?{query}" if query else "")
            status, words = upgrade(line, target, body, {"Content-Type": "application/json"} if body else {})
            if status >= _REFUSED:
                raise_for_status(_as_response(status, words, endpoint.host))
            line.patient()
        except BaseException:
            line.release()
            raise
    return Wire(line, lambda: None, endpoint.host)


def _as_response(status: int, body: bytes, url: str) -> requests.Response:
    """For the one function that knows how the engine words its refusals."""
    response = requests.Response()
    response.status_code, response.url, response.raw = status, url, io.BytesIO(body)
    response.headers["Content-Type"] = "application/json"
    return response


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


def _line(reader: Any) -> Line:
    process = getattr(getattr(reader, "channel", None), "proc", None)
    if process is not None:
        return _Program(process, reader)
    raw = getattr(reader, "raw", reader)
    sock = getattr(raw, "_sock", None) or getattr(raw, "sock", raw)
    early = _early(reader, sock)
    sock.settimeout(None)
    return _Plain(sock, early)


def _early(reader: Any, sock: Any) -> bytes:
    """What the engine sent right behind its headers and Python has already buffered."""
    if not hasattr(reader, "peek"):
        return b""
    sock.settimeout(0)
    try:
        data = reader.peek(1)
    except BlockingIOError:
        return b""
    return bytes(data)
