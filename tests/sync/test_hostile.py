"""An agent stand-in that lies: nothing outside the tree changes, nothing hangs, and the end says what happened."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdev.sync import wire
from kdev.sync.endpoint import PathTrouble, SideBroken
from kdev.sync.entry import LOCAL, Change, Entry, Kind
from kdev.sync.local import LocalEndpoint
from kdev.sync.remote import RemoteEndpoint
from kdev.sync.rules import Rules

Answer = Callable[[int, int, bytes], bytes]


def welcome(request: int) -> bytes:
    return wire.pack(wire.WELCOME, request, struct.pack(">HBI", 1, 0, 0), *map(wire.text, ("1", "ab", "/app")))


class Liar:
    """Meets Stream: `answer` gets (type, id, payload) of each request after the first."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._out: SimpleQueue[bytes] = SimpleQueue()
        self._pending = b""

    def write(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= wire.HEAD_SIZE:
            size, kind, request = wire.head(self._pending[: wire.HEAD_SIZE])
            payload = self._pending[wire.HEAD_SIZE : wire.HEAD_SIZE + size]
            self._pending = self._pending[wire.HEAD_SIZE + size :]
            said = welcome(request) if kind == wire.HELLO else self._answer(kind, request, payload)
            if said:
                self._out.put(said)

    def read(self, size: int) -> bytes:
        del size
        return self._out.get()

    def close(self) -> None:
        self._out.put(b"")


def record(path: bytes, kind: bytes = b"f", size: int = 1, extra: bytes = b"\0" * 32) -> bytes:
    """A list of one entry."""
    head = struct.pack(">BBHHHQqqQ", kind[0], 0, 0o644, len(path), len(extra), size, 1, 1, 1)
    return struct.pack(">I", 1) + head + path + extra


def scanned(said: Callable[[int], bytes]) -> list[tuple[str, Entry]]:
    remote = RemoteEndpoint(Liar(lambda kind, request, payload: said(request)), Rules())
    try:
        [seen] = remote.scan()
        return list(seen.items)
    finally:
        remote.close()


PATHS = [b"../x", b"/etc/x", b"a/../../x", b"a//b", b".", b"x\0y", b"n" * 256, b"a/" * 300 + b"b"]


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_a_path_that_leads_elsewhere_ends_the_session(path: bytes) -> None:
    with pytest.raises(SideBroken, match="a path that"):
        scanned(lambda request: wire.pack(wire.ENTRIES, request, record(path)) + wire.pack(wire.END, request))


def _frames(request: int) -> dict[str, bytes]:
    return {
        "a gigabyte frame": struct.pack(">IBI", 1 << 30, wire.ENTRIES, request),
        "a frame without a head": struct.pack(">IBI", 0, wire.ENTRIES, request),
        "a list longer than its frame": wire.pack(wire.ENTRIES, request, b"\xff\xff\xff\xff"),
        "an unknown kind": wire.pack(wire.ENTRIES, request, record(b"a", b"?")),
        "texts longer than the frame": wire.pack(wire.ENTRIES, request, record(b"a")[:-1]),
        "the end of everything": wire.pack(wire.ERROR, 0, b"\0\1", wire.text(""), wire.text("no")),
        "nothing more": wire.pack(wire.ENTRIES, request, record(b"a"))[:-3],
    }


@pytest.mark.parametrize("name", list(_frames(0)))
def test_garbage_ends_the_session(name: str) -> None:
    liar: list[Liar] = []

    def answer(kind: int, request: int, payload: bytes) -> bytes:
        if name == "nothing more":
            liar[0].close()
        return _frames(request)[name]

    liar.append(Liar(answer))
    remote = RemoteEndpoint(liar[0], Rules())
    if name == "nothing more":
        remote.close()
    with pytest.raises(SideBroken):
        list(remote.scan())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([wire.ENTRIES, wire.END, wire.ERROR, wire.BYTES, wire.WELCOME, 0x77]),
                          st.binary(max_size=200)), max_size=5))
def test_any_answer_is_either_understood_or_the_end(frames: list[tuple[int, bytes]]) -> None:
    def said(request: int) -> bytes:
        packed = b"".join(wire.pack(kind, request, payload) for kind, payload in frames)
        return packed + wire.pack(wire.END, request)

    try:
        found = scanned(said)
    except SideBroken:
        return
    assert all(not path.startswith("/") and ".." not in path.split("/") for path, _ in found)


@given(st.binary(max_size=300))
def test_entries_are_read_or_refused(payload: bytes) -> None:
    with suppress(SideBroken):
        assert all(path is not None for path, _ in wire.entries(payload))


def test_an_answer_about_another_path_ends_the_session() -> None:
    def answer(kind: int, request: int, payload: bytes) -> bytes:
        return wire.pack(wire.ENTRIES, request, record(b"other")) + wire.pack(wire.END, request)

    remote = RemoteEndpoint(Liar(answer), Rules())
    with pytest.raises(SideBroken, match="other paths"):
        list(remote.scan(["asked"]))
    remote.close()


def test_more_content_than_was_promised_is_cut_off() -> None:
    def answer(kind: int, request: int, payload: bytes) -> bytes:
        return wire.pack(wire.BYTES, request, b"x" * 1000) if kind == wire.READ else b""

    remote = RemoteEndpoint(Liar(answer), Rules())
    contents = remote.read([("a", Entry(Kind.FILE, 0o644, 10))])
    content = next(contents)
    with pytest.raises(PathTrouble):
        list(content)
    remote.close()


def test_false_content_does_not_reach_the_disk(tmp_path: Path) -> None:
    def answer(kind: int, request: int, payload: bytes) -> bytes:
        return wire.pack(wire.BYTES, request, b"evil") + wire.pack(wire.END, request, b"\0\0\0\0")

    remote = RemoteEndpoint(Liar(answer), Rules())
    new = Entry(Kind.FILE, 0o644, 4, 1, hashlib.sha256(b"good").digest())
    [outcome] = LocalEndpoint(str(tmp_path), Rules()).apply([Change(LOCAL, "a", None, new)], remote)
    assert outcome.problem is not None
    assert list(tmp_path.iterdir()) == []
    remote.close()


def test_words_from_the_container_cannot_steer_the_terminal() -> None:
    assert wire.shown("\x1b[2Jgone\n") == "?[2Jgone?"
    assert len(wire.shown("x" * 10_000)) == 300
