"""The view on a terminal: what runs below, what happened above, logs between. A thread redraws while something moves.

At most `_FRAMES` times a second, and not at all while nothing changes or the terminal is lent to somebody.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TextIO

from kdev.core import events
from kdev.core.ports import Clock
from kdev.report.board import Board
from kdev.report.output import Output
from kdev.report.paint import Paint
from kdev.report.region import Region

_FRAMES = 6
_MOST_HELD = 5000
"""Lasting lines that wait for the next frame; more are written at once, or the oldest dropped while it is lent."""


class Live:
    """Meets core.ports.Reporter. `size` gives the terminal's (columns, rows), by default those of `stream`."""

    def __init__(
        self,
        stream: TextIO,
        clock: Clock,
        size: Callable[[], tuple[int, int]] | None = None,
        *,
        paint: Paint | None = None,
    ) -> None:
        self._clock = clock
        self._size = size or partial(_size_of, stream)
        self._board = Board(paint or Paint(True))
        self._region = Region(self._size)
        self._out = Output(stream)
        # Taken while `_changed` is held and kept for the write: a slow terminal holds up frames, not whoever tells.
        self._writing = threading.Lock()
        self._held: list[str] = []
        self._lent = 0
        self._dirty = False
        self._closed = False
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._drawer: threading.Thread | None = None

    def tell(self, event: events.Event) -> None:
        with self._changed:
            if self._closed:
                return
            self._board.feed(event, self._clock.now())
            self._held += self._board.take_lines()
            self._dirty = True
            if len(self._held) > _MOST_HELD:
                if self._lent:
                    del self._held[:-_MOST_HELD]
                else:
                    text = self._frame()
                    with self._writing:
                        self._out.write(text)
            if self._drawer is None:
                self._drawer = threading.Thread(target=self._redraw, name="live view", daemon=True)
                self._drawer.start()
            self._changed.notify()

    def close(self) -> None:
        """Write what is held back, take the moving rows away. Nothing is drawn afterwards."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._closing.set()
            if not self._lent:
                self._flush()
            self._changed.notify()
        if self._drawer:
            self._drawer.join(1)

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Leave the terminal alone for the length of a `with`; what happens meanwhile is told afterwards."""
        with self._changed:
            self._flush()
            self._lent += 1
        try:
            yield
        finally:
            with self._changed:
                self._lent -= 1
                if self._closed and not self._lent:
                    self._flush()
                self._changed.notify()

    def _redraw(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                while not self._closed and (self._lent or not (self._dirty or self._board.busy)):
                    self._changed.wait()
                if self._closed:
                    return
                text = self._frame()
                self._writing.acquire()
            try:
                self._out.write(text)
            finally:
                self._writing.release()
            # The pause bounds the frames: whatever comes meanwhile is drawn together, and nobody waits for it.
            self._closing.wait(1 / _FRAMES)

    def _frame(self) -> str:
        _, height = self._size()
        text = self._region.draw(self._held, self._board.rows(self._clock.now(), height))
        self._held.clear()
        self._dirty = False
        return text

    def _flush(self) -> None:
        text = self._region.draw(self._held, ())
        self._held.clear()
        with self._writing:
            self._out.write(text)


def _size_of(stream: TextIO) -> tuple[int, int]:
    with suppress(OSError, ValueError):
        columns, rows = os.get_terminal_size(stream.fileno())
        if columns and rows:
            return columns, rows
    return 80, 24
