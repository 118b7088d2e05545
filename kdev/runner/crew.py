"""The running steps: one daemon thread each, with a Cancellation of its own. Used by the owner thread only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from kdev.core.plan import Seen
from kdev.core.ports import Clock, Drivers, Screen
from kdev.core.step import Result, Step, StepId
from kdev.errors import Cancelled, KdevError, StepFailed
from kdev.runner.cancel import Cancellation
from kdev.runner.job import Done, Job, Post, Reported, Up
from kdev.runner.judge import Judged

Remake = Callable[[StepId, Cancellation], str]


class Worker(NamedTuple):
    """A running step. `run` tells this run from earlier ones of the same step."""

    step: Step
    run: int
    seen: Seen
    fingerprint: str
    cancel: Cancellation
    thread: threading.Thread


class Crew:
    """Starts and stops steps. What becomes of them is posted. `remake` gives the blob of a skipped value step."""

    def __init__(
        self, drivers: Drivers, screen: Screen, clock: Clock, *, post: Post, remake: Remake
    ) -> None:
        self.cancel = Cancellation()
        self.workers: dict[StepId, Worker] = {}
        self._drivers = drivers
        self._screen = screen
        self._clock = clock
        self._post = post
        self._remake = remake
        self._runs = 0

    def start(self, position: int, step: Step, judged: Judged) -> None:
        """Run the step's action in a thread of its own. Whatever happens in it becomes one `Done`."""
        self._runs += 1
        run, post = self._runs, self._post
        cancel = Cancellation(self.cancel)
        job = Job(
            step,
            judged.seen,
            judged.fingerprint,
            screen=self._screen,
            cancel=cancel,
            remake=lambda need: self._remake(need, cancel),
            post=lambda event: post(Reported(event)),
            up=lambda detail: post(Up(position, run, detail)),
        )

        def body() -> None:
            began = self._clock.now()
            result: Result | None = None
            error: BaseException | None = None
            try:
                result = self._drivers.driver(step.action).run(step.action, job)
            except Cancelled:
                pass
            except KdevError as expected:
                error = expected
            except Exception as bug:  # noqa: BLE001 - the one boundary of a worker: no thread may end in silence
                error = bug
            cancel.detach()
            ended = self._clock.now()
            post(Done(position, run, result, None if cancel.triggered else error, ended - began, ended))

        thread = threading.Thread(target=body, name=str(step.id), daemon=True)
        self.workers[step.id] = Worker(step, run, judged.seen, judged.fingerprint, cancel, thread)
        thread.start()

    def remade(self, step: Step, judged: Judged, cancel: Cancellation, expected: str) -> Result:
        """The result of a value step that was skipped, with its blob. Called from a worker's thread.

        StepFailed when it is no longer what the journal said: an input changed since it was looked at.
        """
        job = Job(
            step, judged.seen, judged.fingerprint, screen=self._screen, cancel=cancel,
            remake=lambda need: self._remake(need, cancel), post=lambda event: None, up=lambda detail: None,
        )
        result = self._drivers.driver(step.action).run(step.action, job)
        if result.digest != expected or result.blob is None:
            raise StepFailed(f"an input of {step.id} changed meanwhile", hint="run again")
        return result

    def of_run(self, run: int) -> Worker | None:
        """The worker of this run; None when it was given up meanwhile."""
        return next((worker for worker in self.workers.values() if worker.run == run), None)

    def join(self, seconds: float) -> None:
        """Stop everything, and wait until it has ended, at most so long."""
        self.cancel.trigger()
        deadline = self._clock.now() + seconds
        for worker in self.workers.values():
            worker.thread.join(max(0.0, deadline - self._clock.now()))
