"""Streams of containers: the engine's framing by itself, then programs, logs, files and ports of real containers."""

from __future__ import annotations

import io
import itertools
import platform
import secrets
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

import kdev.agent
from kdev.core.ports import Connection, Process
from kdev.drivers.docker import dialing, streams
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.docker.logs_stream import LIMIT, lines_of, moment
from kdev.drivers.docker.wire import Frames
from kdev.errors import Cancelled, StepFailed, TargetError
from kdev.runner.cancel import Cancellation
from tests.drivers.engine_doors import Door, tls_door

# -- framing ----------------------------------------------------------------------------------------------------------


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


def arriving(data: bytes, cuts: list[int]) -> Callable[[int], bytes]:
    """A `read` that gives `data` in the parts that `cuts` make of it."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    parts = [data[a:b] for a, b in itertools.pairwise(places)]

    def read(size: int) -> bytes:
        if not parts:
            return b""
        part = parts.pop(0)
        if part[size:]:
            parts.insert(0, part[size:])
        return part[:size]

    return read


FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=12)
CUTS = st.lists(st.integers(0, 2000), max_size=30)


@given(FRAMES, CUTS, st.integers(1, 64))
def test_frames_come_out_whole_and_apart_however_the_bytes_arrive(
    sent: list[tuple[int, bytes]], cuts: list[int], size: int
) -> None:
    frames = Frames(arriving(b"".join(frame(*one) for one in sent), cuts))
    order = []
    while (found := frames.read(size))[0]:
        assert 0 < len(found[1]) <= size
        order.append(found)
    for kind in (1, 2):
        assert b"".join(data for k, data in order if k == kind) == b"".join(data for k, data in sent if k == kind)
    kinds = [kind for kind, data in sent for _ in data]
    assert [kind for kind, data in order for _ in data] == kinds


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(frame(1, b"abc")[:-1], "broke off", id="data breaks off"),
        pytest.param(frame(1, b"abc") + b"\1\0\0", "broke off", id="header breaks off"),
        pytest.param(frame(9, b"abc"), "kind 9", id="no such stream"),
        pytest.param(frame(3, b"disk is full"), "disk is full", id="the engine's own error"),
    ],
)
def test_a_broken_frame_is_an_error_and_not_an_end(data: bytes, words: str) -> None:
    frames = Frames(io.BytesIO(data).read)
    with pytest.raises(TargetError, match=words):
        list(iter(lambda: frames.read(100), (0, b"")))


def test_of_a_huge_frame_only_what_was_asked_for_is_read() -> None:
    asked: list[int] = []

    def read(size: int) -> bytes:
        asked.append(size)
        return struct.pack(">BxxxL", 1, 0xFFFFFFFF) if len(asked) == 1 else b"x" * size

    assert Frames(read).read(10) == (1, b"x" * 10)
    assert asked == [8, 10]


# -- log lines --------------------------------------------------------------------------------------------------------

T1, T2 = "2024-05-01T10:00:00.000000001Z", "2024-05-01T10:00:00.000000002Z"
LINES = st.lists(st.tuples(st.sampled_from([1, 2]), st.text("ab é\t", max_size=50)), max_size=10)


@given(LINES, CUTS)
def test_log_lines_are_equal_however_the_bytes_arrive(sent: list[tuple[int, str]], cuts: list[int]) -> None:
    data = b"".join(frame(kind, f"{T1} {text}\n".encode()) for kind, text in sent)
    found = [(2 if line.error else 1, line.text) for line in lines_of(arriving(data, cuts), tty=False)]
    assert found == sent


@given(st.lists(st.text("ab é\t", max_size=50), max_size=10), CUTS)
def test_a_terminals_log_lines_are_equal_however_the_bytes_arrive(sent: list[str], cuts: list[int]) -> None:
    data = b"".join(f"{T1} {text}\r\n".encode() for text in sent)
    assert [(line.time, line.text) for line in lines_of(arriving(data, cuts), tty=True)] == [(T1, t) for t in sent]


def test_pieces_of_a_long_line_are_one_line_with_the_first_ones_time() -> None:
    data = (
        frame(1, f"{T1} ".encode() + b"a" * 16384) + frame(2, f"{T2} between\n".encode())
        + frame(1, f"{T2} tail\n".encode())
    )
    first, second = lines_of(io.BytesIO(data).read, tty=False)
    assert (first.text, first.error) == ("between", True)
    assert (second.time, second.text) == (T1, "a" * 16384 + "tail")


def test_a_line_without_an_end_is_still_shown() -> None:
    (line,) = lines_of(io.BytesIO(frame(1, f"{T1} $ ".encode())).read, tty=False)
    assert line.text == "$ "


@pytest.mark.parametrize("tty", [False, True])
def test_a_line_of_many_megabytes_is_cut_and_the_next_one_is_whole(tty: bool) -> None:
    piece = f"{T1} ".encode() + b"x" * 16384
    pieces = [piece] * 200 + [f"{T1} end\n".encode(), f"{T2} next\n".encode()]
    data = b"".join(pieces if tty else [frame(1, one) for one in pieces])
    long, after = lines_of(io.BytesIO(data).read, tty=tty)
    assert long.text == "x" * LIMIT
    assert (after.time, after.text) == (T2, "next")


def test_what_is_no_utf8_is_replaced() -> None:
    (line,) = lines_of(io.BytesIO(frame(1, T1.encode() + b" a\xff\n")).read, tty=False)
    assert line.text == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.000000001Z", id="by a nanosecond"),
        pytest.param("2024-05-01T10:00:00.09Z", "2024-05-01T10:00:00.1Z", id="fractions of any length"),
        pytest.param("2024-05-01T11:59:59.9+02:00", "2024-05-01T10:00:00Z", id="another zone"),
    ],
)
def test_moments_are_ordered_as_time_is(earlier: str, later: str) -> None:
    assert moment(earlier) < moment(later)


@pytest.mark.parametrize("text", ["", "yesterday", "2024-05-01", "2024-05-01T10:00:00"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no RFC 3339 time"):
        moment(text)


# -- the real engine --------------------------------------------------------------------------------------------------

Run = Callable[..., str]


@pytest.fixture
def clients() -> Clients:
    return Clients(DockerSettings())


@pytest.fixture(params=["unix", "tcp", "tls"])
def anyhow(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """The same engine through each kind of door: its socket, a TCP port, TLS with a client's certificate."""
    # What a company's machines trust on the web is not what an engine is known by.
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "web.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "web.pem"))
    if request.param == "unix":
        yield Clients(DockerSettings())
        return
    secure = request.param == "tls"
    with tls_door(tmp_path) if secure else Door() as door:
        found = Clients(DockerSettings(host=door.host, tls_verify=secure, cert_path=str(tmp_path) if secure else ""))
        yield found
        found.api().close()


@pytest.fixture
def run(clients: Clients) -> Iterator[Run]:
    """`run("sh", "-c", …)` starts a container and returns its id; all are removed at the end."""
    made: list[str] = []
    api = clients.api()

    def start(*argv: str, tty: bool = False, stdin: bool = False) -> str:
        name = f"kdev-test-streams-{secrets.token_hex(4)}"
        container: str = api.create_container(
            "busybox:1.36", list(argv) or ["sleep", "600"], name=name, tty=tty, stdin_open=stdin,
            host_config=api.create_host_config(init=True),
        )["Id"]
        made.append(container)
        api.start(container)
        return container

    try:
        yield start
    finally:
        for container in made:
            api.remove_container(container, force=True, v=True)
        api.close()


def output_of(process: Process) -> dict[int, bytes]:
    found = {1: bytearray(), 2: bytearray()}
    while (part := process.read(65536))[0]:
        found[part[0]] += part[1]
    return {kind: bytes(data) for kind, data in found.items()}


def seconds_until_cancelled(cancel: Cancellation, blocked: Callable[[], object]) -> float:
    """How long `blocked` goes on after `cancel` was raised. It must end in Cancelled."""
    times: list[float] = []

    def later() -> None:
        times.append(time.monotonic())
        cancel.trigger()

    timer = threading.Timer(0.2, later)
    timer.start()
    with pytest.raises(Cancelled):
        blocked()
    timer.join()
    return time.monotonic() - times[0]


@pytest.mark.docker
def test_a_program_has_two_outputs_and_an_exit_code(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(
        anyhow, run(), ("sh", "-c", "pwd; echo wrong >&2; exit 7"), workdir="/tmp", cancel=Cancellation()
    )
    assert output_of(process) == {1: b"/tmp\n", 2: b"wrong\n"}
    assert process.exit_code() == 7
    process.close()


@pytest.mark.docker
def test_a_program_sees_the_end_of_its_input_and_still_answers(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(anyhow, run(), ("sh", "-c", "cat; echo done"), cancel=Cancellation())
    process.write(b"one\n")
    assert process.read(100) == (1, b"one\n")
    process.write(b"two\n")
    process.close_stdin()
    assert output_of(process)[1] == b"two\ndone\n"
    assert process.exit_code() == 0
    process.close()


@pytest.mark.docker
def test_sixteen_mebibytes_go_in_and_come_out_unchanged(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(anyhow, run(), ("cat",), cancel=Cancellation())
    data = secrets.token_bytes(1 << 20)

    def feed() -> None:
        for _ in range(16):
            process.write(data)
        process.close_stdin()

    feeding = threading.Thread(target=feed)
    feeding.start()
    assert output_of(process) == {1: data * 16, 2: b""}
    feeding.join()
    assert process.exit_code() == 0
    process.close()


@pytest.mark.docker
def test_a_program_with_a_terminal_learns_its_size(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(
        anyhow, run(), ("sh", "-c", "read go; stty size; echo wrong >&2; exit 3"), tty=True, cancel=Cancellation()
    )
    process.resize(101, 31)
    process.write(b"go\n")
    assert output_of(process) == {1: b"go\r\n31 101\r\nwrong\r\n", 2: b""}
    assert process.exit_code() == 3
    process.close()


@pytest.mark.docker
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("program", "words"), [("no-such-program", "no-such-program"), ("/etc/passwd", "permission denied")]
)
def test_what_cannot_be_run_fails_with_the_engines_words(
    clients: Clients, run: Run, program: str, words: str, tty: bool
) -> None:
    with pytest.raises(StepFailed, match=words) as caught:
        streams.exec_process(clients, run(), (program,), tty=tty, cancel=Cancellation())
    assert caught.value.exit_code in (126, 127)


@pytest.mark.docker
def test_a_program_may_itself_end_with_127(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(anyhow, run(), ("sh", "-c", "exit 127"), cancel=Cancellation())
    assert output_of(process) == {1: b"", 2: b""}
    assert process.exit_code() == 127
    process.close()


@pytest.mark.docker
def test_a_container_that_is_not_there_is_a_failure(clients: Clients) -> None:
    with pytest.raises(StepFailed, match="No such container"):
        streams.exec_process(clients, "kdev-test-none", ("true",), cancel=Cancellation())


@pytest.mark.docker
@pytest.mark.parametrize("call", ["read", "exit_code", "write"])
def test_cancelling_unblocks_within_a_second(anyhow: Clients, run: Run, call: str) -> None:
    cancel = Cancellation()
    process = streams.exec_process(anyhow, run(), ("sleep", "60"), cancel=cancel)

    def flood() -> None:
        while True:
            process.write(b"x" * 65536)

    calls: dict[str, Callable[[], object]] = {
        "read": lambda: process.read(100), "exit_code": process.exit_code, "write": flood,
    }
    assert seconds_until_cancelled(cancel, calls[call]) < 1
    process.close()


@pytest.mark.docker
def test_closing_from_another_thread_ends_the_output(anyhow: Clients, run: Run) -> None:
    process = streams.exec_process(anyhow, run(), ("sleep", "60"), cancel=Cancellation())
    timer = threading.Timer(0.2, process.close)
    timer.start()
    assert process.read(100) == (0, b"")
    with pytest.raises(TargetError, match="closed"):
        process.write(b"x")
    timer.join()


@pytest.mark.docker
def test_attached_is_the_main_process_with_its_exit_code(anyhow: Clients, run: Run) -> None:
    container = run("sh", "-c", "read go; echo got $go; echo wrong >&2; exit 5", stdin=True)
    process = streams.attach_process(anyhow, container, cancel=Cancellation())
    process.write(b"it\n")
    assert output_of(process) == {1: b"got it\n", 2: b"wrong\n"}
    assert process.exit_code() == 5
    process.close()
    with pytest.raises(StepFailed, match="not running"):
        streams.attach_process(anyhow, container, cancel=Cancellation())


@pytest.mark.docker
def test_attached_with_a_terminal(clients: Clients, run: Run) -> None:
    process = streams.attach_process(
        clients, run("sh", "-c", "read go; stty size", stdin=True, tty=True), cancel=Cancellation()
    )
    process.resize(90, 20)
    process.write(b"go\n")
    assert output_of(process)[1].endswith(b"20 90\r\n")
    assert process.exit_code() == 0
    process.close()


@pytest.mark.docker
@pytest.mark.parametrize("tty", [False, True])
def test_a_log_is_read_whole_with_long_lines(clients: Clients, run: Run, tty: bool) -> None:
    container = run("sh", "-c", "echo first; head -c 50000 /dev/zero | tr '\\0' x; echo; echo last", tty=tty)
    lines = list(streams.read_logs(clients, container, follow=True, cancel=Cancellation()))
    assert [line.text for line in lines] == ["first", "x" * 50000, "last"]
    assert [moment(line.time) for line in lines] == sorted(moment(line.time) for line in lines)
    last = list(streams.read_logs(clients, container, last=1, cancel=Cancellation()))
    assert last == lines[-1:]
    assert list(streams.read_logs(clients, container, last=0, cancel=Cancellation())) == []


@pytest.mark.docker
def test_a_log_goes_on_after_a_restart_without_gap_or_double_line(clients: Clients, run: Run) -> None:
    container = run("sh", "-c", "for i in 1 2 3; do echo $i; echo e$i >&2; done")
    first = list(streams.read_logs(clients, container, follow=True, cancel=Cancellation()))
    assert sorted(line.text for line in first if line.error) == ["e1", "e2", "e3"]
    seen = max(first, key=lambda line: moment(line.time)).time
    assert list(streams.read_logs(clients, container, since=seen, cancel=Cancellation())) == []
    for index, line in enumerate(sorted(first, key=lambda line: moment(line.time))):
        rest = list(streams.read_logs(clients, container, since=line.time, cancel=Cancellation()))
        assert len(rest) == len(first) - index - 1
    clients.api().restart(container)
    again = list(streams.read_logs(clients, container, since=seen, follow=True, cancel=Cancellation()))
    assert [line.text for line in again if not line.error] == ["1", "2", "3"]


@pytest.mark.docker
def test_following_a_silent_log_is_cancelled_within_a_second(anyhow: Clients, run: Run) -> None:
    cancel = Cancellation()
    lines = streams.read_logs(anyhow, run("sh", "-c", "echo up; sleep 60"), follow=True, cancel=cancel)
    assert next(iter(lines)).text == "up"
    assert seconds_until_cancelled(cancel, lambda: next(iter(lines))) < 1


@pytest.mark.docker
def test_the_log_of_a_container_that_is_gone_is_a_failure(clients: Clients) -> None:
    with pytest.raises(StepFailed, match="No such container"):
        list(streams.read_logs(clients, "kdev-test-none", cancel=Cancellation()))


def tar_of(name: str, data: bytes, mode: int = 0o644) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), mode
        tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.docker
def test_files_are_put_into_a_folder_that_is_there(anyhow: Clients, run: Run) -> None:
    container, cancel = run(), Cancellation()
    streams.put_files(anyhow, container, "/tmp", tar_of("hello", b"hi\n", 0o755), cancel)
    process = streams.exec_process(
        anyhow, container, ("sh", "-c", "cat /tmp/hello; test -x /tmp/hello"), cancel=cancel
    )
    assert output_of(process)[1] == b"hi\n"
    assert process.exit_code() == 0
    process.close()
    with pytest.raises(StepFailed, match="cannot put files into /nowhere"):
        streams.put_files(anyhow, container, "/nowhere", tar_of("hello", b"hi\n"), cancel)


# -- ports ------------------------------------------------------------------------------------------------------------


def address_of(clients: Clients, container: str) -> str:
    address: str = clients.api().inspect_container(container)["NetworkSettings"]["IPAddress"]
    return address


def eventually(dial: Callable[[], Connection]) -> Connection:
    deadline = time.monotonic() + 10
    while True:
        try:
            return dial()
        except StepFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def put_agent(clients: Clients, container: str) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    agent = Path(kdev.agent.__file__).parent / "bin" / f"kdev-agent-linux-{machine}"
    if not agent.exists():
        pytest.skip("the agent is not built")
    streams.put_files(clients, container, "/", tar_of("kdev-agent", agent.read_bytes(), 0o755), Cancellation())


def talk(connection: Connection, question: bytes = b"question") -> bytes:
    """What comes back for a question whose end is told by a half-close."""
    connection.send(question)
    connection.finish()
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
    connection.close()
    return answer


ECHO = ("sh", "-c", """while :; do nc -l -p 8080 -e sh -c "cat; echo ' answered'"; done""")


@pytest.mark.docker
def test_a_port_is_dialled_at_the_containers_address(clients: Clients, run: Run) -> None:
    container = run(*ECHO)
    address = address_of(clients, container)
    connection = eventually(lambda: streams.dial(clients, container, address, 8080, Cancellation()))
    assert isinstance(connection, dialing.SocketConnection)
    assert talk(connection) == b"question answered\n"


@pytest.mark.docker
@pytest.mark.parametrize("address", ["", "127.0.0.1", "0.0.0.0", "localhost", "::1"])
def test_an_address_that_is_no_containers_own_is_never_dialled(clients: Clients, run: Run, address: str) -> None:
    container = run(*ECHO)
    put_agent(clients, container)
    connection = eventually(lambda: streams.dial(clients, container, address, 8080, Cancellation()))
    assert isinstance(connection, dialing.ProcessConnection)
    assert talk(connection) == b"question answered\n"


@pytest.mark.docker
def test_a_port_on_the_pods_loopback_is_reached_through_the_agent(clients: Clients, run: Run) -> None:
    container = run("httpd", "-f", "-p", "127.0.0.1:8080")
    put_agent(clients, container)
    address = address_of(clients, container)
    connection = eventually(lambda: streams.dial(clients, container, address, 8080, Cancellation()))
    assert talk(connection, b"GET /none HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")


@pytest.mark.docker
@pytest.mark.parametrize("agent", [False, True])
def test_a_port_where_nothing_listens_says_so(clients: Clients, run: Run, agent: bool) -> None:
    container = run()
    if agent:
        put_agent(clients, container)
    with pytest.raises(StepFailed, match="nothing listens on port 8080") as caught:
        streams.dial(clients, container, address_of(clients, container), 8080, Cancellation())
    assert caught.value.exit_code == 1


@pytest.mark.docker
@pytest.mark.parametrize("address", ["own", ""])
def test_receiving_is_cancelled_within_a_second(clients: Clients, run: Run, address: str) -> None:
    container, cancel = run(*ECHO), Cancellation()
    put_agent(clients, container)
    own = address and address_of(clients, container)
    connection = eventually(lambda: streams.dial(clients, container, own, 8080, cancel))
    assert seconds_until_cancelled(cancel, lambda: connection.recv(100)) < 1
    connection.close()


