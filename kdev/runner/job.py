"""The Job through which a running step's driver reports to the owner, and the messages that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kdev.core.events import Event, Notice, Output, Progress
from kdev.core.plan import Seen
from kdev.core.ports import Screen
from kdev.core.step import Result, Step, StepId
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
    """A worker ended, `at` that Unix time: with a result, with an error, or cancelled (neither)."""

    position: int
    run: int
    result: Result | None
    error: BaseException | None
    seconds: float
    at: float


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
