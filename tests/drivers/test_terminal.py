"""Terminals and attached programs, with a screen that is none and on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import queue
import signal
import struct
import termios
import threading

import pytest

from kdev.core.actions import Terminal
from kdev.core.inputs import PodSelector
from kdev.core.ports import Cancellation
from kdev.core.step import Result
from kdev.drivers.pods import TargetPodFinder
from kdev.drivers.terminal import TerminalDriver, converse, ended
from kdev.errors import Cancelled, TargetError
from kdev.report.screen import TerminalScreen
from tests.drivers.loopback import LoopbackTarget, Running, container, eventually, pod
from tests.fakes.job import FakeJob, FakeScreen

WEB = PodSelector("dev", (("app", "web"),))


class Script:
    """Meets core.ports.Process: says what it is told to say, keeps what it is sent."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.said: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self.got = bytearray()
        self.stdin_closed = threading.Event()
        self.sizes: list[tuple[int, int]] = []
        self.closed = False

    def say(self, data: bytes, stream: int = 1) -> None:
        self.said.put((stream, data))

    def end(self) -> None:
        self.said.put((0, b""))

    def read(self, size: int) -> tuple[int, bytes]:
        return self.said.get(timeout=5)

    def write(self, data: bytes) -> None:
        self.got += data

    def close_stdin(self) -> None:
        self.stdin_closed.set()

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def exit_code(self) -> int:
        return self.code

    def close(self) -> None:
        self.closed = True
        self.said.put((0, b""))


class Typist(FakeScreen):
    """A screen on which a test types; b"" is the end of input."""

    def __init__(self, *, is_tty: bool = True) -> None:
        super().__init__(is_tty=is_tty)
        self.keys: queue.Queue[bytes | None] = queue.Queue()

    def type(self, data: bytes) -> None:
        self.keys.put(data)

    def read(self, cancel: Cancellation) -> bytes:
        with cancel.closing(lambda: self.keys.put(None)):
            typed = self.keys.get(timeout=5)
        if typed is None:
            raise Cancelled
        return typed


def shell(screen: FakeScreen | TerminalScreen, script: Script, **fields: object) -> Running:
    target = LoopbackTarget(pod("web-1"))
    target.programs.append(script)
    running = Running(TerminalDriver(target, TargetPodFinder(target)), Terminal(WEB, **fields), FakeJob(screen=screen))
    running.target = target
    return running


def test_what_is_typed_goes_in_and_what_is_said_comes_out() -> None:
    screen, script = Typist(), Script(code=3)
    with shell(screen, script, command=("psql", "-x"), workdir="/app") as running:
        screen.type(b"select 1;\r")
        script.say(b"1\r\n")
        eventually(lambda: script.got == b"select 1;\r" and screen.written == b"1\r\n")
        script.end()
        assert running.ended().value("exit_code") == "3"
    assert running.target.execs == [("web-1", "web", ("psql", "-x"), True, "/app")]
    assert script.sizes == [(80, 24)]
    assert script.closed
    assert running.job.details == ["psql -x in web-1/web"]


def test_without_a_command_it_is_bash_or_else_sh() -> None:
    script = Script()
    script.end()
    with shell(Typist(), script) as running:
        running.ended()
    argv = running.target.execs[0][2]
    assert argv[:2] == ("sh", "-c")
    assert argv[2].index("exec bash") < argv[2].index("exec sh")


def test_without_a_terminal_streams_stay_apart_and_the_end_of_input_is_passed_on() -> None:
    screen, script = Typist(is_tty=False), Script(code=7)
    with shell(screen, script, command=("cat",)) as running:
        screen.type(b"\x03\x04\x10\x11")
        screen.type(b"")
        assert script.stdin_closed.wait(5)
        script.say(b"out\n")
        script.say(b"err\n", 2)
        script.end()
        assert running.ended().value("exit_code") == "7"
    assert script.got == b"\x03\x04\x10\x11"
    assert (screen.written, screen.errors) == (b"out\n", b"err\n")
    assert running.target.execs[0][3] is False
    assert script.sizes == []


def test_cancelling_cuts_the_stream() -> None:
    script = Script()
    with shell(Typist(), script) as running:
        pass
    assert running.was_cancelled()
    assert script.closed


def test_a_broken_stream_is_an_error() -> None:
    class Broken(Script):
        def read(self, size: int) -> tuple[int, bytes]:
            raise TargetError("the engine has gone")

    running = shell(Typist(), Broken())
    with running, pytest.raises(TargetError, match="the engine has gone"):
        running.ended()


class Attaching:
    """What `kdev attach` does, as a driver that `Running` can drive."""

    def __init__(self, target: LoopbackTarget) -> None:
        self.target = target

    def run(self, action: Terminal, job: FakeJob) -> Result:
        [one] = self.target.pods("", {})
        process = self.target.attach(one, one.containers[0].name, cancel=job.cancel)
        job.serving("attached")
        return ended(converse(process, job.screen, job.cancel, tty=one.containers[0].tty, detachable=True))


def attach(screen: Typist, script: Script, *, tty: bool) -> Running:
    target = LoopbackTarget(pod("web-1", container(tty=tty)))
    target.programs.append(script)
    return Running(Attaching(target), Terminal(WEB), FakeJob(screen=screen))


@pytest.mark.parametrize("keys", [[b"abc\x10\x11def"], [b"abc\x10", b"\x11"]], ids=["at once", "one by one"])
def test_two_keys_leave_an_attached_program_running(keys: list[bytes]) -> None:
    screen, script = Typist(), Script(code=1)
    with attach(screen, script, tty=True) as running:
        for key in keys:
            screen.type(key)
        assert running.ended().value("exit_code") == "0"
    assert script.got in (b"", b"abc")
    assert not script.stdin_closed.is_set()


def test_a_single_ctrl_p_reaches_the_program_with_the_next_key() -> None:
    screen, script = Typist(), Script()
    with attach(screen, script, tty=True):
        screen.type(b"\x10")
        screen.type(b"x")
        eventually(lambda: script.got == b"\x10x")


def test_a_program_without_a_terminal_gets_lines_and_the_person_sees_them() -> None:
    screen, script = Typist(), Script()
    with attach(screen, script, tty=False) as running:
        screen.type(b"hi\r")
        eventually(lambda: script.got == b"hi\n" and screen.written == b"hi\r\n")
        script.say(b"a\nb\n")
        eventually(lambda: screen.written.endswith(b"a\r\nb\r\n"))
        screen.type(b"\x04")
        assert script.stdin_closed.wait(5)
        screen.type(b"\x03")
        assert running.ended().value("exit_code") == "0"
    assert script.sizes == []


def window(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_on_a_pseudo_terminal_it_is_raw_resizes_and_restores() -> None:
    person, terminal = pty.openpty()
    try:
        window(terminal, 100, 30)
        before = termios.tcgetattr(terminal)
        screen, script = TerminalScreen(stdin=terminal, stdout=terminal, stderr=terminal), Script()
        assert screen.is_tty
        with screen.watch_resizes(), shell(screen, script) as running:
            eventually(lambda: script.sizes == [(100, 30)])
            assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            os.write(person, b"\x03ls\r")
            eventually(lambda: script.got == b"\x03ls\r")
            script.say(b"\x1b[31mred\r\n")
            assert os.read(person, 100) == b"\x1b[31mred\r\n"
            window(terminal, 120, 40)
            os.kill(os.getpid(), signal.SIGWINCH)
            eventually(lambda: script.sizes == [(100, 30), (120, 40)])
        assert running.was_cancelled()
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(person)
        os.close(terminal)


def test_a_pipe_is_no_terminal_and_ends() -> None:
    reader, writer = os.pipe()
    out_reader, out_writer = os.pipe()
    screen, script = TerminalScreen(stdin=reader, stdout=out_writer, stderr=out_writer), Script()
    try:
        with shell(screen, script, command=("cat",)) as running:
            os.write(writer, b"data")
            os.close(writer)
            assert script.stdin_closed.wait(5)
            script.say(b"done")
            script.end()
            running.ended()
        assert script.got == b"data"
        assert os.read(out_reader, 10) == b"done"
        assert screen.size() == (80, 24)
    finally:
        for fd in (reader, out_reader, out_writer):
            os.close(fd)
