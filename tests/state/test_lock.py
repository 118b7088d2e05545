"""The session lock: one holder, named to the others, freed by its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdev.errors import EXIT_LOCKED, LockedError
from kdev.state.folder import StateFolder
from kdev.state.lock import Holder, SessionLock, current_holder

ME = Holder(os.getpid(), "here", "me", "2026-11-22T10:00:00+0100", "kdev run build")

OTHER = """
import sys, os
from kdev.state.folder import StateFolder
from kdev.state.lock import Holder, SessionLock
holder = Holder(os.getpid(), "laptop", "ada", "2026-11-22T09:00:00+0100", "kdev run dev")
lock = SessionLock(StateFolder(sys.argv[1]), holder)
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def locked(root: Path) -> bool:
    try:
        with SessionLock(StateFolder(str(root)), ME):
            return False
    except LockedError:
        return True


def test_a_second_session_is_told_who_holds_the_project(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(LockedError) as caught:
        SessionLock(StateFolder(str(tmp_path)), ME).acquire()

    assert caught.value.exit_code == EXIT_LOCKED
    for part in ("kdev run dev", str(other.pid), "ada", "laptop", "2026-11-22T09:00:00+0100"):
        assert part in caught.value.message
    holder = current_holder(StateFolder(str(tmp_path)))
    assert holder is not None
    assert holder.pid == other.pid


def test_kill_9_frees_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    assert locked(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert not locked(tmp_path)
    assert current_holder(StateFolder(str(tmp_path))) is None


def test_release_frees_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write("\n")
    other.stdin.flush()
    assert other.stdout.readline() == "released\n"
    assert not locked(tmp_path)


def test_patience_waits_for_the_other_to_end(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            other.kill()
            other.wait()

    lock = SessionLock(StateFolder(str(tmp_path)), ME, clock=lambda: float(len(waited)), sleep=sleep)
    lock.acquire(patience=100)
    assert current_holder(StateFolder(str(tmp_path))) == ME
    lock.release()


def test_asking_who_holds_it_does_not_get_in_the_way(tmp_path: Path) -> None:
    folder = StateFolder(str(tmp_path))
    assert current_holder(folder) is None
    assert list(tmp_path.iterdir()) == []
    with SessionLock(folder, ME):
        assert current_holder(folder) == ME
    assert current_holder(folder) is None


def test_a_child_process_does_not_inherit_it(tmp_path: Path) -> None:
    lock = SessionLock(StateFolder(str(tmp_path)), ME)
    lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        lock.release()
        assert not locked(tmp_path)
        child.kill()


def test_a_dry_run_locks_nothing(tmp_path: Path) -> None:
    with SessionLock(StateFolder(str(tmp_path), read_only=True), ME):
        assert list(tmp_path.iterdir()) == []


def test_the_answer_comes_within_half_a_second(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    assert locked(tmp_path)
    assert time.monotonic() - began < 0.5
