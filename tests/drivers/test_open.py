"""A URL is opened once it answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kdev.core.actions import Open
from kdev.drivers.open_url import OpenDriver, answers
from kdev.errors import Cancelled
from tests.drivers.loopback import Running, eventually
from tests.fakes.job import FakeJob


@contextmanager
def web(*statuses: int) -> Iterator[tuple[str, list[str]]]:
    """A web server that answers with these statuses in turn, the last for ever. Yields its URL and what was asked."""
    asked: list[str] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_it_waits_until_the_server_is_ready_and_opens_once() -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    with web(503, 404) as (url, asked), Running(OpenDriver(browse), Open(f"{url}/a b?x=1"), FakeJob()) as running:
        eventually(lambda: bool(opened))
    assert opened == [f"{url}/a b?x=1"]
    assert asked == ["/a%20b?x=1"] * 2
    assert running.was_cancelled()
    assert running.job.details == [f"{url}/a b?x=1"]


def test_without_a_browser_the_url_is_told() -> None:
    with web(200) as (url, _), Running(OpenDriver(lambda url: False), Open(url), FakeJob()) as running:
        eventually(lambda: bool(running.job.notices))
    assert url in running.job.notices[0][0]


def test_a_server_that_never_answers_is_told_after_a_while() -> None:
    times = iter([0.0, 241.0])
    driver = OpenDriver(lambda url: True, now=lambda: next(times))
    with Running(driver, Open("http://127.0.0.1:1/"), FakeJob()) as running:
        eventually(lambda: bool(running.job.notices))
    assert running.job.notices[0][1] == "warning"


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:1/", False), ("https://127.0.0.1:1/", False), ("file:///tmp/x", True),
     ("http://127.0.0.1:port/", True), ("http://no such host/", True)],
)
def test_what_counts_as_an_answer(url: str, expected: bool) -> None:
    assert answers(url, FakeJob().cancel) is expected


def test_a_server_that_accepts_and_says_nothing_does_not_hold_up_the_end() -> None:
    job = FakeJob()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Timer(0.1, job.cancel.trigger).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", job.cancel)
        assert time.monotonic() - began < 3
