"""An edit of one service's source redoes that image and its deployment; the others keep their very connections."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.project import Project, executed, kind, local_ports

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def settled(port: int, text: str, *, path: str = "/", seconds: float = 30) -> str:
    """The page, once it holds `text`."""
    end = time.monotonic() + seconds
    while True:
        try:
            shown = page(port, path)
        except OSError as error:
            shown = str(error)
        if text in shown or time.monotonic() > end:
            return shown
        time.sleep(0.1)


def test_only_the_edited_service_is_redone_and_other_connections_live_on(project: MakeProject) -> None:
    shop = project(example="microservices")
    gateway, catalog, orders = local_ports(shop)
    session = shop.start("run", "dev")
    session.ready(timeout=150)
    front = settled(gateway, "chair")
    assert "chair" in front
    assert "EUR" in front, "the dependency's service is not reached by its name"

    # Half a request on each: it can only be finished if the connection, the forward and the pod are still the same.
    open_ones = {name: socket.create_connection(("127.0.0.1", port)) for name, port in
                 {"gateway": gateway, "orders": orders}.items()}  # fmt: skip
    for connection in open_ones.values():
        connection.sendall(REQUEST[:8])

    mark = session.mark()
    shop.edit("catalog/data/products.json", "chair", "armchair")
    session.ready(since=mark)
    since = session.since(mark)

    redone = {step for step in executed(since) if kind(step) != "hook"}
    assert redone == {"build:catalog", "render:catalog", "deploy:catalog", "ready:catalog"}
    stopped = {event["step"] for event in since if event["event"] == "stopped"}
    assert {step for step in stopped if kind(step) in {"forward", "sync"}} <= {"forward:catalog"}
    for name, connection in open_ones.items():
        with connection:
            connection.settimeout(20)
            connection.sendall(REQUEST[8:])
            assert connection.recv(64).startswith(b"HTTP/1."), f"the connection to {name} was cut"
    assert "armchair" in settled(gateway, "armchair")
    assert "armchair" in settled(catalog, "armchair", path="/products.json")
    assert session.stop() == 0


def test_an_edit_of_a_manifest_redoes_that_deployment_and_no_image(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    session = quickstart.start("run", "dev")
    session.ready()
    mark = session.mark()
    quickstart.edit("k8s/web.yaml", "periodSeconds: 1", "periodSeconds: 2")
    session.ready(since=mark)
    assert executed(session.since(mark)) == {"render:web", "deploy:web", "ready:web"}
    assert session.stop() == 0


def test_a_synced_file_reaches_the_container_and_nothing_is_built(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    (port,) = local_ports(quickstart)
    session = quickstart.start("run", "dev")
    session.ready()
    assert "Hello from kdev" in settled(port, "Hello from kdev")
    mark = session.mark()
    quickstart.edit("www/index.html", "Hello from kdev", "Synced, not built")
    assert "Synced, not built" in settled(port, "Synced, not built")
    assert executed(session.quiet(1, since=mark)) == set()
    assert session.stop() == 0
