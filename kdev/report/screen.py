"""The user's terminal as core.ports.Screen: raw mode, typed bytes, size and its changes. One step has it at a time.

Without a terminal, stdin and stdout are passed through as they are.
"""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from kdev.core.ports import Cancellation
from kdev.errors import Cancelled

_CHUNK = 65536
_LOOK_AGAIN = 0.5


class TerminalScreen:
    """Meets core.ports.Screen over three file descriptors. `silence` keeps the live view quiet while it is lent."""

    def __init__(
        self,
        silence: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
    ) -> None:
        self._in = stdin
        self._out = stdout
        self._error = stderr
        self._silence = silence
        self._turn = threading.Lock()
        self._wakers: tuple[_Waker, ...] = ()
        self.is_tty = os.isatty(stdin) and os.isatty(stdout)

    @contextmanager
    def borrow(self) -> Iterator[None]:
        """Raw mode; the mode before comes back however this ends. A second borrower waits."""
        with self._turn, self._silence():
            if not self.is_tty:
                yield
                return
            before = termios.tcgetattr(self._in)
            try:
                tty.setraw(self._in, termios.TCSADRAIN)
                yield
            finally:
                # DRAIN, not FLUSH: what was typed ahead belongs to the shell that comes after.
                termios.tcsetattr(self._in, termios.TCSADRAIN, before)

    def read(self, cancel: Cancellation) -> bytes:
        """What was typed; b"" at the end of input."""
        waker = _Waker()
        try:
            with cancel.closing(waker.poke):
                ready, _, _ = select.select([self._in, waker.fd], [], [])
            if waker.fd in ready:
                raise Cancelled
            return os.read(self._in, _CHUNK)
        except OSError:  # EIO: the terminal has gone
            return b""
        finally:
            waker.close()

    def write(self, data: bytes, *, error: bool = False) -> None:
        fd = self._error if error else self._out
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                select.select([], [fd], [])
            except OSError:  # nobody reads any more; the program inside is told by its own end
                return

    def size(self) -> tuple[int, int]:
        """(columns, rows); 80 by 24 when nobody knows."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self._out)
            if columns and rows:
                return columns, rows
        return 80, 24

    @contextmanager
    def on_resize(self, call: Callable[[int, int], None]) -> Iterator[None]:
        """`call` is told every new size, on a thread of its own; at once inside `watch_resizes`, else soon."""
        waker = _Waker()
        over = threading.Event()

        def watch() -> None:
            last = self.size()
            while not over.is_set():
                waker.wait(_LOOK_AGAIN)
                if not over.is_set() and (now := self.size()) != last:
                    last = now
                    call(*now)

        watcher = threading.Thread(target=watch, name="resize", daemon=True)
        watcher.start()
        self._wakers = (*self._wakers, waker)
        try:
            yield
        finally:
            self._wakers = tuple(other for other in self._wakers if other is not waker)
            over.set()
            waker.poke()
            watcher.join()
            waker.close()

    @contextmanager
    def watch_resizes(self) -> Iterator[None]:
        """Listen to SIGWINCH. Enter it on the main thread: only that one may set a signal's handler."""

        def resized(_number: int, _frame: object) -> None:
            # A handler interrupts its thread anywhere, locks included: it may do no more than write to pipes.
            for waker in self._wakers:
                waker.poke()

        before = signal.signal(signal.SIGWINCH, resized)
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)


class _Waker:
    """A pipe that ends a select. A poke that comes late must not hit a descriptor that is somebody else's by then."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._open = True
        self._lock = threading.RLock()  # reentrant: a second signal may interrupt the handler of the first

    def poke(self) -> None:
        with self._lock, suppress(BlockingIOError):
            if self._open:
                os.write(self._write, b"w")

    def wait(self, seconds: float) -> None:
        if select.select([self.fd], [], [], seconds)[0]:
            os.read(self.fd, 64)

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self.fd)
            os.close(self._write)
