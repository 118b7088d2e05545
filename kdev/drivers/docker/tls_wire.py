"""A TLS connection to the engine that can be half-closed and used by a reader and a writer at once.

Python's own TLS sockets can do neither: they end reading with writing, and are for one thread at a time.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from kdev.drivers.docker.endpoint import Endpoint

_CHUNK = 65536
_HEAD_MOST = 65536


class TlsLine:
    """Plain bytes on this side, TLS records on the other. `cut` is for any thread, then `release` once nobody reads.

    The engine's TLS runs in memory under a lock; only the socket's own calls block, outside of it.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        address = urlsplit(endpoint.host)
        host = address.hostname or ""
        self._sock = socket.create_connection((host, address.port or 2376), timeout)
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._state, self._sending = threading.Lock(), threading.Lock()
        self._plain = bytearray()
        self._over = False
        try:
            self._tls = _context(endpoint).wrap_bio(self._coming, self._going, server_hostname=host)
            self._shake_hands()
        except BaseException:
            self._sock.close()
            raise

    def patient(self) -> None:
        """From now on wait for data without an end."""
        self._sock.settimeout(None)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end. One thread at a time."""
        while not (data := self._take(size)):
            if self._over:
                break
            self._receive()
        return data

    def write(self, data: bytes) -> None:
        """All of `data`. One thread at a time."""
        rest = memoryview(data)
        while rest:
            with self._state:
                rest = rest[self._tls.write(rest[:_CHUNK]):]
            self._send()

    def finish(self) -> None:
        """Say that nothing more comes. What was received before is decrypted first: TLS would drop it."""
        with self._state:
            self._decrypt(None)
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        self._send()

    def cut(self) -> None:
        """End both directions without waiting."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let go of the descriptor."""
        self._sock.close()

    def _take(self, size: int) -> bytes:
        with self._state:
            if not self._plain:
                self._decrypt(size)
            data = bytes(self._plain[:size])
            del self._plain[:size]
        # A record may ask for an answer, such as new keys. Whoever writes now takes it along; waiting for a writer
        # that waits for us to read would be for ever.
        if self._going.pending and self._sending.acquire(blocking=False):
            self._sending.release()
            self._send()
        return data

    def _decrypt(self, most: int | None) -> None:
        with suppress(ssl.SSLWantReadError):
            while most is None or len(self._plain) < most:
                try:
                    data = self._tls.read(_CHUNK)
                except ssl.SSLZeroReturnError:  # in place of b"", once this side has finished too
                    data = b""
                if not data:
                    self._over = True
                    return
                self._plain += data

    def _receive(self) -> None:
        data = self._sock.recv(_CHUNK)
        with self._state:
            if data:
                self._coming.write(data)
            else:
                self._over = True

    def _send(self) -> None:
        # Records must leave in the order in which they were made.
        with self._sending:
            with self._state:
                data = self._going.read()
            if data:
                self._sock.sendall(data)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send()
                self._receive()
                if self._over:
                    raise ConnectionResetError("the connection was closed while TLS was set up") from None
                continue
            self._send()
            return


def upgrade(line: TlsLine, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """POST `body` to `path` and ask for the connection. (status, the answer's body when it was not given).

    When it was given, `line` gives what the engine sends from there on.
    """
    told = {"Host": "docker", "Connection": "Upgrade", "Upgrade": "tcp", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    line.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        byte = line.read(1)
        if not byte or len(answer) > _HEAD_MOST:
            raise ConnectionResetError("the engine's answer is no HTTP")
        answer += byte
    first, *rest = bytes(answer).split(b"\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionResetError("the engine's answer is no HTTP")
    status = int(words[1])
    if status < 300:
        return status, b""
    length = next((int(one.partition(b":")[2]) for one in rest if one.lower().startswith(b"content-length:")), 0)
    found = io.BytesIO()
    while found.tell() < min(length, _HEAD_MOST) and (data := line.read(_CHUNK)):
        found.write(data)
    return status, found.getvalue()


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=endpoint.ca or None)
    if not endpoint.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.cert and endpoint.key:
        context.load_cert_chain(endpoint.cert, endpoint.key)
    return context
