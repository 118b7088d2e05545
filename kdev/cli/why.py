"""`kdev why STEP`: what the last runs did with a step and for which reasons, and what a run would do now."""

from __future__ import annotations

import json
import sys

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop, named
from kdev.core.plan import Plan, Verdict
from kdev.core.step import StepId
from kdev.errors import EXIT_OK, UsageError
from kdev.report import explain
from kdev.report.jsonl import reason_document
from kdev.report.plan import waits_for
from kdev.runner.foresee import foresee_plan
from kdev.state.history import Note


def main(options: Options) -> int:
    """Tell of each named step; of every step of the last run when none is named. Changes nothing."""
    workshop = Workshop(options, read_only=True)
    try:
        workshop.options = options._replace(pipeline=options.pipeline or _last_pipeline(workshop))
        plan = workshop.compiled().plan
        steps = [step for pattern in options.arguments for step in named(plan, pattern)] or [s.id for s in plan.steps]
        table = workshop.table(plan.project, plain_screen())
        judge = workshop.judge(plan, table, workshop.observer(table))
        verdicts = {verdict.step: verdict for verdict in foresee_plan(plan, judge, workshop.journal)}
        for step in steps:
            _tell(workshop, plan, verdicts, step)
    finally:
        workshop.close()
    return EXIT_OK


def _last_pipeline(workshop: Workshop) -> str:
    runs = workshop.history.runs(1)
    if not runs:
        raise UsageError("nothing ran in this project yet", hint="`kdev plan dev` says what would run and why")
    return runs[0].pipeline


def _tell(workshop: Workshop, plan: Plan, verdicts: dict[StepId, Verdict], step: StepId) -> None:
    notes = workshop.history.of_step(step, workshop.options.limit)
    needs = {one.id: one.needs for one in plan.steps}
    upstream = waits_for(step, needs, {v.step: v.verdict for v in verdicts.values()})
    if workshop.options.output == "json":
        print(json.dumps(_document(step, verdicts[step], notes, upstream)))
        return
    paint = paint_for(sys.stdout)
    now = workshop.clock.now()
    print(explain.why(verdicts[step], workshop.journal.latest(step), now, upstream))
    for note in notes:
        print(paint("dim", f"  run {note.run}, {explain.ago(now - note.at)}: {_sentence(note)}"))


def _sentence(note: Note) -> str:
    because = explain.summary(note.reasons) or note.detail
    return f"{note.verdict} ({because})" if because else note.verdict


def _document(step: StepId, verdict: Verdict, notes: list[Note], upstream: list[StepId]) -> dict[str, object]:
    return {
        "step": step,
        "now": {
            "verdict": verdict.verdict,
            "reasons": [reason_document(reason) for reason in verdict.reasons],
            "waits_for": upstream,
        },
        "runs": [
            {
                "run": note.run,
                "verdict": note.verdict,
                "reasons": [reason_document(reason) for reason in note.reasons],
                "detail": note.detail,
                "seconds": note.seconds,
                "at": note.at,
            }
            for note in notes
        ],
    }
