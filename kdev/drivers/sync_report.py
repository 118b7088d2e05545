"""What a sync session tells people, as words of its step. Meets sync.session.Listener; says a flood of trouble in one
line."""

from __future__ import annotations

import os
import time

from kdev.core.ports import Job
from kdev.sync.entry import LOCAL, Change, Conflict, Problem, Side
from kdev.sync.wire import shown

_BURST, _WINDOW = 10, 10.0
_STEP = 0.1


class SyncReport:
    """`pair` is how the sync is called; with `verbose` each file is told. `root` is what paths of copies are shown
    relative to."""

    def __init__(self, job: Job, pair: str, root: str, *, verbose: bool = False) -> None:
        self._job = job
        self._pair = pair
        self._root = root
        self._verbose = verbose
        self._live = False
        self._told = 0
        self._since = 0.0
        self._drawn = 0.0
        self._overwritten: list[str] = []

    def progress(self, done: int, total: int) -> None:
        """See Listener. Only the first sync is long enough to be watched."""
        now = time.monotonic()
        if not self._live and (done == total or now - self._drawn >= _STEP):
            self._drawn = now
            self._job.progress(f"syncing {self._pair}", done, total)

    def applied(self, change: Change) -> None:
        """See Listener."""
        if self._verbose:
            arrow = "←" if change.side == LOCAL else "→"
            self._job.output(f"{arrow} {'deleted ' if change.new is None else ''}{shown(change.path)}")

    def conflict(self, conflict: Conflict, kept: str) -> None:
        """See Listener. What the first sync overwrites is told as one."""
        if conflict.first:
            self._overwritten.append(kept)
            return
        where = {"": "both were left as they are", "local": "yours was kept", "remote": "the container's was kept"}
        copy = f"; the other version is {self._shown(kept)}" if kept else ""
        self._warn(f"{shown(conflict.path)} changed on both sides: {where[conflict.winner]}{copy}")

    def problem(self, problem: Problem) -> None:
        """See Listener."""
        where = {"": "", "local": " (here)", "remote": " (in the container)"}[problem.side]
        self._warn(f"{shown(problem.path)}{where}: {shown(problem.why)}")

    def starts_over(self, side: Side) -> None:
        """See Listener."""
        where = "here" if side == LOCAL else "in the container"
        self._warn(f"nothing of what was in step is left {where}; it is not taken for deleted, the sync starts anew")

    def note(self, words: str) -> None:
        """What the agent says about how it watches."""
        self._warn(shown(words))

    def first_done(self) -> None:
        """The first sync is over."""
        self._live = True
        copies = [path for path in self._overwritten if path]
        if copies:
            folder = os.path.commonpath([os.path.dirname(path) for path in copies])
            count = len(copies)
            self._job.notice(f"{count} file{'s' * (count != 1)} of {self._pair} differed at first; the overwritten "
                             f"versions are in {self._shown(folder)}", level="warning")

    def _warn(self, words: str) -> None:
        now = time.monotonic()
        if now - self._since > _WINDOW:
            self._since, self._told = now, 0
        self._told += 1
        if self._told < _BURST:
            self._job.notice(f"sync {self._pair}: {words}", level="warning")
        elif self._told == _BURST:
            self._job.notice(f"sync {self._pair}: {words}; further trouble within {_WINDOW:.0f} s is not shown",
                             level="warning")

    def _shown(self, path: str) -> str:
        return os.path.relpath(path, self._root)
