"""A small client of the agent's protocol, written from PROTOCOL.md alone, over a subprocess's pipes."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import threading
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HEAD = struct.Struct(">IBI")
RECORD = struct.Struct(">BBHHHQqqQ")
EXPECT = struct.Struct(">BQqqQ")
ABSENT = EXPECT.pack(0, 0, 0, 0, 0)
ANYHOW = EXPECT.pack(255, 0, 0, 0, 0)
HELLO, PING, CANCEL, SCAN, HASH, READ = 0x01, 0x02, 0x03, 0x10, 0x11, 0x12
WRITE, DATA, COMMIT, MKDIR, SYMLINK, REMOVE, CHMOD, WATCH = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x30
WELCOME, PONG, ENTRIES, BYTES, END, NOTE, RESCAN, ERROR = 0x81, 0x82, 0x90, 0x91, 0x92, 0x93, 0x94, 0x9F
MALFORMED, CHANGED, MISSING, DENIED, REFUSED, INPUT, UNSUPPORTED = 1, 2, 3, 4, 6, 7, 8
LIMIT, CANCELLED, NOT_EMPTY = 9, 10, 11
LAST = {WELCOME, PONG, END, ERROR}
SECONDS = 20


class Entry(NamedTuple):
    kind: str
    racy: bool
    mode: int
    size: int
    mtime: int
    ctime: int
    inode: int
    path: str
    extra: bytes

    @property
    def expect(self) -> bytes:
        return EXPECT.pack(ord(self.kind), self.size, self.mtime, self.ctime, self.inode)


class Refusal(Exception):
    def __init__(self, payload: bytes) -> None:
        (self.code,) = struct.unpack_from(">H", payload)
        path, rest = take_text(payload[2:])
        self.path = path.decode()
        text, left = take_text(rest)
        assert not left
        super().__init__(f"{self.code}: {text.decode()}: {self.path}")


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(raw)) + raw


def take_text(payload: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">H", payload)
    return payload[2 : 2 + length], payload[2 + length :]


def rules(*given: str) -> bytes:
    return struct.pack(">H", len(given)) + b"".join(map(text, given))


def entries(payload: bytes) -> list[Entry]:
    (count,) = struct.unpack_from(">I", payload)
    at, found = 4 + count * RECORD.size, []
    for one in RECORD.iter_unpack(payload[4:at]):
        kind, flags, mode, path, extra, size, mtime, ctime, inode = one
        name, at = payload[at : at + path], at + path
        more, at = payload[at : at + extra], at + extra
        letter = chr(kind) if kind else ""
        found.append(Entry(letter, bool(flags & 1), mode, size, mtime, ctime, inode, name.decode(), more))
    assert at == len(payload), "nothing follows the last text"
    return found


class Agent:
    """One running agent. `ask` sends; `answer` waits for the last frame of that request."""

    def __init__(self, program: Path, root: Path, *, hello: bytes = b"\0\1\0") -> None:
        argv = [str(program), "serve", str(root)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._frames: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._news = threading.Condition()
        self._ended = False
        self._next = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if hello:
            try:
                ((_, self.welcome),) = self.answer(self.ask(HELLO, hello))
            except BaseException:
                self.close()
                raise

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream
        while head := stream.read(HEAD.size):
            length, kind, number = HEAD.unpack(head)
            payload = stream.read(length - 5)
            with self._news:
                self._frames[number].append((kind, payload))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def send(self, raw: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(raw)
        self.process.stdin.flush()

    def frame(self, kind: int, payload: bytes = b"", number: int | None = None) -> tuple[int, bytes]:
        if number is None:
            self._next += 1
            number = self._next
        return number, HEAD.pack(len(payload) + 5, kind, number) + payload

    def ask(self, kind: int, payload: bytes = b"", number: int | None = None) -> int:
        number, raw = self.frame(kind, payload, number)
        self.send(raw)
        return number

    def wait(self, number: int, true) -> list[tuple[int, bytes]]:  # type: ignore[no-untyped-def]
        with self._news:
            done = self._news.wait_for(lambda: self._ended or true(self._frames[number]), SECONDS)
            came = bool(done and true(self._frames[number]))
            assert came, f"no such answer; so far {self._frames[number][:20]}"
            return self._frames[number]

    def answer(self, number: int) -> list[tuple[int, bytes]]:
        """All frames of a request; raises Refusal for an ERROR."""
        found = self.wait(number, lambda frames: frames and frames[-1][0] in LAST)
        with self._news:
            del self._frames[number]
        if found[-1][0] == ERROR:
            raise Refusal(found[-1][1])
        return found

    def call(self, kind: int, payload: bytes = b"") -> list[tuple[int, bytes]]:
        return self.answer(self.ask(kind, payload))

    def change(self, kind: int, payload: bytes) -> Entry:
        ((end, raw),) = self.call(kind, payload)
        assert end == END
        (entry,) = entries(raw)
        return entry

    def write(
        self, path: str, content: bytes, expect: bytes = ANYHOW, *, mode: int = 0o644, mtime: int | None = None
    ) -> Entry:
        flags = 0 if mtime is None else 2
        head = bytes([flags]) + text(path) + expect + struct.pack(">Hq", mode, mtime or 0)
        return self.change(WRITE, head + content)

    def scan(self, path: str = "", *left_out: str, digests: bool = False) -> list[Entry]:
        frames = self.call(SCAN, bytes([digests]) + text(path) + rules(*left_out))
        assert frames[-1] == (END, b"\0\0\0\0")
        return [entry for _, raw in frames[:-1] for entry in entries(raw)]

    def hash(self, *paths: str) -> list[Entry]:
        frames = self.call(HASH, struct.pack(">I", len(paths)) + b"".join(map(text, paths)))
        return [entry for _, raw in frames[:-1] for entry in entries(raw)]

    def read(self, path: str) -> tuple[bytes, Entry]:
        frames = self.call(READ, text(path))
        (entry,) = entries(frames[-1][1])
        return b"".join(raw for _, raw in frames[:-1]), entry

    def watch(self, path: str = "", *left_out: str) -> int:
        number = self.ask(WATCH, text(path) + rules(*left_out))
        self.wait(number, lambda frames: (NOTE, struct.pack(">H", 0) + text("") + text("watching")) in frames)
        return number

    def told(self, number: int, true) -> dict[str, Entry]:  # type: ignore[no-untyped-def]
        """Waits until what a WATCH has told, last state by path, is as wanted."""

        def latest(frames: list[tuple[int, bytes]]) -> dict[str, Entry]:
            return {one.path: one for kind, raw in frames if kind == ENTRIES for one in entries(raw)}

        return latest(self.wait(number, lambda frames: true(latest(frames))))

    def close(self) -> int:
        """Ends the agent as a lost connection does; its exit code."""
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        self.process.stdout.close()
        return code
