"""Programs on this machine: their lines as they come, their exit code, and their whole group ended on cancel.

Memory stays bounded whatever they print. No shell unless the caller names one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from kdev.core.ports import Cancellation
from kdev.errors import StepFailed

Line = Callable[[str, bool], None]
"""Called with each line, and whether it came on standard error."""
_CHUNK = 65536
_LONGEST = 16384
"""Longer lines are cut into pieces of this many bytes."""
_TAIL = 20
_GRACE = 0.6
"""Seconds between asking a group to end and making it."""
_AFTER_EXIT = 1.0


class Ended(NamedTuple):
    """How a program ended. A negative `code` is the number of the signal that ended it. `tail` are its last lines."""

    code: int
    tail: tuple[str, ...]

    def how(self) -> str:
        """`ended with exit code 3`, `was ended by SIGKILL`."""
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"was ended by signal {-self.code}"


def run(argv: Sequence[str], cancel: Cancellation, line: Line, *, cwd: str, env: Mapping[str, str]) -> Ended:
    """Run to the end, without input. Raises Cancelled, and StepFailed when the program cannot be started.

    A program that leaves others behind that hold its output open is not waited for beyond its own end.
    """
    process = _start(argv, cwd, env, stdin=subprocess.DEVNULL, output=subprocess.PIPE, group=True)
    assert process.stdout is not None
    assert process.stderr is not None
    tail: deque[str] = deque(maxlen=_TAIL)

    def take(text: str, error: bool) -> None:
        tail.append(text)
        line(text, error)

    readers = [_reader(process.stdout, False, take), _reader(process.stderr, True, take)]
    with cancel.closing(lambda: end_group(process)):
        code = process.wait()
        for reader in readers:
            reader.join(0 if cancel.triggered else _AFTER_EXIT)
    cancel.check()
    return Ended(code, tuple(tail))


def run_on_terminal(argv: Sequence[str], cancel: Cancellation, *, cwd: str, env: Mapping[str, str]) -> int:
    """Run with this program's own stdin, stdout and stderr; returns the exit code as a shell would give it.

    It stays in the foreground group, so that Ctrl-C on the terminal reaches it directly.
    """
    process = _start(argv, cwd, env, stdin=None, output=None, group=False)
    with cancel.closing(lambda: _end_later(process, process.terminate, process.kill)):
        code = process.wait()
    cancel.check()
    return code if code >= 0 else 128 - code


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the process's group to end, and make it after a moment. Does not block."""
    def send(number: int) -> Callable[[], None]:
        return lambda: os.killpg(process.pid, number)

    _end_later(process, send(signal.SIGTERM), send(signal.SIGKILL))


def _end_later(process: subprocess.Popen[bytes], ask: Callable[[], None], make: Callable[[], None]) -> None:
    def finish() -> None:
        with suppress(OSError):
            make()

    with suppress(OSError):
        ask()
    # Not a daemon: a program that is on its way out must still take its children with it.
    threading.Timer(_GRACE, finish).start()


def _start(
    argv: Sequence[str], cwd: str, env: Mapping[str, str], *, stdin: int | None, output: int | None, group: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv), cwd=cwd, env=dict(env), stdin=stdin, stdout=output, stderr=output, start_new_session=group
        )
    except (OSError, ValueError) as error:
        raise _cannot_start(argv, cwd, error) from error


def _cannot_start(argv: Sequence[str], cwd: str, error: OSError | ValueError) -> StepFailed:
    if not os.path.isdir(cwd):
        return StepFailed(f"`{argv[0]}` cannot be started: there is no folder {cwd}")
    if isinstance(error, FileNotFoundError):
        return StepFailed(f"`{argv[0]}` cannot be started: there is no such program",
                          hint="install it, or check the spelling; it runs without a shell")
    if isinstance(error, PermissionError):
        return StepFailed(f"`{argv[0]}` cannot be started: it may not be executed", hint=f"chmod +x {argv[0]}")
    return StepFailed(f"`{argv[0]}` cannot be started: {error}")


def _reader(stream: IO[bytes], error: bool, take: Line) -> threading.Thread:
    def read() -> None:
        rest = b""
        with stream:
            while data := os.read(stream.fileno(), _CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                for whole in lines:
                    _pieces(whole, error, take)
                while len(rest) > _LONGEST:
                    take(rest[:_LONGEST].decode("utf-8", "replace"), error)
                    rest = rest[_LONGEST:]
        if rest:
            _pieces(rest, error, take)

    thread = threading.Thread(target=read, daemon=True, name="output")
    thread.start()
    return thread


def _pieces(line: bytes, error: bool, take: Line) -> None:
    line = line.removesuffix(b"\r")
    for start in range(0, max(1, len(line)), _LONGEST):
        take(line[start : start + _LONGEST].decode("utf-8", "replace"), error)
