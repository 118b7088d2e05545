"""`--dry-run` and `kdev plan`: what will run, what may run, and why. Changes nothing, on disk or anywhere else."""

from __future__ import annotations

import sys

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.core.actions import Build
from kdev.errors import EXIT_CHANGES, EXIT_OK
from kdev.report import plan as pictures
from kdev.report.redact import Redactor
from kdev.runner.foresee import foresee_plan


def main(options: Options) -> int:
    """Print the plan; with --detailed-exitcode 2 when there is something to do."""
    workshop = Workshop(options, read_only=True)
    try:
        made = workshop.compiled()
        table = workshop.table(made.plan.project, plain_screen())
        judge = workshop.judge(made.plan, table, workshop.observer(table))
        verdicts = Redactor(made.secrets).value(tuple(foresee_plan(made.plan, judge, workshop.journal)))
        builder = table.builder if any(isinstance(step.action, Build) for step in made.plan.steps) else ""
    finally:
        workshop.close()
    needs = {step.id: step.needs for step in made.plan.steps}
    if options.output == "json":
        document = pictures.document(
            verdicts, needs, pipeline=options.pipeline, project=made.plan.project, target=options.target,
            builder=builder,
        )
        print(pictures.dumps(document))
    else:
        print(pictures.text(verdicts, needs, paint_for(sys.stdout), builder=builder))
    changes = any(verdict.verdict != "skip" for verdict in verdicts)
    return EXIT_CHANGES if changes and options.detailed_exitcode else EXIT_OK
