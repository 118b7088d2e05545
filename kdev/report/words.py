"""The sentences that the plain and the live reporter share, so that both say the same about an event."""

from __future__ import annotations

from collections import deque

from kdev.core.events import Failed, Output, Ready, RunEnded, RunStarted
from kdev.core.step import StepId
from kdev.report.clean import clean
from kdev.report.explain import count, duration
from kdev.report.paint import Paint
from kdev.report.problems import detail_lines, hint_lines

TAIL = 20
"""How many of a step's last lines are kept, to be shown when it fails."""


def opening(event: RunStarted, paint: Paint) -> str:
    """The first line of a session."""
    where = f"{event.project} on {event.target}" if event.target else event.project
    return f"{paint('bold', event.pipeline)} {clean(where)}, {count(len(event.steps), 'step')}"


def failure(event: Failed, paint: Paint, tail: list[str]) -> list[str]:
    """What a failed step says below its headline: the message, what it printed last, what to do."""
    message = [f"  {clean(line)}" for line in event.message.strip().split("\n")]
    return message + detail_lines(event.detail or "\n".join(tail), paint) + hint_lines(event.hint, paint)


def ready(event: Ready, serving: int) -> str:
    """Everything is up to date or serving."""
    parts = [f"ready in {duration(event.seconds)}: {event.ran} ran", f"{event.skipped} up to date"]
    return ", ".join([*parts, *([f"{serving} serving"] if serving else [])])


def ending(event: RunEnded) -> str:
    """The last line of a session."""
    parts = [f"{event.ran} ran", f"{event.skipped} up to date", *([f"{event.failed} failed"] if event.failed else [])]
    word = "stopped" if event.exit_code == 130 else "failed" if event.exit_code else "done"
    return f"{word} after {duration(event.seconds)}: {', '.join(parts)}"


class Tails:
    """The last lines that each running step printed."""

    def __init__(self) -> None:
        self._lines: dict[StepId, deque[str]] = {}

    def keep(self, event: Output) -> None:
        if not event.source:
            self._lines.setdefault(event.step, deque(maxlen=TAIL)).append(event.text)

    def drop(self, step: StepId) -> list[str]:
        """Forget and return the lines of `step`."""
        return list(self._lines.pop(step, ()))

    def last(self, step: StepId) -> str:
        lines = self._lines.get(step)
        return lines[-1] if lines else ""
