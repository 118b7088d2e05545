"""Programs in containers: exec and attach as core.ports.Process. Knows streams and exit codes, not pods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from kdev.core.ports import Cancellation, Process
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.errors import limited, translated
from kdev.drivers.docker.wire import Frames, Wire, hijack
from kdev.errors import Cancelled, StepFailed, TargetError

_NO_DETACHING = "ctrl-@,ctrl-_,ctrl-@,ctrl-_"
"""The engine swallows its detach keys (Ctrl-P at first). An exec has nothing to detach to, and a shell wants Ctrl-P."""

_CANNOT_RUN = (126, 127)
_SOON, _LATER = 0.005, 0.25


class StreamProcess:
    """Meets core.ports.Process over a hijacked stream. `end` waits for the exit code, `size` sets the terminal's."""

    def __init__(
        self, wire: Wire, cancel: Cancellation, *, tty: bool,
        end: Callable[[StreamProcess], int], size: Callable[[int, int], None],
    ) -> None:
        self._wire = wire
        self.cancel = cancel
        self._frames = None if tty else Frames(wire.read)
        self._end = end
        self._size = size
        self._code: int | None = None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._wire.closed

    def read(self, size: int) -> tuple[int, bytes]:
        """(1 or 2, data), (0, b"") at the end of output. Raises Cancelled, and TargetError when the engine is gone."""
        try:
            with self.cancel.closing(self.close):
                if self._frames:
                    found = self._frames.read(size)
                else:
                    data = self._wire.read(size)
                    found = (1, data) if data else (0, b"")
        except TargetError:
            self.cancel.check()
            if not self.closed:
                raise
            return 0, b""
        if not found[0]:
            self.cancel.check()
        return found

    def write(self, data: bytes) -> None:
        """All of `data`, blocking while the program is slow. TargetError when it takes no more."""
        try:
            with self.cancel.closing(self.close):
                self._wire.write(data)
        finally:
            self.cancel.check()

    def close_stdin(self) -> None:
        """The program sees the end of its input."""
        self._wire.finish()

    def resize(self, columns: int, rows: int) -> None:
        """Of the program's terminal. A program that has just ended has none: no error."""
        with suppress(StepFailed):
            self._size(columns, rows)

    def exit_code(self) -> int:
        """Waits for the end. StepFailed when that cannot be known: the stream was closed, the container is gone."""
        if self._code is None:
            self._code = self._end(self)
        return self._code

    def close(self) -> None:
        """Cut the stream. Safe from any thread; blocked calls return."""
        self._wire.close()


def exec_process(
    clients: Clients, container_id: str, argv: Sequence[str], *, tty: bool = False, workdir: str = "",
    cancel: Cancellation,
) -> Process:
    """Start `argv` in a running container. When it cannot be run, StepFailed with exit code 126 or 127."""
    api = clients.api()
    with translated(api.base_url):
        exec_id: str = api.exec_create(
            container_id, list(argv), stdin=True, tty=tty, workdir=workdir or None, detach_keys=_NO_DETACHING,
        )["Id"]

    def resized(columns: int, rows: int) -> None:
        api = clients.api()
        with translated(api.base_url):
            api.exec_resize(exec_id, height=rows, width=columns)

    wire = hijack(clients, f"/exec/{exec_id}/start", cancel, json={"Tty": tty, "Detach": False})
    process = StreamProcess(
        wire, cancel, tty=tty, end=lambda process: _exec_ended(clients, exec_id, process), size=resized,
    )
    try:
        _exec_started(clients, (exec_id, container_id), process, argv)
    except BaseException:
        process.close()
        raise
    return process


def _inspected(clients: Clients, exec_id: str) -> dict[str, Any]:
    api = clients.api()
    with translated(api.base_url):
        found: dict[str, Any] = api.exec_inspect(exec_id)
    return found


def _exec_started(clients: Clients, ids: tuple[str, str], process: StreamProcess, argv: Sequence[str]) -> None:
    # The engine switches to the stream before it tries to start the program, and then tells a failure as output.
    pause, (exec_id, container_id) = _SOON, ids
    while not (state := _inspected(clients, exec_id)).get("Pid"):
        code = state.get("ExitCode")
        if code is not None and not state.get("Running"):
            if code in _CANNOT_RUN:
                raise _cannot_run(process, argv, code)
            return  # it ended before the engine had noted its number
        # Of a container that ends just now, the engine keeps the program as one that will start some day.
        if pause >= _LATER and not _is_running(clients, container_id):
            raise StepFailed(f"cannot run {argv[0]!r}: the container ended")
        if process.cancel.wait(pause):
            raise Cancelled
        pause = min(pause * 2, _LATER)


def _is_running(clients: Clients, container_id: str) -> bool:
    api = clients.api()
    with translated(api.base_url):
        return bool(api.inspect_container(container_id)["State"]["Running"])


def _cannot_run(process: StreamProcess, argv: Sequence[str], code: int) -> StepFailed:
    words = b""
    with suppress(TargetError):
        while len(words) < 4096 and (data := process.read(4096)[1]):
            words += data
    error = StepFailed(f"cannot run {argv[0]!r} in the container: {limited(words.decode(errors='replace'))}")
    error.exit_code = code
    return error


def _exec_ended(clients: Clients, exec_id: str, process: StreamProcess) -> int:
    pause = _SOON
    while True:
        process.cancel.check()
        state = _inspected(clients, exec_id)
        code = state.get("ExitCode")
        if not state.get("Running") and code is not None:
            return int(code)
        if process.closed:
            raise StepFailed("the stream to the program was closed before it ended")
        if process.cancel.wait(pause):
            raise Cancelled
        pause = min(pause * 1.5, _LATER)


def attach_process(clients: Clients, container_id: str, *, cancel: Cancellation) -> Process:
    """The main process's stdin and outputs, from now on. StepFailed when the container is not running."""
    api = clients.api()
    with translated(api.base_url):
        found = api.inspect_container(container_id)
    if not found["State"]["Running"]:
        raise StepFailed(f"the container {found['Name'].lstrip('/')} is not running")

    def resized(columns: int, rows: int) -> None:
        api = clients.api()
        with translated(api.base_url):
            api.resize(container_id, height=rows, width=columns)

    started = found["State"]["StartedAt"]
    wire = hijack(
        clients, f"/containers/{quote(container_id, safe='')}/attach", cancel,
        params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1},
    )
    return StreamProcess(
        wire, cancel, tty=bool(found["Config"]["Tty"]),
        end=lambda process: _container_ended(clients, container_id, process, started), size=resized,
    )


def _container_ended(clients: Clients, container_id: str, process: StreamProcess, started: str) -> int:
    pause = _SOON
    while True:
        process.cancel.check()
        api = clients.api()
        with translated(api.base_url):
            state = api.inspect_container(container_id)["State"]
        if not state["Running"] or state.get("Restarting"):
            return int(state["ExitCode"])
        if state["StartedAt"] != started:
            raise StepFailed("the container ended and was started again; its exit code is not known any more")
        if process.closed:
            raise StepFailed("the stream to the container was closed before it ended")
        if process.cancel.wait(pause):
            raise Cancelled
        pause = min(pause * 1.5, _LATER)
