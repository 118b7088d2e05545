"""Requests and answers over one stream: requests may overlap, answers find their request. Knows frames, not files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from kdev.sync import wire
from kdev.sync.endpoint import SideBroken

_UNREAD = 256 << 20
_BUFFER = 128 << 10
_LAST = frozenset((wire.END, wire.ERROR, wire.WELCOME, wire.PONG))


class Stream(Protocol):
    """Both directions of a pipe to the agent. `close` may be called from any thread and ends blocked calls."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Answers:
    """The answers to one request, in order."""

    def __init__(self, wiring: Wiring, number: int) -> None:
        self.number = number
        self.ended = False
        self._wiring = wiring
        self._queue: SimpleQueue[wire.Frame | None] = SimpleQueue()

    def put(self, frame: wire.Frame | None) -> None:
        """By the reading thread; None when the stream has ended."""
        self._queue.put(frame)

    def next(self) -> wire.Frame:
        """Wait for the next one. SideBroken when there will be none."""
        self._wiring.flush()
        frame = self._queue.get()
        if frame is None:
            self._queue.put(None)
            raise SideBroken(self._wiring.why)
        self._wiring.taken(len(frame.payload))
        self.ended = frame.kind in _LAST
        return frame

    def discard(self) -> None:
        """What has come is not looked at, and nothing more is waited for."""
        self.ended = True
        with suppress(Empty):
            while (frame := self._queue.get_nowait()) is not None:
                self._wiring.taken(len(frame.payload))

    def __iter__(self) -> Iterator[wire.Frame]:
        while not self.ended:
            yield self.next()


class Wiring:
    """`request` from one thread at a time; a thread of its own reads. `on_broken` is called by it at the end."""

    def __init__(self, stream: Stream, on_broken: Callable[[], None] | None = None) -> None:
        self.why = "the connection to the agent was cut"
        self._stream = stream
        self._on_broken = on_broken
        self._open: dict[int, Answers | Callable[[wire.Frame], None]] = {}
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._input = memoryview(b"")
        self._number = 0
        self._unread = 0
        self._broken = False
        self._thread = threading.Thread(target=self._read, daemon=True, name="kdev sync reader")
        self._thread.start()

    def ask(self, kind: int, *parts: bytes) -> Answers:
        """Send a request. Its answers must be drawn to the end, or `drop`ped."""
        with self._lock:
            if self._broken:
                raise SideBroken(self.why)
            self._number = self._number % 0xFFFFFFFF + 1
            answers = Answers(self, self._number)
            self._open[self._number] = answers
        self.send(kind, answers.number, *parts)
        return answers

    def listen(self, call: Callable[[wire.Frame], None], kind: int, *parts: bytes) -> None:
        """Send a request whose answers are given to `call` by the reading thread."""
        with self._lock:
            if self._broken:
                raise SideBroken(self.why)
            self._number = self._number % 0xFFFFFFFF + 1
            number = self._number
            self._open[number] = call
        self.send(kind, number, *parts)
        self.flush()

    def send(self, kind: int, number: int, *parts: bytes) -> None:
        """A frame that belongs to a request. Small ones wait for others, or for the next `flush`."""
        self._buffer += wire.pack(kind, number, *parts)
        if len(self._buffer) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Everything sent so far is on its way."""
        if not self._buffer:
            return
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            self._stream.write(data)
        except Exception as error:  # whatever the stream is made of: it is broken
            raise SideBroken(self.why) from error

    def drop(self, answers: Answers) -> None:
        """Nobody wants the rest: let it be ended."""
        if not answers.ended and self.forget(answers):
            self.send(wire.CANCEL, answers.number)
        answers.discard()

    def forget(self, answers: Answers) -> bool:
        """Let it be done, and do not tell. False when all was told already."""
        with self._lock:
            if answers.number not in self._open:
                return False
            self._open[answers.number] = _ignore
            return True

    def taken(self, size: int) -> None:
        """An answer of that size has left the queue."""
        with self._lock:
            self._unread -= size

    def close(self) -> None:
        """Cut the stream."""
        self._stream.close()

    def _read(self) -> None:
        try:
            while True:
                size, kind, request = wire.head(self._exactly(wire.HEAD_SIZE))
                self._deliver(wire.Frame(kind, request, self._exactly(size)))
        except SideBroken as error:
            self._end(str(error))
        except Exception as error:  # noqa: BLE001 - whatever the stream is made of: it is broken
            self._end(f"the connection to the agent was cut: {wire.shown(str(error))}")

    def _deliver(self, frame: wire.Frame) -> None:
        with self._lock:
            receiver = self._open.get(frame.request)
            if frame.kind in _LAST:
                self._open.pop(frame.request, None)
            if isinstance(receiver, Answers):
                self._unread += len(frame.payload)
                if self._unread > _UNREAD:
                    raise SideBroken("the agent sends more than was asked for")
        if isinstance(receiver, Answers):
            receiver.put(frame)
        elif receiver is not None:
            receiver(frame)
        elif frame.request == 0 and frame.kind == wire.ERROR:
            raise SideBroken(f"the agent gave up: {wire.refusal(frame.payload).why}")

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            if not self._input:
                self._input = memoryview(self._stream.read(_BUFFER))
                if not self._input:
                    raise SideBroken("the connection to the agent was cut")
            pieces.append(bytes(self._input[:size]))
            self._input = self._input[size:]
            size -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _end(self, why: str) -> None:
        with self._lock:
            self._broken = True
            self.why = why
            waiting = list(self._open.values())
            self._open.clear()
        for receiver in waiting:
            if isinstance(receiver, Answers):
                receiver.put(None)
        if self._on_broken:
            self._on_broken()


def _ignore(frame: wire.Frame) -> None:
    """Answers that nobody wants any more."""
