"""Other doors to the local engine, for tests: a TCP port of the loopback, and one with TLS that wants a certificate."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import trustme

ENGINE = "/var/run/docker.sock"
_MOST = 1 << 18


class Door:
    """Joins every connection to its port with the engine's socket, half-closes included."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.host = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # Some systems leave an accept alone when its socket is shut down, so somebody knocks.
        with suppress(OSError), socket.create_connection(self._listener.getsockname(), 1):
            pass
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _spawn(self, call: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            outside, _ = self._listener.accept()
            self._spawn(self._serve, outside)

    def _serve(self, outside: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with engine, suppress(OSError):
            outside.settimeout(5)
            if self._context:
                outside = self._context.wrap_socket(outside, server_side=True)
            engine.connect(ENGINE)
            outside.setblocking(False)
            engine.setblocking(False)
            ways = (Way(outside, engine), Way(engine, outside))
            while not self._over.is_set() and not all(way.finished for way in ways):
                moved = sum(way.step() for way in ways)
                if not moved:
                    waiting = [way.source for way in ways if not way.ended and len(way.held) < _MOST]
                    select.select(waiting, [way.sink for way in ways if way.held], [], 0.1)
        outside.close()


class Way:
    """One direction."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.held = bytearray()
        self.ended = self.finished = False

    def step(self) -> bool:
        """Move what can be moved without waiting; whether there was anything."""
        moved = False
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not self.ended and len(self.held) < _MOST:
                data = self.source.recv(65536)
                self.held += data
                self.ended = not data
                moved = True
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if self.held:
                del self.held[: self.sink.send(self.held[:16384])]
                moved = True
        if self.ended and not self.held and not self.finished:
            self.finished = moved = True
            self._finish()
        return moved

    def _finish(self) -> None:
        if isinstance(self.sink, ssl.SSLSocket):
            with suppress(ssl.SSLError):
                self.sink._sslobj.shutdown()  # type: ignore[attr-defined]
        else:
            with suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)


def tls_door(folder: Path) -> Door:
    """A door with TLS. `folder` gets the client's ca.pem, cert.pem and key.pem, as DOCKER_CERT_PATH holds them."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    client = authority.issue_cert("client@test.example")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    client.private_key_pem.write_to_path(str(folder / "key.pem"))
    return Door(context)
