"""Which reporter draws a session, and the screen that its steps may borrow."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib import import_module

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.core.ports import Clock, Reporter, Screen
from kdev.report.plain import Plain


class LazyScreen:
    """core.ports.Screen that is made when a step first asks for it: a run without a terminal step never pays for it."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._screen: Screen | None = None

    def __getattr__(self, name: str) -> object:
        if self._screen is None:
            silence = getattr(self._reporter, "silence", nullcontext)
            self._screen = import_module("kdev.report.screen").TerminalScreen(silence=silence)
        return getattr(self._screen, name)


def reporter_for(options: Options, secrets: tuple[str, ...], clock: Clock) -> tuple[Reporter, Screen]:
    """JSON lines, the live view on a terminal, plain lines elsewhere; nothing of `secrets` passes."""
    inner: Reporter
    if options.output == "json":
        inner = import_module("kdev.report.jsonl").JsonLines(sys.stdout, clock)
    elif sys.stdout.isatty() and not options.plain:
        inner = import_module("kdev.report.live").Live(sys.stdout, clock, paint=paint_for(sys.stdout))
    else:
        inner = Plain(sys.stdout, clock, paint=paint_for(sys.stdout))
    screen: Screen = LazyScreen(inner)  # type: ignore[assignment] # every attribute is the real screen's
    if secrets:
        redact = import_module("kdev.report.redact")
        return redact.Redacting(inner, redact.Redactor(secrets)), screen
    return inner, screen


def plain_screen() -> Screen:
    """The terminal, with nothing drawn on it."""
    screen: Screen = import_module("kdev.report.screen").TerminalScreen()
    return screen
