"""Events into the history of runs: one note per step and run, with the reasons it had. Meets core.ports.Chronicle."""

from __future__ import annotations

from kdev.core import events
from kdev.core.ports import Clock
from kdev.core.step import Reason, StepId
from kdev.state.history import History, Note, Run


class Chronicle:
    """Keeps what `kdev why` and `kdev history` tell. A dry run's history is read-only and keeps nothing on disk."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._run = ""
        self._reasons: dict[StepId, tuple[Reason, ...]] = {}

    def tell(self, event: events.Event) -> None:
        """Note what became of a step. The run itself begins and ends with its events."""
        if isinstance(event, events.RunStarted):
            self._run = event.run
            self._history.begin(Run(event.run, event.pipeline, event.target, self._clock.now()))
        elif isinstance(event, events.Started):
            self._reasons[event.step] = event.reasons
        elif isinstance(event, events.Skipped):
            self._note(event.step, "skipped", detail=event.why)
        elif isinstance(event, events.Finished):
            self._note(event.step, "ran", seconds=event.seconds)
        elif isinstance(event, events.Serving):
            self._note(event.step, "ran", detail=event.detail)
        elif isinstance(event, events.Failed):
            self._note(event.step, "failed", detail=event.message, seconds=event.seconds)
        elif isinstance(event, events.Blocked):
            self._note(event.step, "blocked", detail=f"{event.by} failed")
        elif isinstance(event, events.RunEnded):
            self._history.end(self._run, event.exit_code, self._clock.now())

    def flush(self) -> None:
        """The notes so far are on disk when this returns."""
        self._history.flush()

    def _note(self, step: StepId, verdict: str, *, detail: str = "", seconds: float = 0.0) -> None:
        reasons = self._reasons.get(step, ()) if verdict in ("ran", "failed") else ()
        self._history.note(Note(self._run, step, verdict, reasons, detail, seconds, self._clock.now()))
