"""`kdev run` and its short forms: a pipeline as a session, as a dry run, or the removal of all it made."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

from kdev.cli.compiled import Compiled
from kdev.cli.options import PIPELINES, Options
from kdev.cli.reporting import reporter_for
from kdev.cli.workshop import Workshop
from kdev.core.events import Notice, RunStarted
from kdev.core.plan import Plan
from kdev.core.step import Role
from kdev.drivers.table import DriverTable
from kdev.errors import EXIT_INTERRUPTED
from kdev.runner.chronicle import Chronicle
from kdev.runner.outside import Mode, Outside
from kdev.runner.session import Session


def main(options: Options) -> int:
    """Run what was asked for; the exit code."""
    if options.pipeline == "purge":
        return int(import_module("kdev.cli.purge").main(options))
    if options.pipeline not in PIPELINES:
        return int(import_module("kdev.cli.own_command").main(options))
    if options.pipeline == "dev" and options.terminal is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        # A terminal needs a person in front of it; off a terminal dev shows the logs instead.
        options = options._replace(terminal=False)
    if options.dry_run:
        return int(import_module("kdev.cli.dry_run").main(options))
    workshop = Workshop(options)
    try:
        with workshop.lock():
            return _session(workshop)
    finally:
        workshop.close()


def _session(workshop: Workshop) -> int:
    options = workshop.options
    made = workshop.compiled()
    reporter, screen = reporter_for(options, made.secrets, workshop.clock)
    table = workshop.table(made.plan.project, screen)
    observer = workshop.observer(table)
    stays = any(step.role is Role.SERVICE for step in made.plan.steps) and not options.exit_when_ready
    reload = _Reload(workshop, made)
    outside = Outside(
        observer, workshop.journal, Chronicle(workshop.history, workshop.clock), table, reporter, screen, workshop.clock
    )
    mode = Mode(stays, _pools(options), table.touches, reload)
    session = Session(made.plan, workshop.judge(made.plan, table, observer), outside, mode, workshop.run_id)
    _obey_signals()
    try:
        started = RunStarted(
            workshop.run_id, options.pipeline, made.plan.project, options.target,
            tuple(step.id for step in made.plan.steps),
        )
        session.tell(started)
        for text in (*workshop.store.notices, *made.warnings):
            session.tell(Notice(text, "warning"))
        if stays:
            # Before the first check: nothing that is saved from here on is missed.
            reload.watch(table, session)
        return session.run()
    finally:
        reporter.close()


class _Reload:
    """Compiles the configuration anew when what shaped the plan changed."""

    def __init__(self, workshop: Workshop, made: Compiled) -> None:
        self._workshop = workshop
        self._made = made
        self._watching: Any = None

    def watch(self, table: DriverTable, session: Session) -> None:
        """Watch what the plan looks at. Until now nothing of the watcher was imported."""
        watching = import_module("kdev.cli.watching").Watching
        self._watching = watching(self._workshop.root, table, session.cancel, session.inbox.put)
        self._watching.start(self._made.plan, self._made.shape.files())

    def __call__(self, paths: frozenset[str] | None) -> Plan | None:
        """The new plan; None when nothing that shaped the old one changed. Raises ConfigError, InputNeeded."""
        del paths  # the digest of everything that was looked at is cheaper than telling which path means what
        if self._workshop.plans.fresh(self._made.shape):
            return None
        made = self._workshop.compile()
        unchanged = made.plan == self._made.plan
        self._made = made
        if unchanged:
            return None
        if self._watching is not None:
            self._watching.update(made.plan, made.shape.files())
        return made.plan


def _pools(options: Options) -> dict[str, int]:
    """How many steps of a kind run at once."""
    builds = 1 if options.build_sequential else options.max_concurrent_builds or max(2, os.cpu_count() or 2)
    return {"build": builds, "push": 4, "apply": 4, "hook": 1}


def _obey_signals() -> None:
    """The first Ctrl-C, SIGTERM or SIGHUP ends the session in order; a second one leaves at once."""
    seen: list[int] = []

    def interrupted(number: int, frame: FrameType | None) -> None:
        del frame
        if seen:
            os._exit(EXIT_INTERRUPTED)
        seen.append(number)
        raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupted)
