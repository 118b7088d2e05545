"""What the live view shows, as state: feed it events, ask for rows. No terminal, no clock, no thread.

Lasting lines (`take_lines`) are few however many steps there are: above `_FULL` in one wave, steps are only counted.
"""

from __future__ import annotations

from kdev.core import events
from kdev.core.step import StepId
from kdev.report import words
from kdev.report.clean import clean, pad, width
from kdev.report.explain import duration, summary
from kdev.report.paint import Paint

_FULL = 30
_SOURCE = _NAME = 32
"""Columns that names are aligned to at most; longer ones stick out."""
_BAR = 16
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class _Running:
    """A step at work."""

    def __init__(self, since: float, reasons: str) -> None:
        self.since = since
        self.reasons = reasons
        self.progress: events.Progress | None = None


class Board:
    """`now` is any clock's seconds, handed in with each call that needs it."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._lines: list[str] = []
        self._running: dict[StepId, _Running] = {}
        self._serving: dict[StepId, str] = {}
        self._doing: dict[StepId, str] = {}  # what a service is busy with, e.g. a sync with a large upload
        self._failed: dict[StepId, str] = {}
        self._tails = words.Tails()
        self._source_width = self._names = 0
        self._began = 0.0
        self._total = self._done = self._skipped = self._listed = 0
        self._ready = False

    @property
    def busy(self) -> bool:
        """Whether the rows change with time."""
        return bool(self._running)

    def take_lines(self) -> list[str]:
        """The lasting lines since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def feed(self, event: events.Event, now: float) -> None:
        """Take in what happened."""
        match event:
            case events.Output():
                self._output(event)
            case events.RunStarted():
                self._began, self._total = now, len(event.steps)
                self._names = min(_NAME, max((width(clean(step)) for step in event.steps), default=0))
                self._lines.append(words.opening(event, self._paint))
            case events.Ready():
                self._on_ready(event)
            case events.Changed():
                self._new_wave(now)
                self._lines.append(f"{self._paint('cyan', '↻')} changed: {clean(_some(event.what))}")
            case events.Notice():
                mark = self._paint("yellow", "! ") if event.level == "warning" else "  "
                self._lines += [mark + clean(line) for line in event.text.split("\n")]
            case events.RunEnded():
                self._ending(event)
            case _:
                self._step(event, now)

    def rows(self, now: float, height: int) -> list[str]:
        """The rows to draw below, at most about half of `height`."""
        running = list(self._running.items())
        fits = max(1, height // 2 - 1)
        shown = running if len(running) <= fits else running[: fits - 1]
        rows = [self._running_row(step, item, now) for step, item in shown]
        if len(running) > len(shown):
            rows.append(self._paint("dim", f"  … and {len(running) - len(shown)} more"))
        status = self._status(now)
        return [*rows, status] if status else rows

    def _step(self, event: events.StepEvent, now: float) -> None:
        step, paint = event.step, self._paint
        match event:
            case events.Started():
                self._failed.pop(step, None)
                self._running[step] = _Running(now, clean(summary(event.reasons)))
            case events.Progress():
                if step in self._running:
                    self._running[step].progress = event
                elif step in self._serving and not 0 < event.total <= event.done:
                    self._doing[step] = event.text
                else:
                    self._doing.pop(step, None)
            case events.Skipped():
                self._skipped += 1
            case events.Serving():
                self._over(step)
                self._serving[step] = event.detail
                self._list(f"{paint('green', '●')} {self._name(step)}  {clean(event.detail)}")
            case events.Finished():
                reasons, _ = self._over(step)
                self._done += 1
                same = "" if event.changed else "same result as before; "
                self._list(f"{paint('green', '✓')} {self._name(step)} {duration(event.seconds):>7}"
                           f"  {paint('dim', same + reasons)}")
            case events.Failed():
                self._failure(event)
            case events.Blocked():
                self._list(f"{paint('red', '-')} {self._name(step)}  not run, {clean(event.by)} failed")
            case events.Stopped():
                self._over(step)
                if event.reasons:
                    self._list(f"{paint('dim', '○')} {self._name(step)}  stopped  "
                               f"{paint('dim', clean(summary(event.reasons)))}")

    def _name(self, step: StepId) -> str:
        return pad(clean(step), self._names)

    def _over(self, step: StepId) -> tuple[str, list[str]]:
        self._serving.pop(step, None)
        self._doing.pop(step, None)
        item = self._running.pop(step, None)
        return (item.reasons if item else ""), self._tails.drop(step)

    def _list(self, line: str) -> None:
        self._listed += 1
        if self._listed <= _FULL:
            self._lines.append(line)
        elif self._listed == _FULL + 1:
            self._lines.append(self._paint("dim", "  … further steps are counted below"))

    def _output(self, event: events.Output) -> None:
        self._tails.keep(event)
        if not event.source:
            # A service's own words are news; a step's are shown when it fails, the last one beside it until then.
            if event.step in self._serving:
                said = clean(event.text, styles=self._paint.on)
                self._lines.append(f"{self._paint('dim', clean(event.step))} {said}")
            return
        name = clean(event.source)
        self._source_width = max(self._source_width, min(width(name), _SOURCE))
        prefix = self._paint.source(event.source, pad(name, self._source_width) + " │")
        self._lines.append(f"{prefix} {clean(event.text, styles=self._paint.on)}")

    def _failure(self, event: events.Failed) -> None:
        _, tail = self._over(event.step)
        self._failed[event.step] = event.message
        head = f"{self._paint('red', '✗')} {clean(event.step)} failed after {duration(event.seconds)}"
        self._lines += [head, *words.failure(event, self._paint, tail)]

    def _new_wave(self, now: float) -> None:
        self._began, self._ready = now, False
        self._done = self._skipped = self._listed = 0

    def _on_ready(self, event: events.Ready) -> None:
        self._ready = True
        self._lines.append(f"{self._paint('green', '✓')} {words.ready(event, len(self._serving))}")

    def _ending(self, event: events.RunEnded) -> None:
        self._running.clear()
        self._serving.clear()
        self._ready = False
        self._total = 0
        good = not event.failed and event.exit_code in (0, 130)
        self._lines.append(self._paint("green" if good else "red", words.ending(event)))
        self._lines += [f"  {clean(step)}: {clean(message)}" for step, message in self._failed.items()]

    def _running_row(self, step: StepId, item: _Running, now: float) -> str:
        seconds = max(0.0, now - item.since)
        spinner = self._paint("yellow", _SPINNER[int(seconds * 8) % len(_SPINNER)])
        said = item.reasons
        bar = ""
        if item.progress:
            said = clean(item.progress.text)
            bar = _bar(item.progress) + " " if item.progress.total else ""
        elif last := clean(self._tails.last(step)).strip():
            said = last
        return f"{spinner} {self._name(step)} {duration(seconds):>7}  {bar}{self._paint('dim', said)}"

    def _status(self, now: float) -> str:
        paint = self._paint
        failed = [paint("red", f"✗ {_some(tuple(map(clean, self._failed)))} failed")] if self._failed else []
        if self._running or (self._total and not self._ready and not self._failed):
            counts = [f"{self._done} done", f"{self._skipped} up to date"]
            if self._serving:
                counts.append(f"{len(self._serving)} serving")
            return "  ".join([*failed, *counts, paint("dim", duration(max(0.0, now - self._began)))])
        served = [f"{paint('green', '●')} {clean(step)} {paint('dim', clean(self._doing.get(step, detail)))}"
                  for step, detail in self._serving.items()]
        return "  ".join([*failed, *served])


def _bar(progress: events.Progress) -> str:
    filled = min(_BAR, _BAR * progress.done // progress.total)
    return "━" * filled + "╌" * (_BAR - filled)


def _some(names: tuple[str, ...], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
