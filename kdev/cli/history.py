"""`kdev history`: the last runs of this project."""

from __future__ import annotations

import json
import time

from kdev.cli.options import Options
from kdev.cli.workshop import Workshop
from kdev.errors import EXIT_OK
from kdev.report.explain import duration
from kdev.state.history import Run


def main(options: Options) -> int:
    """Newest last, as a log reads."""
    workshop = Workshop(options, read_only=True)
    try:
        runs = workshop.history.runs(options.limit)
        counts = {run.run: _counts(workshop, run) for run in runs}
    finally:
        workshop.close()
    for run in reversed(runs):
        if options.output == "json":
            print(json.dumps({**run._asdict(), "steps": counts[run.run]}))
            continue
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
        took = duration(run.ended - run.started) if run.ended else "did not end"
        what = ", ".join(f"{number} {verdict}" for verdict, number in counts[run.run].items())
        print(f"{run.run}  {when}  {run.pipeline:7} {took:>11}  exit {run.exit_code:3}  {what}")
    if not runs and options.output == "text":
        print("nothing ran in this project yet")
    return EXIT_OK


def _counts(workshop: Workshop, run: Run) -> dict[str, int]:
    counts: dict[str, int] = {}
    for note in workshop.history.of_run(run.run):
        counts[note.verdict] = counts.get(note.verdict, 0) + 1
    return counts
