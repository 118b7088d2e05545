"""Two folders on this disk kept equal by a session, for tests to push around."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kdev.sync.endpoint import Endpoint, Outcome, SideBroken, Source
from kdev.sync.entry import LOCAL, REMOTE, Change, Conflict, Entry, Problem, Side
from kdev.sync.keeper import Keeper
from kdev.sync.local import LocalEndpoint
from kdev.sync.memory import Memory
from kdev.sync.rules import Rules
from kdev.sync.session import Ends, Session
from kdev.sync.tree import Tree


class Told:
    """Meets Listener."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.conflicts: list[tuple[Conflict, str]] = []
        self.problems: list[Problem] = []
        self.started_over: list[str] = []

    def progress(self, done: int, total: int) -> None: ...

    def applied(self, change: Change) -> None:
        self.changes.append(change)

    def conflict(self, conflict: Conflict, kept: str) -> None:
        self.conflicts.append((conflict, kept))

    def problem(self, problem: Problem) -> None:
        self.problems.append(problem)

    def starts_over(self, side: Side) -> None:
        self.started_over.append(side)


class Fragile:
    """An endpoint that breaks after so many outcomes."""

    def __init__(self, inner: LocalEndpoint, outcomes: int | None = None) -> None:
        self.inner = inner
        self.outcomes = outcomes
        self.scan, self.read, self.close = inner.scan, inner.read, inner.close

    def apply(self, changes: Sequence[Change], source: Source) -> Iterator[Outcome]:
        for outcome in self.inner.apply(changes, source):
            if self.outcomes is not None:
                self.outcomes -= 1
                if self.outcomes < 0:
                    raise SideBroken("cut")
            yield outcome


class Rig:
    """`here` is the local folder, `there` the other one."""

    def __init__(self, root: Path, rules: Rules | None = None) -> None:
        self.here, self.there, self.state = root / "here", root / "there", root / "state"
        self.here.mkdir()
        self.there.mkdir()
        self.rules = rules or Rules()
        self.told = Told()
        self.session: Session | None = None
        self.memory: Memory | None = None

    def start(self, cut_after: int | None = None) -> None:
        """A new session, that goes on from what was agreed; its remote side breaks after so many outcomes."""
        self.stop()
        self.memory = Memory(str(self.state / "base"))
        known = [Tree((path, half) for path, pair in self.memory.base.items() if (half := pair.on(side)) is not None)
                 for side in (LOCAL, REMOTE)]
        local: Endpoint = LocalEndpoint(str(self.here), self.rules, known=known[0])
        remote: Endpoint = Fragile(LocalEndpoint(str(self.there), self.rules, "remote", known=known[1]), cut_after)
        keeper = Keeper(str(self.state / "conflicts"))
        self.session = Session(Ends(local, remote), self.rules, self.memory, keeper, self.told)
        self.session.first()

    def look(self) -> None:
        """Everything may have changed: until it is quiet."""
        assert self.session is not None
        self.session.tell(LOCAL, None)
        self.session.tell(REMOTE, None)
        self.session.settle()

    def stop(self) -> None:
        if self.session is not None:
            self.session.close()
        self.session = None


def content(folder: Path) -> dict[str, str]:
    """path → what is there: text, `/` for a folder, `-> target`."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name.startswith(".kdev-"):
            continue  # a file on its way in
        with suppress(FileNotFoundError):  # removed while we look
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"
            elif path.is_dir():
                found[name] = "/"
            else:
                found[name] = path.read_text() + ("!" if path.stat().st_mode & 0o100 else "")
    return found


def entry_of(rig: Rig, side: str, path: str) -> Entry | None:
    assert rig.memory is not None
    pair = rig.memory.base.get(path)
    return pair.on(side) if pair else None  # type: ignore[arg-type]
