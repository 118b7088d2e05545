"""A small world for the runner: files in a dict, steps that compute from them, a journal in memory.

A step's action is a Hook whose command is its name; what it does is in `World.act`. Results are digests of the inputs,
shortened when the step is told to be coarse, so that different inputs often give equal results (early cutoff).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from kdev.core import events
from kdev.core.actions import Action, Hook
from kdev.core.inputs import Entry, Files, Input, digest_of
from kdev.core.ports import Job
from kdev.core.step import Reason, ReasonKind, Result, Role, Step, StepId, Trace
from kdev.errors import StepFailed
from kdev.runner.cancel import Cancellation
from tests.fakes.job import FakeScreen


class MemoryJournal:
    """Meets core.ports.Journal."""

    def __init__(self) -> None:
        self.traces: dict[StepId, list[Trace]] = {}
        self.listings: dict[str, Mapping[str, str]] = {}

    def latest(self, step: StepId) -> Trace | None:
        traces = self.traces.get(step)
        return traces[-1] if traces else None

    def find(self, step: StepId, fingerprint: str) -> Trace | None:
        return next((t for t in reversed(self.traces.get(step, [])) if t.fingerprint == fingerprint), None)

    def history(self, step: StepId) -> Sequence[Trace]:
        return self.traces.get(step, [])

    def record(self, trace: Trace, listings: Mapping[str, Mapping[str, str]]) -> None:
        self.traces.setdefault(trace.step, []).append(trace)
        self.listings.update(listings)

    def listing(self, digest: str) -> Mapping[str, str]:
        return self.listings.get(digest, {})

    def forget(self, step: StepId) -> None:
        self.traces.pop(step, None)


class Telling:
    """Meets Reporter and Chronicle: keeps every event."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []

    def tell(self, event: events.Event) -> None:
        self.events.append(event)

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None

    def of(self, kind: type) -> list[events.Event]:
        return [event for event in self.events if isinstance(event, kind)]


class World:
    """Files, what effects left behind, and which steps fail. Meets Observer and Drivers."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.coarse: set[str] = set()
        self.failing: set[str] = set()
        self.made: dict[str, str] = {}  # what each effect step left in the world
        self.ran: list[str] = []
        self.gates: dict[str, threading.Event] = {}  # a step with a gate ends only when it is opened
        self.running: dict[str, threading.Event] = {}
        self.serving: dict[str, Cancellation] = {}

    # Observer

    def observe(self, inputs: Sequence[Input], needs: Mapping[StepId, Result]) -> tuple[Entry, ...]:
        return tuple(self._entry(wanted) for wanted in inputs)

    def _entry(self, wanted: Input) -> Entry:
        assert isinstance(wanted, Files)
        return Entry(f"files:{wanted.name}", digest_of(*(self.files.get(path, "") for path in wanted.patterns)))

    def listing(self, digest: str) -> Mapping[str, str]:
        return {}

    def invalidate(self, paths: Iterable[str] | None) -> None:
        return None

    # Drivers

    def driver(self, action: Action) -> World:
        return self

    def verify(self, action: Action, result: Result) -> Sequence[Reason]:
        assert isinstance(action, Hook)
        if action.args and self.made.get(action.command) != result.digest:
            return (Reason(ReasonKind.RESULT_GONE, action.command),)
        return ()

    def forget(self) -> None:
        return None

    def run(self, action: Hook, job: Job) -> Result:
        name = action.command
        if action.args == ("service",):
            return self._serve(name, job)
        self.ran.append(name)
        if name in self.running:
            self.running[name].set()
        if name in self.gates:
            gate = self.gates[name]
            with job.cancel.closing(gate.set):
                gate.wait(10)
            job.cancel.check()
        if name in self.failing:
            raise StepFailed(f"{name} fails")
        digest = self.digest(name, job.fingerprint())
        if action.args:
            self.made[name] = digest
        return Result(digest)

    def digest(self, name: str, fingerprint: str) -> str:
        return fingerprint[:1] if name in self.coarse else fingerprint

    def _serve(self, name: str, job: Job) -> Result:
        self.ran.append(name)
        over = threading.Event()
        with job.cancel.closing(over.set):
            self.serving[name] = job.cancel  # type: ignore[assignment]
            job.serving(name)
            over.wait(30)
        job.cancel.check()
        return Result("")


def step(
    name: str, needs: Iterable[str] = (), *, role: Role = Role.VALUE, pool: str = "", after: Iterable[str] = ()
) -> Step:
    """A step that reads the file of its own name."""
    marks = {Role.VALUE: (), Role.EFFECT: ("effect",), Role.SERVICE: ("service",)}
    return Step(
        StepId(name),
        role,
        Hook(name, marks[role]),
        tuple(map(StepId, needs)),
        tuple(map(StepId, after)),
        (Files(name, (name,)),),
        pool,
    )


class StillClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


SCREEN = FakeScreen()
