"""The side behind the real agent, run as a local process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdev.sync.endpoint import SideBroken
from kdev.sync.entry import LOCAL, REMOTE
from kdev.sync.keeper import Keeper
from kdev.sync.local import LocalEndpoint
from kdev.sync.memory import Memory
from kdev.sync.remote import RemoteEndpoint, left_out
from kdev.sync.rules import Rules
from kdev.sync.session import Ends, Session
from kdev.sync.tree import Tree
from tests.sync.agent import AgentProcess, program
from tests.sync.rig import Told, content

DEADLINE = 20.0


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> str:
    return program(tmp_path_factory.mktemp("agent"))


class Live:
    """A session between `here` and the agent's folder `there`, running on a thread."""

    def __init__(self, command: str, root: Path, rules: Rules) -> None:
        self.here, self.there, self.state = root / "here", root / "there", root / "state"
        self.here.mkdir(exist_ok=True)
        self.command, self.rules = command, rules
        self.told = Told()
        self.error: SideBroken | None = None

    def start(self) -> None:
        self.stream = AgentProcess(self.command, self.there)
        memory = Memory(str(self.state / "base"))
        known = [Tree((path, half) for path, pair in memory.base.items() if (half := pair.on(side)) is not None)
                 for side in (LOCAL, REMOTE)]
        broken = threading.Event()
        remote = RemoteEndpoint(self.stream, self.rules, known=known[1], on_broken=broken.set)
        local = LocalEndpoint(str(self.here), self.rules, known=known[0])
        keeper = Keeper(str(self.state / "conflicts"))
        self.session = Session(Ends(local, remote), self.rules, memory, keeper, self.told)
        watched = threading.Event()

        def changed(paths: set[str]) -> None:
            watched.set()
            self.session.tell(REMOTE, paths)

        remote.watch(changed, self.notes.append)
        assert watched.wait(DEADLINE)
        self.session.first()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        threading.Thread(target=lambda: (broken.wait(), self.session.broken("cut")), daemon=True).start()

    notes: list[str] = []  # noqa: RUF012 - words of the agent, only read when a test fails

    def _run(self) -> None:
        try:
            self.session.live()
        except SideBroken as error:
            self.error = error

    def stop(self) -> None:
        self.session.stop()
        self.thread.join()
        self.session.close()
        self.stream.end()


@pytest.fixture
def live(command: str, tmp_path: Path) -> Iterator[Live]:
    found = Live(command, tmp_path, Rules(both=["node_modules/", "*.log"]))
    (found.here / "src").mkdir(parents=True)
    (found.here / "src/a.py").write_text("one")
    (found.here / "node_modules").mkdir()
    (found.here / "node_modules/x.js").write_text("not to be sent")
    found.start()
    yield found
    found.stop()


def test_a_folder_that_is_not_there_is_made_and_filled(live: Live) -> None:
    assert content(live.there) == {"src": "/", "src/a.py": "one"}


def test_mode_and_mtime_are_kept(live: Live) -> None:
    tool = live.here / "tool"
    tool.write_text("#!")
    tool.chmod(0o755)
    os.utime(tool, ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
    live.session.tell(LOCAL, ["tool"])
    until((live.there / "tool").exists)
    info = (live.there / "tool").stat()
    assert (info.st_mode & 0o777, info.st_mtime_ns) == (0o755, 1_234_567_890_123_456_789)


def test_an_edit_in_the_container_arrives_by_itself(live: Live) -> None:
    (live.there / "src/made.txt").write_text("in the container")
    until(lambda: content(live.here).get("src/made.txt") == "in the container")
    (live.there / "src/made.txt").unlink()
    until(lambda: "src/made.txt" not in content(live.here))


def test_links_big_files_and_new_folders_go_both_ways(live: Live) -> None:
    (live.here / "deep/er").mkdir(parents=True)
    (live.here / "deep/er/link").symlink_to("../big")
    (live.here / "deep/big").write_bytes(b"0123456789abcdef" * 200_000)
    live.session.tell(LOCAL, ["deep"])
    until(lambda: content(live.there).get("deep/big") == "0123456789abcdef" * 200_000)
    until(lambda: content(live.there).get("deep/er/link") == "-> ../big")
    (live.there / "back").mkdir()
    (live.there / "back/big").write_bytes(b"fedcba9876543210" * 200_000)
    until(lambda: content(live.here).get("back/big") == "fedcba9876543210" * 200_000)


def test_excluded_files_of_the_container_stay_there(live: Live) -> None:
    (live.there / "node_modules").mkdir()
    (live.there / "node_modules/y.js").write_text("theirs")
    (live.there / "x.log").write_text("theirs")
    (live.there / "after").write_text("seen")
    until((live.here / "after").exists)
    assert sorted(content(live.here)) == ["after", "node_modules", "node_modules/x.js", "src", "src/a.py"]


def test_a_file_that_becomes_a_folder_and_back(live: Live) -> None:
    (live.here / "src/a.py").unlink()
    (live.here / "src/a.py").mkdir()
    (live.here / "src/a.py/in").write_text("x")
    live.session.tell(LOCAL, ["src/a.py"])
    until(lambda: content(live.there).get("src/a.py/in") == "x")
    (live.here / "src/a.py/in").unlink()
    (live.here / "src/a.py").rmdir()
    (live.here / "src/a.py").write_text("file")
    live.session.tell(LOCAL, ["src"])
    until(lambda: content(live.there).get("src/a.py") == "file")


def test_a_cut_is_told_and_another_session_converges(live: Live) -> None:
    live.stream.process.kill()
    live.thread.join(DEADLINE)
    assert live.error is not None
    (live.here / "src/a.py").unlink()
    (live.here / "src/b.py").write_text("while away")
    (live.there / "c.txt").write_text("there, while away")
    live.session.close()
    live.stream.end()
    live.start()
    assert content(live.there) == {"src": "/", "src/b.py": "while away", "c.txt": "there, while away"}
    assert content(live.here).get("c.txt") == "there, while away"


def test_nothing_is_sent_again_that_is_known(live: Live) -> None:
    (live.here / "big").write_bytes(os.urandom(1_000_000))
    live.session.tell(LOCAL, ["big"])
    until((live.there / "big").exists)
    live.stop()
    live.start()
    assert live.stream.sent < 2000


def test_a_conflict_keeps_the_losing_version(live: Live) -> None:
    live.stop()
    (live.here / "src/a.py").write_text("mine")
    (live.there / "src/a.py").write_text("theirs")
    live.start()
    assert content(live.there)["src/a.py"] == "mine"
    [(conflict, kept)] = live.told.conflicts
    assert conflict.winner == LOCAL
    assert Path(kept).read_text() == "theirs"


def test_a_save_is_in_the_container_within_a_tenth_of_a_second(live: Live) -> None:
    took = []
    for index in range(30):
        (live.here / "src/a.py").write_text(f"edit {index}")
        start = time.perf_counter()
        live.session.tell(LOCAL, ["src/a.py"])
        until(lambda want=f"edit {index}": (live.there / "src/a.py").read_text() == want)  # type: ignore[misc]
        took.append(time.perf_counter() - start)
    assert sorted(took)[15] < 0.1


def test_five_thousand_files_are_there_in_seconds(command: str, tmp_path: Path) -> None:
    found = Live(command, tmp_path, Rules())
    for index in range(5000):
        path = found.here / f"d{index % 50:02}/f{index}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {index}")
    start = time.perf_counter()
    found.start()
    took = time.perf_counter() - start
    found.stop()
    assert content(found.there) == content(found.here)
    assert took < 20


@pytest.mark.parametrize(("lines", "rules"), [
    pytest.param(["node_modules", ".git/"], ["node_modules", ".git"], id="names"),
    pytest.param(["/build", "a/b/"], ["/build", "/a/b"], id="paths"),
    pytest.param(["*.log", "x?", "# no"], [], id="patterns are left to us"),
    pytest.param(["node_modules", "!node_modules"], [], id="what may come back must be looked at"),
])
def test_folders_that_the_agent_need_not_enter(lines: list[str], rules: list[str]) -> None:
    assert left_out(lines) == rules
