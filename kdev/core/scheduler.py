"""The scheduler: a table of step states. Feed it what happened, take the commands it gives; it does nothing itself.

Rules of this file:
1. `_set` is the only place that changes a state, and it keeps every count in step with it.
2. A step is looked at only when everything before it is settled, so that an unchanged result stops the wave there.
3. Nothing is forgotten: a change that arrives while a step is being checked, runs or stops is looked at afterwards.
4. A service stays alive while what it needs is being worked on, and is stopped only when its own inputs differ.

It has no clock, thread or I/O. Steps are positions in the plan's arrays.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from kdev.core.plan import Plan
from kdev.core.step import Reason, Role


class State(IntEnum):
    """Every state a step can be in."""

    WAITING = 0  # something before it is not settled
    CHECKING = 1  # its inputs are being observed
    QUEUED = 2  # it will run as soon as its pool has room
    RUNNING = 3  # its action runs; a service is not up yet
    STOPPING = 4  # it was told to stop and has not ended yet
    UP = 5  # up to date; a service is alive
    FAILED = 6  # its action failed; the next change tries again
    BLOCKED = 7  # something it needs failed


SETTLED = frozenset({State.UP, State.FAILED, State.BLOCKED})

MOVES: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.CHECKING, State.UP, State.FAILED, State.BLOCKED, State.STOPPING}),
    State.CHECKING: frozenset({State.WAITING, State.QUEUED, State.UP, State.STOPPING, State.FAILED}),
    State.QUEUED: frozenset({State.WAITING, State.CHECKING, State.RUNNING}),
    State.RUNNING: frozenset({State.WAITING, State.CHECKING, State.STOPPING, State.UP, State.FAILED}),
    State.STOPPING: frozenset({State.WAITING, State.CHECKING, State.QUEUED, State.FAILED, State.BLOCKED}),
    State.UP: frozenset({State.WAITING, State.CHECKING, State.FAILED}),
    State.FAILED: frozenset({State.WAITING, State.CHECKING}),
    State.BLOCKED: frozenset({State.WAITING, State.CHECKING}),
}
"""Which state may follow which; a test walks every (state, event) pair against it."""


class Check(NamedTuple):
    """Observe the inputs of `step` and answer with `checked` or `unreadable`."""

    step: int


class Confirm(NamedTuple):
    """Observe the inputs of `step`, which runs, and answer with `confirmed`: do they differ from those it runs on?"""

    step: int


class Run(NamedTuple):
    """Run the action of `step`; answer with `finished` or `failed`, for a service first with `serving`."""

    step: int
    reasons: tuple[Reason, ...]


class Stop(NamedTuple):
    """Cancel the running action of `step`; answer with `ended`."""

    step: int
    reasons: tuple[Reason, ...]


class Block(NamedTuple):
    """For reporting: `step` cannot run because `by` did not succeed."""

    step: int
    by: int


Command = Check | Confirm | Run | Stop | Block


class Scheduler:
    """States of all steps of one plan. Every method returns the commands that follow from what it was told."""

    def __init__(
        self, plan: Plan, pools: Mapping[str, int], priority: Sequence[float], alive: Iterable[int] = ()
    ) -> None:
        """`pools` are places per pool, `alive` the services that still run from an earlier plan."""
        count = len(plan.steps)
        self._plan = plan
        self._priority = priority
        self.states = [State.WAITING] * count
        self._digest: list[str | None] = [None] * count  # of the step's result, None while it has none
        self._seen: list[tuple[str | None, ...] | None] = [None] * count  # the needs' digests when last looked at
        self._verdict: list[State | None] = [None] * count  # what it settled as on `_seen`
        self._dirty = [True] * count  # own inputs may differ from those last looked at
        self._alive = [False] * count  # a service's worker lives
        for step in alive:
            self._alive[step] = True
        self._reasons: list[tuple[Reason, ...]] = [()] * count  # why it is to run once stopped or room is free
        self._open = [len({*plan.needs[i], *plan.after[i]}) for i in range(count)]  # unsettled steps before it
        self._unsettled = count
        self._room = dict(pools)
        self._queues: dict[str, list[tuple[float, int]]] = {}
        self._commands: list[Command] = []
        self._closing = False

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Every step is settled: nothing to do until something changes."""
        return self._unsettled == 0

    def alive(self, step: int) -> bool:
        """Whether a service's worker lives."""
        return self._alive[step]

    def busy(self) -> list[int]:
        """The steps that have a worker: running, stopping, or alive services."""
        return [i for i, s in enumerate(self.states) if s in (State.RUNNING, State.STOPPING) or self._alive[i]]

    # -- what happened --------------------------------------------------------------------------------------------

    def start(self) -> list[Command]:
        """Begin: look at every step that nothing comes before."""
        for step in range(len(self._plan.steps)):
            if self.states[step] is State.WAITING and self._open[step] == 0:
                self._consider(step)
        return self._take()

    def touched(self, steps: Iterable[int]) -> list[Command]:
        """The own inputs of these steps may have changed."""
        for step in steps:
            state = self.states[step]
            self._dirty[step] = True
            if state is State.RUNNING:
                # Its content is compared with what it runs on before anything is cancelled.
                self._commands.append(Confirm(step))
            elif state in SETTLED or state is State.QUEUED:
                self._consider(step)
        return self._take()

    def checked(self, step: int, reasons: tuple[Reason, ...], digest: str = "") -> list[Command]:
        """Its inputs were observed: `reasons` to run, or none and the `digest` of the result that stands."""
        if self.states[step] is not State.CHECKING:
            return self._take()  # the answer to a question that was overtaken; a newer one is on its way
        if self._open[step] or self._dirty[step]:
            self._again(step)
        elif not reasons:
            self._digest[step] = digest
            self._settle(step, State.UP)
        elif self._alive[step]:
            self._reasons[step] = reasons
            self._set(step, State.STOPPING)
            self._commands.append(Stop(step, reasons))
        else:
            self._enqueue(step, reasons)
        return self._take()

    def unreadable(self, step: int) -> list[Command]:
        """Its inputs could not be observed: that is a failure of the step."""
        if self.states[step] is State.CHECKING:
            self._settle(step, State.FAILED)
        return self._take()

    def confirmed(self, step: int, differs: bool) -> list[Command]:
        """The inputs of a running step were looked at again: do they differ from those it runs on?"""
        if self.states[step] is not State.RUNNING:
            return self.touched((step,)) if differs else self._take()
        self._dirty[step] = differs
        if differs and self._plan.steps[step].role is not Role.EFFECT:
            # An effect is never cut short half-way; it is looked at again when it has ended.
            self._reasons[step] = ()
            self._set(step, State.STOPPING)
            self._commands.append(Stop(step, ()))
        return self._take()

    def serving(self, step: int, digest: str) -> list[Command]:
        """A service is up."""
        self._alive[step] = True
        if self.states[step] is State.RUNNING:
            self._digest[step] = digest
            self._end_of_run(step, State.UP)
        return self._take()

    def finished(self, step: int, digest: str, *, outdated: bool = False) -> list[Command]:
        """The action succeeded. `outdated`: an input changed while it ran, so it must be looked at again."""
        self._alive[step] = False
        self._digest[step] = digest
        self._dirty[step] = self._dirty[step] or outdated
        if self.states[step] is State.RUNNING:
            self._end_of_run(step, State.UP)
        elif self.states[step] is State.STOPPING:
            self._after_stop(step)
        return self._take()

    def failed(self, step: int) -> list[Command]:
        """The action failed; of a service also after it had been up."""
        self._alive[step] = False
        self._digest[step] = None
        state = self.states[step]
        if state is State.RUNNING:
            self._end_of_run(step, State.FAILED)
        elif state is State.STOPPING:
            self._after_stop(step)
        elif state is State.UP:
            self._unsettle(step, State.FAILED)
        else:
            self._dirty[step] = True
        return self._take()

    def ended(self, step: int) -> list[Command]:
        """A worker that was told to stop has ended without a result."""
        self._alive[step] = False
        if self.states[step] is State.STOPPING:
            self._after_stop(step)
        elif self.states[step] is State.RUNNING:
            self._end_of_run(step, State.FAILED)
        else:
            self._dirty[step] = True
            if self.states[step] in SETTLED and not self._closing:
                self._consider(step)
        return self._take()

    def close(self) -> list[Command]:
        """The session ends: start nothing more, stop what runs."""
        self._closing = True
        for step in self.busy():
            self._commands.append(Stop(step, ()))
        return self._take()

    # -- moves ----------------------------------------------------------------------------------------------------

    def _set(self, step: int, state: State) -> None:
        """The only place where a state changes. Counts unsettled steps, and pool places."""
        old = self.states[step]
        if state not in MOVES[old]:
            raise AssertionError(f"BUG: {self._plan.steps[step].id} cannot go from {old.name} to {state.name}")
        self.states[step] = state
        if (old in SETTLED) != (state in SETTLED):
            change = -1 if state in SETTLED else 1
            self._unsettled += change
            for later in self._plan.dependents[step]:
                self._open[later] += change
        holds, held = self._holds_place(step, state), self._holds_place(step, old)
        pool = self._plan.steps[step].pool
        if pool in self._room and holds != held:
            self._room[pool] += -1 if holds else 1
            if held:
                self._start_next(pool)

    def _holds_place(self, step: int, state: State) -> bool:
        running = state is State.RUNNING or state is State.STOPPING
        return running and self._plan.steps[step].role is not Role.SERVICE

    def _consider(self, step: int) -> None:
        """A step that may have to be looked at: do so, put it back as it was, or let it wait."""
        state = self.states[step]
        if state in SETTLED:
            self._unsettle(step, State.WAITING)
        elif state is State.QUEUED:
            self._set(step, State.WAITING)
        if self._open[step]:
            return
        if any(self.states[need] is not State.UP for need in self._plan.needs[step]):
            self._block(step)
        elif not self._dirty[step] and self._verdict[step] is not None and self._seen[step] == self._digests(step):
            self._settle(step, self._verdict[step] or State.UP)
        elif not self._closing:
            self._look(step)

    def _look(self, step: int) -> None:
        self._dirty[step] = False
        self._seen[step] = self._digests(step)
        self._verdict[step] = None
        self._set(step, State.CHECKING)
        self._commands.append(Check(step))

    def _again(self, step: int) -> None:
        """What was just observed is out of date."""
        self._dirty[step] = True
        self._set(step, State.WAITING)
        self._consider(step)

    def _enqueue(self, step: int, reasons: tuple[Reason, ...]) -> None:
        self._reasons[step] = reasons
        self._set(step, State.QUEUED)
        pool = self._plan.steps[step].pool
        heapq.heappush(self._queues.setdefault(pool, []), (-self._priority[step], step))
        self._start_next(pool)

    def _start_next(self, pool: str) -> None:
        queue = self._queues.get(pool, [])
        while queue and self._room.get(pool, 1) > 0 and not self._closing:
            _, step = heapq.heappop(queue)
            if self.states[step] is State.QUEUED:  # else it was taken back meanwhile
                self._set(step, State.RUNNING)
                self._commands.append(Run(step, self._reasons[step]))

    def _end_of_run(self, step: int, verdict: State) -> None:
        """A run ended: settle, unless what it ran on has changed meanwhile."""
        if self._open[step] or self._dirty[step] or self._seen[step] != self._digests(step):
            self._again(step)
        else:
            self._settle(step, verdict)

    def _after_stop(self, step: int) -> None:
        stands = not self._open[step] and not self._dirty[step] and self._seen[step] == self._digests(step)
        if stands and self._reasons[step] and not self._closing:
            self._enqueue(step, self._reasons[step])
        else:
            self._again(step)

    def _block(self, step: int) -> None:
        by = next(need for need in self._plan.needs[step] if self.states[need] is not State.UP)
        self._verdict[step] = None
        self._settle(step, State.BLOCKED)
        self._commands.append(Block(step, by))

    def _settle(self, step: int, verdict: State) -> None:
        if verdict is not State.BLOCKED:
            self._verdict[step] = verdict
        self._set(step, verdict)
        for later in self._plan.dependents[step]:
            if self._open[later] == 0 and self.states[later] is State.WAITING:
                self._consider(later)

    def _unsettle(self, step: int, state: State) -> None:
        """The step is in question again, and so is everything after it."""
        self._set(step, State.WAITING if state is State.FAILED else state)
        front = [step]
        while front:
            for later in self._plan.dependents[front.pop()]:
                if self.states[later] in SETTLED:
                    self._set(later, State.WAITING)
                    front.append(later)
                elif self.states[later] is State.QUEUED:
                    self._dirty[later] = True
                    self._set(later, State.WAITING)
        if state is State.FAILED:
            self._settle(step, State.FAILED)

    def _digests(self, step: int) -> tuple[str | None, ...]:
        return tuple(self._digest[need] for need in self._plan.needs[step])

    def _take(self) -> list[Command]:
        taken, self._commands = self._commands, []
        return taken
