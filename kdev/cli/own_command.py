"""`kdev run NAME`: a command of the project's own, a POSIX shell script with the further arguments behind it."""

from __future__ import annotations

import os
import shlex
from difflib import get_close_matches
from pathlib import Path

from kdev.cli.asking import asker
from kdev.cli.compiling import settings_of
from kdev.cli.options import PIPELINES, Options
from kdev.cli.workshop import Workshop
from kdev.drivers.process import run_on_terminal
from kdev.errors import EXIT_OK, UsageError
from kdev.runner.cancel import Cancellation
from kdev.spec.load import load


def main(options: Options) -> int:
    """Run it in the project's folder on this terminal; its exit code. Raises UsageError for an unknown name."""
    workshop = Workshop(options, read_only=options.dry_run)
    try:
        settings = settings_of(options, asker(options.dry_run), workshop.answers.all())
        project = load(Path(workshop.root), settings).project
    finally:
        workshop.close()
    commands = {command.name: command.command for command in project.commands}
    if options.pipeline not in commands:
        known = [*PIPELINES, *commands]
        near = get_close_matches(options.pipeline, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise UsageError(f"there is no pipeline and no command called {options.pipeline}", hint=hint)
    script = " ".join([commands[options.pipeline], *map(shlex.quote, options.arguments)])
    if options.dry_run:
        print(f"would run: {script}")
        return EXIT_OK
    return run_on_terminal(("sh", "-c", script), Cancellation(), cwd=workshop.root, env=dict(os.environ))
