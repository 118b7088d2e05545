"""Cancellation: a flag raised once, and the closers that unblock whoever is blocked when it is.

Meets core.ports.Cancellation. Cancelling a parent cancels its children; a child can be cancelled alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from kdev.errors import Cancelled


class Cancellation:
    """Raised by `trigger`, from any thread, once."""

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._raised = threading.Event()
        self._lock = threading.Lock()
        self._closers: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._leave_parent = parent._add(self.trigger) if parent else None

    @property
    def triggered(self) -> bool:
        return self._raised.is_set()

    def trigger(self) -> None:
        """Raise the flag and call every closer, newest first. A closer that fails does not stop the others."""
        with self._lock:
            self._raised.set()
            closers = list(reversed(self._closers.values()))
            self._closers.clear()
        for closer in closers:
            # A handle that is closed twice, or was closed by its peer, must not keep the next one open.
            with suppress(Exception):
                closer()

    def check(self) -> None:
        """Raise Cancelled when triggered."""
        if self.triggered:
            raise Cancelled

    @contextmanager
    def closing(self, closer: Callable[[], None]) -> Iterator[None]:
        """`closer` is called when the flag is raised inside this `with`; at once when it is raised already."""
        leave = self._add(closer)
        try:
            yield
        finally:
            leave()

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds` or until triggered; True when triggered."""
        return self._raised.wait(seconds)

    @contextmanager
    def scope(self) -> Iterator[Cancellation]:
        """A child that is raised when the `with` ends, so that nothing started under it stays behind."""
        child = Cancellation(self)
        try:
            yield child
        finally:
            child.detach()
            child.trigger()

    def detach(self) -> None:
        """Forget the parent: a finished step must not be kept alive by its session."""
        if self._leave_parent:
            self._leave_parent()

    def _add(self, closer: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            if not self._raised.is_set():
                key = self._next
                self._next += 1
                self._closers[key] = closer
                return lambda: self._drop(key)
        closer()
        return lambda: None

    def _drop(self, key: int) -> None:
        with self._lock:
            self._closers.pop(key, None)
