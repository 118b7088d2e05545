"""Programs on this machine, and hooks over them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from kdev.core.actions import Hook
from kdev.drivers import process
from kdev.drivers.hook import HookDriver
from kdev.errors import Cancelled, StepFailed
from tests.drivers.loopback import eventually
from tests.fakes.job import FakeJob

ENV = {"PATH": os.environ["PATH"]}


def sh(script: str, job: FakeJob | None = None, cwd: str = "/") -> tuple[process.Ended, list[tuple[str, bool]]]:
    lines: list[tuple[str, bool]] = []
    cancel = (job or FakeJob()).cancel
    ended = process.run(("sh", "-c", script), cancel, lambda text, error: lines.append((text, error)), cwd=cwd, env=ENV)
    return ended, lines


def test_lines_of_both_streams_and_the_exit_code() -> None:
    ended, lines = sh("echo one; echo two >&2; printf 'three\\r\\nno newline'; exit 3")
    assert ended.code == 3
    assert sorted(lines) == [("no newline", False), ("one", False), ("three", False), ("two", True)]
    assert sorted(ended.tail) == ["no newline", "one", "three", "two"]
    assert ended.how() == "ended with exit code 3"


def test_a_program_that_a_signal_ended() -> None:
    ended, _ = sh("kill -KILL $$")
    assert (ended.code, ended.how()) == (-signal.SIGKILL, "was ended by SIGKILL")


def test_there_is_no_input() -> None:
    assert sh("cat; echo end")[1] == [("end", False)]


def test_much_output_takes_little_memory_and_time() -> None:
    lines = 0

    def take(text: str, error: bool) -> None:
        nonlocal lines
        lines += 1

    code = "import sys; sys.stdout.write(('x' * 99 + '\\n') * 200000)"
    ended = process.run((sys.executable, "-c", code), FakeJob().cancel, take, cwd="/", env=ENV)
    assert (ended.code, lines, len(ended.tail)) == (0, 200000, 20)


def test_a_line_without_end_is_cut_into_pieces() -> None:
    _, lines = sh("head -c 100000 /dev/zero | tr '\\0' x")
    assert sum(len(text) for text, _ in lines) == 100000
    assert max(len(text) for text, _ in lines) <= 16384


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert sh("printf '\\377\\n'")[1] == [("\ufffd", False)]


def test_a_program_left_behind_is_not_waited_for() -> None:
    ended, lines = sh("sleep 30 & echo $!")
    assert ended.code == 0
    os.kill(int(lines[0][0]), signal.SIGKILL)


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "], ids=["ends when asked", "must be made to"])
def test_cancelling_ends_the_whole_group(stubborn: str, tmp_path: Path) -> None:
    job = FakeJob()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            sh(f"{stubborn}(sleep 50; true) & echo $! > child; echo $$ > self; while :; do sleep 50; done", job,
               str(tmp_path))
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    eventually(lambda: (tmp_path / "self").exists() and (tmp_path / "self").read_text().strip() != "")
    pids = [int((tmp_path / name).read_text()) for name in ("child", "self")]
    job.cancel.trigger()
    thread.join(3)
    assert raised
    for pid in pids:
        eventually(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent does not look after it is as dead as can be.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_a_program_on_the_terminal_gives_its_code_as_a_shell_would() -> None:
    cancel = FakeJob().cancel
    assert process.run_on_terminal(("sh", "-c", "exit 4"), cancel, cwd="/", env=ENV) == 4
    assert process.run_on_terminal(("sh", "-c", "kill -INT $$"), cancel, cwd="/", env=ENV) == 130


def test_a_program_on_the_terminal_is_ended_on_cancel() -> None:
    job = FakeJob()
    threading.Timer(0.1, job.cancel.trigger).start()
    with pytest.raises(Cancelled):
        process.run_on_terminal(("sleep", "50"), job.cancel, cwd="/", env=ENV)


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (("no-such-program",), "/", "there is no such program"),
        (("/etc/passwd",), "/", "it may not be executed"),
        (("true",), "/no/such/folder", "there is no folder /no/such/folder"),
        (("true", "a\0b"), "/", "cannot be started"),
    ],
)
def test_a_program_that_cannot_be_started(argv: tuple[str, ...], cwd: str, message: str) -> None:
    with pytest.raises(StepFailed, match=message):
        process.run(argv, FakeJob().cancel, lambda text, error: None, cwd=cwd, env=ENV)


def test_a_hook_runs_in_its_folder_with_its_variables_and_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    driver = HookDriver(str(tmp_path), {**ENV, "STAGE": "old"})
    job = FakeJob()
    action = Hook("sh", ("-c", 'pwd; echo "$STAGE" "$0"', "$HOME; rm *"), "db", (("STAGE", "new"),))
    first, again = driver.run(action, job), driver.run(action, job)
    assert first == again
    assert [text for text, _, _ in job.outputs][:2] == [str(tmp_path / "db"), "new $HOME; rm *"]
    assert driver.verify(action, first) == ()


def test_a_hook_of_the_project_is_found_from_its_folder(tmp_path: Path) -> None:
    script = tmp_path / "hook.sh"
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o755)
    job = FakeJob()
    HookDriver(str(tmp_path), ENV).run(Hook("./hook.sh"), job)
    assert job.outputs == [("ran", "", False)]


def test_a_failing_hook_shows_its_last_lines(tmp_path: Path) -> None:
    driver = HookDriver(str(tmp_path), ENV)
    with pytest.raises(StepFailed) as failure:
        driver.run(Hook("sh", ("-c", "for n in $(seq 30); do echo $n; done; exit 3")), FakeJob())
    assert failure.value.message.endswith("ended with exit code 3")
    assert failure.value.detail.split("\n") == [str(number) for number in range(11, 31)]
