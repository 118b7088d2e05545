"""Open: a URL is opened in the browser once something answers there."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.parse
import webbrowser
from collections.abc import Callable
from contextlib import suppress

from kdev.core import actions
from kdev.core.ports import Cancellation, Job
from kdev.core.step import Reason, Result
from kdev.errors import Cancelled

_EVERY = 0.5
_ANSWER_WITHIN = 5.0
_IN_THE_TERMINAL = ("www-browser", "links", "elinks", "lynx", "w3m")
_NOT_READY = (502, 503, 504)


class OpenDriver:
    """Meets core.ports.Driver for actions.Open.

    `browse` opens a URL and says whether it could; by default that is the user's browser. After `timeout` seconds
    without an answer it says so and stays.
    """

    def __init__(
        self,
        browse: Callable[[str], bool] | None = None,
        *,
        timeout: float = 240.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._browse = browse or open_window
        self._timeout = timeout
        self._now = now

    def run(self, action: actions.Open, job: Job) -> Result:
        """Blocks until cancelled: opening the same page again at every change would be a nuisance."""
        # Whoever waits for this step must not wait for the page: it may need what comes after.
        job.serving(action.url)
        late = self._now() + self._timeout
        while not answers(action.url, job.cancel):
            if self._now() > late:
                job.notice(f"{action.url} does not answer, so it was not opened", level="warning")
                break
            job.cancel.wait(_EVERY)
            job.cancel.check()
        else:
            if not self._browse(action.url):
                job.notice(f"no browser could be started; open {action.url}")
        while not job.cancel.wait(3600):
            pass
        raise Cancelled

    def verify(self, action: actions.Open, result: Result) -> tuple[Reason, ...]:
        return ()


def open_window(url: str) -> bool:
    """Open the user's browser. False when there is none, or only one that would take over this terminal."""
    try:
        browser = webbrowser.get()
        return getattr(browser, "name", "") not in _IN_THE_TERMINAL and browser.open(url)
    except (webbrowser.Error, OSError):
        return False


def answers(url: str, cancel: Cancellation) -> bool:
    """Whether a web server answers at `url`, with anything but "not ready yet". Other schemes count as answering."""
    cancel.check()
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return True
    try:
        connection = _connection(parts)
    except (ValueError, http.client.InvalidURL):  # a port that is no number: let the browser complain
        return True
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{parts.query}" if parts.query else ""

    def cut() -> None:
        if connection.sock:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    try:
        with cancel.closing(cut):
            connection.request("GET", path + query, headers={"User-Agent": "kdev", "Accept": "*/*"})
            return connection.getresponse().status not in _NOT_READY
    except (OSError, http.client.HTTPException, ValueError):
        cancel.check()
        return False
    finally:
        connection.close()


def _connection(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=_ANSWER_WITHIN)
    # Development certificates are rarely valid, and nothing is sent or believed: it is only asked who answers.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, parts.port, timeout=_ANSWER_WITHIN, context=context)
