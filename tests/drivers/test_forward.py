"""Forwarded ports: bytes both ways, many connections, pods that go, ports that are taken."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kdev.core.actions import Forward
from kdev.core.inputs import PodSelector
from kdev.drivers.forward import ForwardDriver, is_loopback, listening
from kdev.drivers.listening import owner_of
from kdev.drivers.pods import TargetPodFinder
from kdev.errors import StepFailed
from tests.drivers.loopback import LoopbackTarget, Running, container, eventually, pod
from tests.fakes.job import FakeJob

WEB = PodSelector("dev", (("app", "web"),))
POD = pod("web-1")


@contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback; `handle` gets each connection. Yields its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made.server_address[1]
        made.shutdown()


def echo(connected: socket.socket) -> None:
    while data := connected.recv(65536):
        connected.sendall(data)


def read_all(connected: socket.socket) -> bytes:
    parts = []
    while data := connected.recv(65536):
        parts.append(data)
    return b"".join(parts)


@contextmanager
def forwarding(target: LoopbackTarget, *, bind: str = "127.0.0.1", remote: int = 80) -> Iterator[tuple[int, Running]]:
    driver = ForwardDriver(target, TargetPodFinder(target, timeout=0.5))
    with Running(driver, Forward(WEB, ((0, remote),), bind), FakeJob("forward:web")) as running:
        assert running.error is None
        yield int(running.job.details[0].split(" ")[0].rsplit(":", 1)[1]), running


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def test_bytes_go_both_ways_and_each_side_may_finish_first() -> None:
    data = os.urandom(3_000_000)

    def count_then_answer(connected: socket.socket) -> None:
        connected.sendall(str(len(read_all(connected))).encode())

    with server(count_then_answer) as port:
        target = LoopbackTarget(POD)
        target.ports[POD.uid, 80] = port
        with forwarding(target) as (local, running), connect(local) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"3000000"
    assert running.was_cancelled()
    assert target.open_connections == 0


def test_many_connections_at_once_and_nothing_is_left_open() -> None:
    with server(echo) as port:
        target = LoopbackTarget(POD)
        target.ports[POD.uid, 80] = port
        with forwarding(target) as (local, _):
            before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
            for _ in range(3):
                clients = [connect(local) for _ in range(60)]
                for number, client in enumerate(clients):
                    client.sendall(b"%d" % number)
                for number, client in enumerate(clients):
                    assert client.recv(10) == b"%d" % number
                    client.close()
            eventually(lambda: target.open_connections == 0)
            if before:
                # 180 connections were made, with two descriptors each on either side of the forward.
                eventually(lambda: len(os.listdir("/proc/self/fd")) < before + 20)
    assert target.dialled == 180


def test_a_slow_reader_holds_its_own_connection_only() -> None:
    def flood(connected: socket.socket) -> None:
        if connected.recv(1) == b"f":
            connected.sendall(b"x" * 20_000_000)
        else:
            connected.sendall(b"ok")

    with server(flood) as port:
        target = LoopbackTarget(POD)
        target.ports[POD.uid, 80] = port
        with forwarding(target) as (local, _), connect(local) as slow, connect(local) as quick:
            slow.sendall(b"f")
            quick.sendall(b"q")
            assert quick.recv(10) == b"ok"
            assert len(read_all(slow)) == 20_000_000


def test_a_replaced_pod_is_found_at_the_next_connection() -> None:
    fresh = pod("web-2", created="2026-02-01")
    with server(echo) as port:
        target = LoopbackTarget(POD)
        target.ports[POD.uid, 80] = port
        target.ports[fresh.uid, 80] = port
        with forwarding(target) as (local, running):
            target.change(fresh)
            with connect(local) as client:
                client.sendall(b"hello")
                assert client.recv(10) == b"hello"
            assert running.job.details == [f"127.0.0.1:{local} → web-1:80"]


def test_a_port_that_nobody_serves_closes_the_connection_and_the_next_one_works() -> None:
    with server(echo) as port:
        target = LoopbackTarget(POD)
        with forwarding(target) as (local, running):
            with connect(local) as client:
                assert read_all(client) == b""
            eventually(lambda: bool(running.job.outputs))
            assert running.job.outputs[0][0] == "connection to web-1:80 failed: nothing listens on web-1:80"
            target.ports[POD.uid, 80] = port
            with connect(local) as client:
                client.sendall(b"now")
                assert client.recv(10) == b"now"


def test_stopping_closes_open_connections_and_frees_the_port() -> None:
    with server(echo) as port:
        target = LoopbackTarget(POD)
        target.ports[POD.uid, 80] = port
        with forwarding(target) as (local, running):
            client = connect(local)
            client.sendall(b"a")
            assert client.recv(1) == b"a"
        assert running.was_cancelled()
        assert read_all(client) == b""
        client.close()
        eventually(lambda: target.open_connections == 0)
        with listening("127.0.0.1", local):
            pass


def test_a_port_that_is_taken_is_told_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        driver = ForwardDriver(LoopbackTarget(POD), TargetPodFinder(LoopbackTarget(POD)))
        with pytest.raises(StepFailed, match=f"port {port} on 127.0.0.1 is in use") as failure:
            driver.run(Forward(WEB, ((0, 80), (port, 80))), FakeJob())
        assert failure.value.hint
        assert owner_of(port) == "" or f"(pid {os.getpid()})" in failure.value.message
    assert owner_of(1) == ""


def test_several_containers_are_no_trouble() -> None:
    two = pod("two", container("a"), container("b"))
    with server(echo) as port:
        target = LoopbackTarget(two)
        target.ports[two.uid, 80] = port
        with forwarding(target) as (local, _), connect(local) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"


def test_listening_for_other_machines_happens_only_when_asked_and_is_warned_about() -> None:
    target = LoopbackTarget(POD)
    with forwarding(target) as (_, running):
        assert running.job.notices == []
    with forwarding(target, bind="0.0.0.0") as (_, running):
        assert running.job.notices[0][1] == "warning"
        assert running.job.details[0].startswith("0.0.0.0:")


@pytest.mark.parametrize(
    ("bind", "loopback"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_addresses(bind: str, loopback: bool) -> None:
    assert is_loopback(bind) is loopback
