"""Two sides kept equal: look, reconcile, carry out; then the same for whatever is told to have changed.

One thread runs it; everything that happens outside arrives in its inbox. Trouble with a path is told once and tried
again; a broken side ends the session, and another one goes on from what was agreed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from kdev.sync.endpoint import Endpoint, PathTrouble, SideBroken
from kdev.sync.entry import LOCAL, REMOTE, Change, Conflict, Entry, Pair, Problem, Side, opposite
from kdev.sync.keeper import Keeper
from kdev.sync.memory import Memory
from kdev.sync.reconcile import Entries, Plan, Sides, nothing_left, reconcile
from kdev.sync.rules import Rules
from kdev.sync.tree import Tree, parent_of

_SOON = 0.02
_LATER = 10.0
_SOON_TRIES = 8
_MANY = 500
"""From so many changed paths on, the whole side is looked at."""


class Listener(Protocol):
    """Who is told. Called by the session's thread; must not block for long."""

    def progress(self, done: int, total: int) -> None: ...

    def applied(self, change: Change) -> None: ...

    def conflict(self, conflict: Conflict, kept: str) -> None:
        """`kept` is where the losing content is, "" for none."""

    def problem(self, problem: Problem) -> None: ...

    def starts_over(self, side: Side) -> None:
        """That side holds nothing of what was agreed: it is taken for another folder, not for an emptied one."""


class Ends(NamedTuple):
    """The two sides."""

    local: Endpoint
    remote: Endpoint

    def on(self, side: Side) -> Endpoint:
        """That side's endpoint."""
        return self.local if side == LOCAL else self.remote


class _Told(NamedTuple):
    side: Side
    paths: frozenset[str]


class Session:
    """`first`, then `live`. `tell`, `broken` and `stop` may be called from any thread."""

    def __init__(
        self, ends: Ends, rules: Rules, memory: Memory, keeper: Keeper, listener: Listener,
    ) -> None:
        self._ends = ends
        self._rules = rules
        self._memory = memory
        self._keeper = keeper
        self._listener = listener
        self._trees: dict[Side, Entries] = {LOCAL: Tree(), REMOTE: Tree()}
        self._inbox: SimpleQueue[_Told | SideBroken | None] = SimpleQueue()
        self._again: dict[Side, set[str]] = {LOCAL: set(), REMOTE: set()}
        self._tries = 0
        self._failing: dict[str, str] = {}
        self._look_again = 0.0

    # -- from any thread ------------------------------------------------------------------------------------------

    def tell(self, side: Side, paths: Iterable[str] | None) -> None:
        """These paths of that side may have changed, and what is below them; anything may have for None."""
        found = frozenset(paths) if paths is not None else frozenset(("",))
        self._inbox.put(_Told(side, found if len(found) < _MANY else frozenset(("",))))

    def broken(self, why: str) -> None:
        """A side is gone: `live` raises SideBroken."""
        self._inbox.put(SideBroken(why))

    def stop(self) -> None:
        """`live` returns."""
        self._inbox.put(None)

    # -- the one thread -------------------------------------------------------------------------------------------

    def first(self) -> None:
        """Look at both sides and make them equal. SideBroken when one goes away.

        What went missing while nobody looked was deleted, unless nothing at all is left of it.
        """
        touched = self._look({LOCAL: {""}, REMOTE: {""}})
        for side in (LOCAL, REMOTE):
            if self._memory.complete and nothing_left(self._memory.base, self._trees[side], side):
                self._memory.start_over()
                self._listener.starts_over(side)
        self._agree(touched)
        self._memory.finish_first()

    def live(self) -> None:
        """Until stopped. SideBroken when a side goes away."""
        while True:
            dirty = self._next()
            if dirty is None:
                return
            self.step(dirty)

    def settle(self) -> None:
        """Everything that is in the inbox by now, and what has to be tried again at once; never waits for news."""
        while not self._inbox.empty() or self._again[LOCAL] or self._again[REMOTE]:
            dirty = self._next()
            if dirty is None:
                return
            self.step(dirty)

    def step(self, dirty: dict[Side, set[str]]) -> None:
        """Look at these paths, and make both sides agree about them."""
        self._agree(self._look(dirty))

    def _look(self, dirty: dict[Side, set[str]]) -> set[str]:
        touched: set[str] = set()
        for side, paths in dirty.items():
            if paths:
                for seen in self._ends.on(side).scan(paths):
                    self._trees[side].replace(*seen)
                    touched.add(seen.path)
        return touched

    def _agree(self, touched: set[str]) -> None:
        plan = reconcile(self._sides(), self._rules, None if "" in touched else touched)
        self._forget_failures(touched)
        self._memory.note(plan.agreed)
        for problem in plan.problems:
            self._fail(problem)
        self._carry_out(self._keep_losers(plan))

    def close(self) -> None:
        """Both sides and the memory."""
        self._ends.local.close()
        self._ends.remote.close()
        self._memory.close()

    def _sides(self) -> Sides:
        return Sides(self._memory.base, self._trees[LOCAL], self._trees[REMOTE], first=not self._memory.complete)

    def _next(self) -> dict[Side, set[str]] | None:
        """What to look at next: all that was told, or what is to be tried again. None at the end."""
        dirty: dict[Side, set[str]] = {LOCAL: set(), REMOTE: set()}
        retry = any(self._again.values())
        timeout = _SOON * 2**self._tries if retry else _LATER if self._failing else None
        try:
            told = self._inbox.get(timeout=timeout)
            while True:
                if told is None:
                    return None
                if isinstance(told, SideBroken):
                    raise told
                dirty[told.side] |= told.paths
                told = self._inbox.get_nowait()
        except Empty:
            pass
        if retry:
            for side, paths in self._again.items():
                dirty[side] |= paths
                paths.clear()
            self._tries += 1
        else:
            self._tries = 0
        if self._failing and time.monotonic() > self._look_again:
            self._look_again = time.monotonic() + _LATER
            for side in (LOCAL, REMOTE):
                dirty[side] |= self._failing.keys() - {"."}
        return {side: {""} if "" in paths else paths for side, paths in dirty.items()}

    def _keep_losers(self, plan: Plan) -> list[Change]:
        """The plan's changes, without those whose victims could not be kept."""
        lost: set[str] = set()
        for conflict in plan.conflicts:
            kept = ""
            if conflict.winner:
                try:
                    kept = self._keeper.keep(conflict, self._ends.on(opposite(conflict.winner)))
                except PathTrouble as trouble:
                    lost.add(conflict.path)
                    if trouble.stale:
                        self._retry(opposite(conflict.winner), conflict.path, trouble.why)
                    else:
                        self._fail(Problem(conflict.path, trouble.why))
                    continue
            self._listener.conflict(conflict, kept)
        if not lost:
            return list(plan.changes)
        return [change for change in plan.changes if not lost.intersection(_and_above(change.path))]

    def _carry_out(self, changes: list[Change]) -> None:
        total, done = len(changes), 0
        for side in (REMOTE, LOCAL):
            mine = [change for change in changes if change.side == side]
            if not mine:
                continue
            agreed: list[tuple[str, Pair | None]] = []
            try:
                for outcome in self._ends.on(side).apply(mine, self._ends.on(opposite(side))):
                    done += 1
                    self._listener.progress(done, total)
                    path = outcome.change.path
                    if outcome.problem is not None:
                        if outcome.stale:
                            self._retry(side, path, outcome.problem.why)
                            self._retry(opposite(side), path, outcome.problem.why)
                        else:
                            self._fail(outcome.problem)
                        continue
                    self._trees[side].put(path, outcome.entry)
                    agreed.append((path, _pair(side, outcome.entry, outcome.change.new)))
                    self._listener.applied(outcome.change)
            finally:
                self._memory.note(agreed)

    def _retry(self, side: Side, path: str, why: str) -> None:
        """It changed while we were at it: at once, but not for ever."""
        if self._tries < _SOON_TRIES:
            self._again[side].add(path)
        else:
            self._fail(Problem(path, why, side))

    def _fail(self, problem: Problem) -> None:
        """Told when it is news."""
        if self._failing.get(problem.path) != problem.why:
            if not self._failing:
                self._look_again = time.monotonic() + _LATER
            self._failing[problem.path] = problem.why
            self._listener.problem(problem)

    def _forget_failures(self, touched: set[str]) -> None:
        """What was looked at again will fail again, or not. A path whose words stay the same is not told again."""
        everything = "" in touched
        for path in list(self._failing):
            healed = all(tree.get(path) is None for tree in self._trees.values()) or _equal(self._memory, path, self)
            if healed and (everything or touched.intersection(_and_above(path))):
                del self._failing[path]

    def tree(self, side: Side) -> Entries:
        """What that side is known to hold."""
        return self._trees[side]


def _equal(memory: Memory, path: str, session: Session) -> bool:
    pair = memory.base.get(path)
    return pair is not None and all(pair.on(side) == session.tree(side).get(path) for side in (LOCAL, REMOTE))


def _pair(side: Side, here: Entry | None, there: Entry | None) -> Pair | None:
    if here is None and there is None:
        return None
    return Pair(here, there) if side == LOCAL else Pair(there, here)


def _and_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = parent_of(path)
