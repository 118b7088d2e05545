"""A Job and a Screen for driving a driver by hand: what it told is kept in lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from kdev.core.step import Result, StepId
from kdev.errors import Cancelled
from kdev.runner.cancel import Cancellation


class FakeScreen:
    """A terminal that is none: input comes from a list, output goes to a bytearray."""

    def __init__(self, typed: list[bytes] | None = None, *, is_tty: bool = False) -> None:
        self.is_tty = is_tty
        self.typed = list(typed or [])
        self.written = bytearray()
        self.errors = bytearray()
        self.more = threading.Event()

    @contextmanager
    def borrow(self) -> Iterator[None]:
        yield

    def read(self, cancel: Cancellation) -> bytes:
        with cancel.closing(self.more.set):
            if self.typed:
                return self.typed.pop(0)
            self.more.wait()
        raise Cancelled

    def write(self, data: bytes, *, error: bool = False) -> None:
        if error:
            self.errors += data
        else:
            self.written += data

    def size(self) -> tuple[int, int]:
        return 80, 24

    @contextmanager
    def on_resize(self, call: Callable[[int, int], None]) -> Iterator[None]:
        yield


class FakeJob:
    """Meets core.ports.Job."""

    def __init__(
        self,
        step: str = "test:step",
        *,
        results: Mapping[str, Result] | None = None,
        fingerprint: str = "0" * 64,
        screen: FakeScreen | None = None,
    ) -> None:
        self.step = StepId(step)
        self.cancel = Cancellation()
        self.screen = screen or FakeScreen()
        self.results = dict(results or {})
        self.print = fingerprint
        self.outputs: list[tuple[str, str, bool]] = []
        self.progresses: list[tuple[str, int, int]] = []
        self.notices: list[tuple[str, str]] = []
        self.served = threading.Event()
        self.details: list[str] = []

    def result(self, step: str) -> Result:
        return self.results[step]

    def blob(self, step: str) -> str:
        blob = self.results[step].blob
        assert blob is not None
        return blob

    def fingerprint(self) -> str:
        return self.print

    def output(self, text: str, *, source: str = "", error: bool = False) -> None:
        self.outputs.append((text, source, error))

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        self.progresses.append((text, done, total))

    def notice(self, text: str, *, level: str = "info") -> None:
        self.notices.append((text, level))

    def serving(self, detail: str) -> None:
        self.details.append(detail)
        self.served.set()
