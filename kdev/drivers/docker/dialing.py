"""Connections to ports of pods: straight to the container's address where this machine has a route, else by the relay.

It never connects to anything but the address it was given, which must be a container's own.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
from contextlib import suppress
from weakref import WeakKeyDictionary

from kdev.core.ports import Cancellation, Connection, Process
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.errors import limited, translated
from kdev.drivers.docker.exec_stream import exec_process
from kdev.errors import Cancelled, StepFailed

RELAY = "/kdev-agent"
"""Where the sandbox container of a pod has the agent."""

_TIMEOUT = 0.5
_STANDS = b"+"
"""What the relay writes first, once its connection stands."""

_lock = threading.Lock()
_routed: WeakKeyDictionary[Clients, bool] = WeakKeyDictionary()


class SocketConnection:
    """Meets core.ports.Connection over a TCP socket."""

    def __init__(self, sock: socket.socket, cancel: Cancellation) -> None:
        self._sock = sock
        self._cancel = cancel
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end, when the other side broke off and once closed."""
        if not self._enter():
            return b""
        try:
            with self._cancel.closing(self.close):
                data = self._sock.recv(size)
        except OSError:
            data = b""
        finally:
            self._leave()
        if not data:
            self._cancel.check()
        return data

    def send(self, data: bytes) -> None:
        """All of `data`. StepFailed when the other side takes no more."""
        if not self._enter():
            raise StepFailed("the connection is closed")
        try:
            with self._cancel.closing(self.close):
                self._sock.sendall(data)
        except OSError as error:
            self._cancel.check()
            raise StepFailed(f"the connection broke: {error}") from error
        finally:
            self._leave()

    def finish(self) -> None:
        """No more will be sent."""
        if self._enter():
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
            self._leave()

    def close(self) -> None:
        """From any thread; blocked calls return, and the last one out lets go of the descriptor."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            last = self._users == 0
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if last:
            self._sock.close()

    def _enter(self) -> bool:
        with self._lock:
            self._users += not self._closed
            return not self._closed

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._sock.close()


class ProcessConnection:
    """Meets core.ports.Connection over a program's stdin and stdout."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end. What the program says on stderr is no data."""
        while True:
            kind, data = self._process.read(size)
            if kind != 2:
                return data

    def send(self, data: bytes) -> None:
        """All of `data`. TargetError when the program has ended."""
        self._process.write(data)

    def finish(self) -> None:
        """No more will be sent."""
        self._process.close_stdin()

    def close(self) -> None:
        """From any thread."""
        self._process.close()


def dial(clients: Clients, sandbox_id: str, address: str, port: int, cancel: Cancellation) -> Connection:
    """A connection to `port` inside the pod. `address` is the sandbox container's own, "" when it has none.

    StepFailed when nothing listens on the port, or when the pod can only be reached by an agent that is not there.
    """
    cancel.check()
    refused = lost = False
    if _is_own(address) and _is_routed(clients):
        try:
            return _directly(address, port, cancel)
        except ConnectionRefusedError:
            refused = True  # on this address; the program may listen on the pod's own loopback only
        except OSError:
            lost = True
    try:
        connection = relayed(clients, sandbox_id, port, cancel)
    except StepFailed as error:
        if refused and error.exit_code in (126, 127):
            raise _silent(port, "") from error
        raise
    if lost:
        # The pod is well, so it is the way to it that is not there. A pod that has just gone proves nothing.
        with _lock:
            _routed[clients] = False
    return connection


def relayed(clients: Clients, sandbox_id: str, port: int, cancel: Cancellation) -> Connection:
    """A connection to `port` on the pod's loopback through the agent in its sandbox. Raises as `dial` does."""
    process = exec_process(clients, sandbox_id, (RELAY, "relay", f"127.0.0.1:{port}"), cancel=cancel)
    try:
        words = b""
        while True:
            # One byte: what comes behind it is the program's own and is read by the connection.
            kind, data = process.read(1 if not words else 4096)
            if kind == 1 and data == _STANDS:
                return ProcessConnection(process)
            if not kind:
                raise _silent(port, words.decode(errors="replace"))
            words = (words + data)[:4096]
    except BaseException:
        process.close()
        raise


def _directly(address: str, port: int, cancel: Cancellation) -> Connection:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(_TIMEOUT)
        sock.connect((address, port))
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    if cancel.triggered:
        sock.close()
        raise Cancelled
    return SocketConnection(sock, cancel)


def _is_own(address: str) -> bool:
    """Whether this can be a container's address: a container that shares this machine's network has none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified or found.is_multicast)


def _is_routed(clients: Clients) -> bool:
    """Whether containers' addresses can be ours to reach: only when the engine runs on this very machine.

    With an engine in a virtual machine, an equal address may belong to somebody else here.
    """
    with _lock:
        known = _routed.get(clients)
    if known is None:
        known = sys.platform == "linux" and clients.endpoint.host.startswith("unix://") and _is_here(clients)
        with _lock:
            _routed[clients] = known
    return known


def _is_here(clients: Clients) -> bool:
    api = clients.api()
    with translated(api.base_url):
        info = api.info()
    here = os.uname()
    return (info.get("Name"), info.get("KernelVersion")) == (here.nodename, here.release)


def _silent(port: int, words: str) -> StepFailed:
    return StepFailed(
        f"nothing listens on port {port} of the pod{': ' + limited(words, 200) if words else ''}",
        hint="is the program up, and is this its port?",
    )


