"""A Target in memory, as far as services need it: pods that come and go, ports on loopback, logs, programs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kdev.core.ports import Cancellation
from kdev.core.workloads import Container, LogLine, Pod
from kdev.errors import Cancelled, TargetError
from tests.fakes.job import FakeJob


def container(name: str = "web", **fields: Any) -> Container:
    return Container(name, fields.pop("image", "web:1"), **fields)


def pod(name: str, *containers: Container, created: str = "2026-01-01T00:00:00Z", **fields: Any) -> Pod:
    labels = fields.pop("labels", (("app", "web"),))
    return Pod("dev", name, f"uid-{name}", fields.pop("phase", "Running"), created, labels,
               containers or (container(),), **fields)


class SocketConnection:
    """Meets core.ports.Connection over a socket."""

    def __init__(self, connected: socket.socket, closed: Callable[[], None]) -> None:
        self._socket = connected
        self._closed = closed
        self._open = True

    def recv(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except OSError as error:
            raise TargetError("the connection broke") from error

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise TargetError("the connection broke") from error

    def finish(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._open:
            self._open = False
            self._closed()


class Stream:
    """The log of one container: what it wrote, and whether it runs."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.more = threading.Condition()
        self.ended = False
        self.readers = 0

    def say(self, time: str, text: str, *, error: bool = False) -> None:
        with self.more:
            self.lines.append(LogLine(time, text, error))
            self.more.notify_all()

    def end(self) -> None:
        with self.more:
            self.ended = True
            self.more.notify_all()


class LoopbackTarget:
    """Meets the part of core.ports.Target that services use. `change` swaps the pods and tells whoever watches."""

    name = "fake"

    def __init__(self, *pods: Pod) -> None:
        self._pods = pods
        self._changed = threading.Condition()
        self._changes = 0
        self.ports: dict[tuple[str, int], int] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.programs: list[Any] = []
        self.execs: list[tuple[str, str, tuple[str, ...], bool, str]] = []
        self.open_connections = 0
        self.dialled = 0
        self.refusals = 0
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self._count = threading.Lock()

    def change(self, *pods: Pod) -> None:
        with self._changed:
            self._pods = pods
            self._changes += 1
            self._changed.notify_all()

    def pods(self, namespace: str, labels: Mapping[str, str], image: str = "") -> tuple[Pod, ...]:
        self.asked.append((namespace, dict(labels), image))
        found = [pod for pod in self._pods if set(labels.items()) <= set(pod.labels)]
        if image:
            found = [pod for pod in found if any(item.image == image for item in pod.containers)]
        return tuple(sorted(found, key=lambda pod: pod.created, reverse=True))

    def watch(self, namespace: str, cancel: Cancellation) -> Iterator[None]:
        seen = self._changes
        with cancel.closing(self._wake):
            while True:
                with self._changed:
                    self._changed.wait_for(lambda seen=seen: self._changes != seen or cancel.triggered)
                    seen = self._changes
                cancel.check()
                yield

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def dial(self, pod: Pod, port: int, cancel: Cancellation) -> SocketConnection:
        cancel.check()
        local = self.ports.get((pod.uid, port))
        if local is None or pod not in self._pods:
            raise TargetError(f"nothing listens on {pod.name}:{port}")
        connected = socket.create_connection(("127.0.0.1", local))
        with self._count:
            self.open_connections += 1
            self.dialled += 1
        return SocketConnection(connected, self._closed)

    def _closed(self) -> None:
        with self._count:
            self.open_connections -= 1

    def stream(self, pod: Pod, container: str = "web") -> Stream:
        return self.streams.setdefault((pod.uid, container), Stream())

    def logs(
        self, pod: Pod, container: str, *, last: int | None = None, since: str = "", follow: bool = False,
        cancel: Cancellation,
    ) -> Iterator[LogLine]:
        stream = self.stream(pod, container)
        if self.refusals:
            self.refusals -= 1
            raise TargetError("the engine is busy")
        with stream.more:
            stream.ended = False if follow else stream.ended
            start = len(stream.lines) if last == 0 else -last if last else 0
            pending = [line for line in stream.lines[start:] if line.time > since]
            at = len(stream.lines)
            stream.readers += 1
            stream.more.notify_all()

        def wake() -> None:
            with stream.more:
                stream.more.notify_all()

        try:
            with cancel.closing(wake):
                while True:
                    yield from pending
                    with stream.more:
                        if follow:
                            stream.more.wait_for(
                                lambda at=at: len(stream.lines) > at or stream.ended or cancel.triggered
                            )
                        pending, at = stream.lines[at:], len(stream.lines)
                    if not pending:
                        cancel.check()
                        return
        finally:
            stream.readers -= 1

    def exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, tty: bool = False, workdir: str = "",
        cancel: Cancellation,
    ) -> Any:
        self.execs.append((pod.name, container, tuple(argv), tty, workdir))
        return self.programs.pop(0)

    def attach(self, pod: Pod, container: str, *, cancel: Cancellation) -> Any:
        return self.programs.pop(0)


class Running:
    """A driver at work on a thread of its own; stopped at the end of the `with`, and what it raised is kept."""

    def __init__(self, driver: Any, action: Any, job: FakeJob) -> None:
        self.job = job
        self.error: BaseException | None = None
        self.result: Any = None
        self._thread = threading.Thread(target=self._run, args=(driver, action), daemon=True)

    def _run(self, driver: Any, action: Any) -> None:
        try:
            self.result = driver.run(action, self.job)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.error = error
        self.job.served.set()

    def __enter__(self) -> Running:
        self._thread.start()
        assert self.job.served.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.job.cancel.trigger()
        self._thread.join(2)
        assert not self._thread.is_alive(), "the driver did not stop"

    def ended(self) -> Any:
        """Wait for it to end by itself; its result, or its error raised."""
        self._thread.join(5)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        return self.result

    def was_cancelled(self) -> bool:
        return isinstance(self.error, Cancelled)


def eventually(true: Callable[[], bool], deadline: float = 5.0) -> None:
    """Poll until `true`; fails after `deadline` seconds."""
    pause = threading.Event()
    for _ in range(int(deadline / 0.01)):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come true in time")
