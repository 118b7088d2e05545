"""One plain line per event, for pipes, files and CI. Nothing is ever redrawn.

Lines start with the step, so that `grep '^build:web:'` gives one step's story.
"""

from __future__ import annotations

from typing import TextIO

from kdev.core import events
from kdev.core.ports import Clock
from kdev.core.step import StepId
from kdev.report import words
from kdev.report.clean import clean
from kdev.report.explain import duration, summary
from kdev.report.output import Output
from kdev.report.paint import Paint

_MANY = 50
"""Above this many steps, those that are up to date are counted instead of listed."""
_PROGRESS_SECONDS = 5.0


class Plain:
    """Meets core.ports.Reporter."""

    def __init__(self, stream: TextIO, clock: Clock, *, paint: Paint | None = None) -> None:
        self._out = Output(stream)
        self._clock = clock
        self._paint = paint or Paint(False)
        self._tails = words.Tails()
        self._printed: list[str] = []  # the run of output lines that ends what was printed so far
        self._printed_by = StepId("")
        self._told: dict[StepId, float] = {}
        self._serving: set[StepId] = set()
        self._failed: dict[StepId, str] = {}
        self._list_skips = True

    def tell(self, event: events.Event) -> None:
        lines = self._lines(event)
        if lines:
            self._remember(event)
        self._out.write("".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        """Nothing is held back, so there is nothing to do."""

    def _lines(self, event: events.Event) -> list[str]:
        match event:
            case events.Output():
                return [self._output(event)]
            case events.RunStarted():
                self._list_skips = len(event.steps) <= _MANY
                return [words.opening(event, self._paint)]
            case events.Ready():
                return [self._paint("green", words.ready(event, len(self._serving)))]
            case events.Changed():
                return [f"changed: {clean(', '.join(event.what))}"]
            case events.Notice():
                warning = self._paint("yellow", "warning: ") if event.level == "warning" else ""
                return [warning + clean(line) for line in event.text.split("\n")]
            case events.RunEnded():
                return self._ending(event)
        return self._step(event)

    def _step(self, event: events.StepEvent) -> list[str]:
        step, paint = event.step, self._paint
        name = f"{clean(step)}:"
        match event:
            case events.Skipped():
                return [f"{name} {paint('dim', f'up to date ({clean(event.why)})')}"] if self._list_skips else []
            case events.Started():
                self._failed.pop(step, None)
                return [f"{name} {paint('yellow', 'start')} ({clean(summary(event.reasons))})"]
            case events.Progress():
                return self._progress(event, name)
            case events.Serving():
                self._serving.add(step)
                return [f"{name} {paint('green', 'serving')} {clean(event.detail)}"]
            case events.Finished():
                self._over(step)
                same = "" if event.changed else ", same result as before"
                return [f"{name} {paint('green', 'done')} in {duration(event.seconds)}{same}"]
            case events.Failed():
                return self._failure(event, name)
            case events.Blocked():
                return [f"{name} {paint('red', 'not run')}, {clean(event.by)} failed"]
            case events.Stopped():
                self._over(step)
                return [f"{name} stopped" + (f" ({clean(summary(event.reasons))})" if event.reasons else "")]
        return []

    def _remember(self, event: events.Event) -> None:
        if not isinstance(event, events.Output) or event.source or event.step != self._printed_by:
            self._printed.clear()
        if isinstance(event, events.Output) and not event.source:
            self._printed_by = event.step
            self._printed.append(event.text)
            del self._printed[: -words.TAIL]

    def _over(self, step: StepId) -> list[str]:
        self._serving.discard(step)
        self._told.pop(step, None)
        return self._tails.drop(step)

    def _output(self, event: events.Output) -> str:
        self._tails.keep(event)
        text = clean(event.text, styles=self._paint.on)
        if event.source:
            return f"{self._paint.source(event.source, f'[{clean(event.source)}]')} {text}"
        return f"{clean(event.step)}: {self._paint('dim', '|')} {text}"

    def _progress(self, event: events.Progress, name: str) -> list[str]:
        now = self._clock.now()
        if now - self._told.get(event.step, float("-inf")) < _PROGRESS_SECONDS:
            return []
        self._told[event.step] = now
        share = f" {100 * event.done // event.total} %" if event.total else ""
        return [f"{name} {clean(event.text)}{share}"]

    def _failure(self, event: events.Failed, name: str) -> list[str]:
        tail = self._over(event.step)
        self._failed[event.step] = event.message
        shown = event.detail.strip("\n").split("\n") if event.detail else tail
        # The lines just above are these very lines when nothing came between: once is enough.
        if self._printed_by == event.step and shown == self._printed[-len(shown) :]:
            event, tail = event._replace(detail=""), []
        head = f"{name} {self._paint('red', 'FAILED')} after {duration(event.seconds)}"
        return [head, *words.failure(event, self._paint, tail)]

    def _ending(self, event: events.RunEnded) -> list[str]:
        failed = [f"  {clean(step)}: {clean(message)}" for step, message in self._failed.items()]
        return [self._paint("red" if event.failed else "green", words.ending(event)), *failed]
