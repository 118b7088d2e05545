"""A container's log as LogLines: frames or a terminal's raw bytes, pieces joined, times kept to the nanosecond.

What a container writes is hostile: lines are cut at a limit and bytes that are no UTF-8 replaced.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from kdev.core.ports import Cancellation
from kdev.core.workloads import LogLine
from kdev.drivers.docker.client import Clients, streaming
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.wire import Frames

LIMIT = 1 << 20
"""Bytes of a line that are kept."""

_CHUNK = 65536
_PIECE = 16384
"""The engine keeps longer lines in pieces of this size, each with the line's time in front."""

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) ")
_STAMP_MOST = 32
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Moment(NamedTuple):
    """A point in time. Ordered, which RFC 3339 texts are not."""

    seconds: int
    nanoseconds: int

    def __str__(self) -> str:
        """As the engine takes it: seconds since 1970 with a fraction."""
        return f"{self.seconds}.{self.nanoseconds:09d}"


def moment(text: str) -> Moment:
    """The moment that an RFC 3339 time means. Raises ValueError when it is none."""
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no RFC 3339 time")
    day, fraction, zone = match.groups()
    seconds = calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S"))
    if zone != "Z":
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return Moment(seconds, int((fraction or "0").ljust(9, "0")))


def read_logs(
    clients: Clients, container_id: str, *, last: int | None = None, since: str = "", follow: bool = False,
    cancel: Cancellation,
) -> Iterator[LogLine]:
    """Lines, oldest first; `last` of them before now, those after `since` (RFC 3339) only. Following ends with the
    container. Raises Cancelled, StepFailed for a container that is not there or keeps no log."""
    after = moment(since) if since else None
    api = clients.fresh()
    try:
        with translated(api.base_url):
            tty = bool(api.inspect_container(container_id)["Config"]["Tty"])
        params: dict[str, Any] = {
            "stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), "tail": "all" if last is None else last,
        }
        if after:
            params["since"] = str(after)
        with streaming(
            api, "GET", f"/containers/{quote(container_id, safe='')}/logs", cancel, params=params
        ) as response:
            for line in lines_of(_reader(response), tty=tty):
                cancel.check()
                # The engine's own `since` includes the moment itself, and some log drivers know only whole seconds.
                if after is None or not line.time or moment(line.time) > after:
                    yield line
    finally:
        api.close()


def lines_of(read: Callable[[int], bytes], *, tty: bool) -> Iterator[LogLine]:
    """The lines in a log stream with times; `read` gives up to so many bytes, b"" at the end."""
    joiner = _Joiner()
    pieces = _raw_pieces(read) if tty else _framed_pieces(read)
    for error, piece in pieces:
        yield from joiner.add(error, piece)
    yield from joiner.rest()


def _framed_pieces(read: Callable[[int], bytes]) -> Iterator[tuple[bool, bytes]]:
    frames = Frames(read)
    while True:
        kind, data = frames.whole(LIMIT + _STAMP_MOST)
        if not kind:
            return
        for piece in data.splitlines(keepends=True) if data.count(b"\n") > 1 else (data,):
            yield kind == 2, piece


def _raw_pieces(read: Callable[[int], bytes]) -> Iterator[tuple[bool, bytes]]:
    rest = b""
    for data in iter(lambda: read(_CHUNK), b""):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield from ((False, piece) for piece in _unglued(line + b"\n"))
        if len(rest) > LIMIT:
            # A line without an end must not fill the memory. What follows has no time, so it counts to the same line.
            pieces = list(_unglued(rest))
            yield from ((False, piece) for piece in pieces[:-1])
            rest = pieces[-1]
            if len(rest) > LIMIT:
                yield False, rest
                rest = b""
    if rest:
        yield from ((False, piece) for piece in _unglued(rest))


def _unglued(line: bytes) -> Iterator[bytes]:
    """The pieces that the engine made of a long line: without frames, their times stand in the middle of it."""
    while (match := _STAMP.match(line)) and line.startswith(match[0], match.end() + _PIECE):
        cut = match.end() + _PIECE
        yield line[:cut]
        line = line[cut:]
    yield line


class _Joiner:
    """Makes lines of pieces, for stdout and stderr apart. A piece without a newline at its end is to be continued."""

    def __init__(self) -> None:
        self._time = {False: "", True: ""}
        self._text = {False: bytearray(), True: bytearray()}

    def add(self, error: bool, piece: bytes) -> Iterator[LogLine]:
        match = _STAMP.match(piece)
        text = self._text[error]
        if match:
            piece = piece[match.end():]
            if not text:
                self._time[error] = match[1].decode()
        ended = piece.endswith(b"\n")
        text += piece[: LIMIT - len(text)] if len(text) < LIMIT else b""
        if ended:
            yield self._line(error)

    def rest(self) -> Iterator[LogLine]:
        """What had no newline yet, oldest first."""
        left = [self._line(error) for error in (False, True) if self._text[error]]
        yield from sorted(left, key=lambda line: line.time)

    def _line(self, error: bool) -> LogLine:
        text = self._text[error].decode(errors="replace").removesuffix("\n").removesuffix("\r")
        self._text[error] = bytearray()
        return LogLine(self._time[error], text, error)


def _reader(response: requests.Response) -> Callable[[int], bytes]:
    """A `read` over a streamed answer that gives what there is and does not wait for a full block."""
    blocks = response.raw.stream(_CHUNK, decode_content=True)
    rest = b""

    def read(size: int) -> bytes:
        nonlocal rest
        while not rest:
            block = next(blocks, None)
            if block is None:
                return b""
            rest = block
        data, rest = rest[:size], rest[size:]
        return data

    return read


