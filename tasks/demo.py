"""demo: the quickstart on this machine, from nothing to a page in the browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from invoke import Context, Exit, task

from tasks.engine import bring_up
from tasks.images import BUSYBOX, ensure_images
from tasks.machine import ROOT, Missing, say

QUICKSTART = ROOT / "examples/quickstart"
READY_SECONDS = 120
CHANGE_SECONDS = 20

NEXT = """\
In a minute: http://127.0.0.1:8080
  edit examples/quickstart/www/index.html   the page changes; nothing is built
  edit examples/quickstart/Dockerfile       one image is built, one workload replaced
  Ctrl-C                                    ends the session; the workload stays
  then, after `. .venv/bin/activate` and `cd examples/quickstart`:
    kdev run dev       starts in a blink: nothing to do
    kdev why           why each step ran or did not
    kdev run purge     takes everything away again
"""


@task(help={"check": "on a copy: bring it up, see an edit arrive, take it away"})
def demo(_: Context, check: bool = False) -> None:
    """The quickstart: a Docker Engine, an image, a deployed app, a page on 127.0.0.1."""
    try:
        bring_up()
        ensure_images(BUSYBOX)
    except Missing as missing:
        raise Exit(f"inv: {missing}", code=69) from None
    if check:
        check_quickstart()
        return
    print(NEXT, flush=True)
    # The session takes our place, so that Ctrl-C and the terminal are its own.
    os.chdir(QUICKSTART)
    os.execv(sys.executable, [sys.executable, "-m", "kdev", "run", "dev"])


def check_quickstart() -> None:
    """Raises Exit with what went wrong."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kdev-demo-") as scratch:
        folder = Path(scratch) / "quickstart"
        shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns(".kdev"))
        port = free_port()
        config = folder / "devspace.yaml"
        config.write_text(re.sub(r"- port: 8080", f"- port: {port}\n      remotePort: 8080", config.read_text()))
        kdev = [sys.executable, "-m", "kdev"]
        here = ["-n", f"demo-{port}"]  # a namespace of its own: a quickstart that runs already is not touched
        argv = [*kdev, "run", "dev", *here, "-o", "json"]
        session = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            ready = threading.Event()
            threading.Thread(target=read, args=(session, ready), daemon=True).start()
            wait(lambda: ready.is_set() or session.poll() is not None, READY_SECONDS, "the session is not ready")
            url = f"http://127.0.0.1:{port}/"
            wait(lambda: "Hello from kdev" in page(url), CHANGE_SECONDS, f"no page at {url}")
            say(f"the page is served {time.monotonic() - began:.1f} s after the start")
            index = folder / "www/index.html"
            index.write_text(index.read_text().replace("Hello from kdev", "Edited and synced"))
            saved = time.monotonic()
            wait(lambda: "Edited and synced" in page(url), CHANGE_SECONDS, "the edit did not arrive")
            say(f"an edit arrived in the container {time.monotonic() - saved:.2f} s after it was saved")
        finally:
            session.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                session.wait(20)
            session.kill()
            session.wait()
            purged = subprocess.run([*kdev, "run", "purge", *here], cwd=folder, capture_output=True, text=True)
    if purged.returncode:
        raise Exit(f"inv: purge failed:\n{purged.stdout}{purged.stderr}", code=1)
    say("purged; the demo works")


def read(session: subprocess.Popen[str], ready: threading.Event) -> None:
    """Show what the session tells, until its end."""
    assert session.stdout
    with session.stdout:
        for line in session.stdout:
            event = json.loads(line)
            if event["event"] in {"finished", "serving", "failed"}:
                say(f"  {event['event']} {event['step']} {event.get('detail', '')} {event.get('message', '')}".rstrip())
            if event["event"] == "ready":
                ready.set()


def page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""


def wait(true: Callable[[], bool], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise Exit(f"inv: demo: {otherwise}", code=1)
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
