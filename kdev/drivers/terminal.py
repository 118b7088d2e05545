"""Terminal: the user's terminal and a program in a container, joined until one of them ends.

Also used without a terminal (`kdev enter` in a pipe): stdin goes in, stdout and stderr come out apart.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from kdev.core import actions
from kdev.core.ports import Cancellation, Job, PodFinder, Process, Screen, Target
from kdev.core.step import Reason, Result
from kdev.errors import Cancelled, KdevError

_CHUNK = 65536
SHELL = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")
_CTRL_C, _CTRL_D, _CTRL_P, _CTRL_Q = 3, 4, 16, 17


class TerminalDriver:
    """Meets core.ports.Driver for actions.Terminal."""

    def __init__(self, target: Target, finder: PodFinder) -> None:
        self._target = target
        self._finder = finder

    def run(self, action: actions.Terminal, job: Job) -> Result:
        """Ends with the program; its code is the value `exit_code`."""
        pod, container = self._finder.find(action.selector, job)
        argv = action.command or SHELL
        screen = job.screen
        process = self._target.exec(
            pod, container, argv, tty=screen.is_tty, workdir=action.workdir, cancel=job.cancel
        )
        job.serving(f"{' '.join(action.command) or 'a shell'} in {pod.name}/{container}")
        return ended(converse(process, screen, job.cancel, tty=screen.is_tty))

    def verify(self, action: actions.Terminal, result: Result) -> tuple[Reason, ...]:
        return ()


def ended(code: int) -> Result:
    """The result of a program in a container."""
    return Result(f"exit {code}", (("exit_code", str(code)),))


def converse(process: Process, screen: Screen, cancel: Cancellation, *, tty: bool, detachable: bool = False) -> int:
    """Join `screen` and `process` until the program ends; returns its exit code.

    `tty` says whether the program has a terminal of its own. Raises Cancelled when cancelled; the user's terminal is
    restored in any case.
    """
    talk = _Talk(process, screen, tty=tty, detachable=detachable)
    with cancel.closing(process.close), screen.borrow(), cancel.scope() as scope:
        typing = threading.Thread(target=talk.type_in, args=(scope,), name="stdin", daemon=True)
        typing.start()
        try:
            if tty and screen.is_tty:
                process.resize(*screen.size())
                with screen.on_resize(talk.resize):
                    talk.show()
            else:
                talk.show()
            cancel.check()
            return 0 if talk.left else process.exit_code()
        except KdevError:
            cancel.check()  # the stream was cut by us: that is no failure
            raise
        finally:
            scope.trigger()
            # It must have let go of stdin before the terminal is given back.
            typing.join(2)
            process.close()


class _Talk:
    """What is typed, changed into what the program should get; what it says, into what the screen should show."""

    def __init__(self, process: Process, screen: Screen, *, tty: bool, detachable: bool) -> None:
        self._process = process
        self._screen = screen
        self._detachable = detachable and screen.is_tty
        # A person, and a program without a terminal: the screen is raw all the same, so the line editing is ours.
        self._lines = screen.is_tty and not tty
        self._held = b""
        self.left = False

    def show(self) -> None:
        """Until the end of output."""
        while True:
            stream, data = self._process.read(_CHUNK)
            if not stream:
                return
            self._screen.write(data.replace(b"\n", b"\r\n") if self._lines else data, error=stream == 2)

    def type_in(self, cancel: Cancellation) -> None:
        """Until the end of input; runs on a thread of its own."""
        with suppress(Cancelled, KdevError, OSError):
            while data := self._screen.read(cancel):
                if self._detachable:
                    data = self._without_leave(data)
                if self._lines:
                    data = self._cooked(data)
                if self.left:
                    self._process.close()
                    return
                if data:
                    self._process.write(data)
            self._process.close_stdin()

    def resize(self, columns: int, rows: int) -> None:
        with suppress(KdevError):  # the program may have ended this very moment
            self._process.resize(columns, rows)

    def _without_leave(self, data: bytes) -> bytes:
        """Takes Ctrl-P Ctrl-Q out, also when its two keys come apart; a Ctrl-P waits for the next key."""
        data, self._held = self._held + data, b""
        leave = data.find(bytes((_CTRL_P, _CTRL_Q)))
        if leave >= 0:
            self.left = True
            return data[:leave]
        if data.endswith(bytes((_CTRL_P,))):
            self._held = data[-1:]
            return data[:-1]
        return data

    def _cooked(self, data: bytes) -> bytes:
        if _CTRL_C in data:
            self.left = True
            return b""
        if _CTRL_D in data:
            self._process.close_stdin()
            data = data[: data.index(_CTRL_D)]
        data = data.replace(b"\r", b"\n")
        self._screen.write(data.replace(b"\n", b"\r\n"))
        return data
