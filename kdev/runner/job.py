"""A running step: its thread, its own Cancellation, and the Job through which its driver reports to the owner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from kdev.core.events import Event, Notice, Output, Progress
from kdev.core.plan import Seen
from kdev.core.ports import Screen
from kdev.core.step import Result, Step, StepId
from kdev.errors import Cancelled, KdevError
from kdev.runner.cancel import Cancellation


class Reported(NamedTuple):
    """Something for the reporter only."""

    event: Event


class Up(NamedTuple):
    """A service serves."""

    position: int
    run: int
    detail: str


class Done(NamedTuple):
    """A worker ended: with a result, with an error, or cancelled (neither)."""

    position: int
    run: int
    result: Result | None
    error: BaseException | None
    seconds: float


Post = Callable[[Reported | Up | Done], None]


class Job:
    """Meets core.ports.Job. `remake` runs a value step again for its blob."""

    def __init__(
        self,
        step: Step,
        seen: Seen,
        fingerprint: str,
        *,
        screen: Screen,
        cancel: Cancellation,
        remake: Callable[[StepId], str],
        post: Callable[[Event], None],
        up: Callable[[str], None],
    ) -> None:
        self.step = step.id
        self.cancel = cancel
        self.screen = screen
        self._seen = seen
        self._fingerprint = fingerprint
        self._remake = remake
        self._post = post
        self._up = up

    def result(self, step: str) -> Result:
        """The result of a step that this one needs, as it was when this run was decided."""
        return self._seen.needs[StepId(step)]

    def blob(self, step: str) -> str:
        """The blob of a needed value step's result."""
        blob = self.result(step).blob
        return self._remake(StepId(step)) if blob is None else blob

    def fingerprint(self) -> str:
        return self._fingerprint

    def output(self, text: str, *, source: str = "", error: bool = False) -> None:
        self._post(Output(self.step, text, source, error))

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        self._post(Progress(self.step, text, done, total))

    def notice(self, text: str, *, level: str = "info") -> None:
        self._post(Notice(text, level))

    def serving(self, detail: str) -> None:
        self._up(detail)


class Worker(NamedTuple):
    """A running step, as the owner knows it. `run` tells this run from earlier ones of the same step."""

    run: int
    seen: Seen
    fingerprint: str
    cancel: Cancellation
    thread: threading.Thread


def start(
    position: int, run: int, act: Callable[[], Result], job: Job, *, post: Post, now: Callable[[], float]
) -> threading.Thread:
    """Call `act` in a daemon thread of its own. Whatever happens in it becomes one `Done`."""

    def body() -> None:
        began = now()
        result: Result | None = None
        error: BaseException | None = None
        try:
            result = act()
        except Cancelled:
            pass
        except KdevError as expected:
            error = expected
        except Exception as bug:  # noqa: BLE001 - the one boundary of a worker: nothing may end a thread silently
            error = bug
        job.cancel.detach()
        post(Done(position, run, result, None if job.cancel.triggered else error, now() - began))

    thread = threading.Thread(target=body, name=str(job.step), daemon=True)
    thread.start()
    return thread
