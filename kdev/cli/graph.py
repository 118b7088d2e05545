"""`kdev graph`: the steps of a pipeline as a tree, DOT, Mermaid, JSON or SVG, coloured by what would run now."""

from __future__ import annotations

import sys

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.errors import EXIT_OK, KdevError
from kdev.report.graph_notation import as_json, dot, mermaid
from kdev.report.graph_svg import svg
from kdev.report.graph_text import tree
from kdev.runner.foresee import foresee_plan


def main(options: Options) -> int:
    """Draw, on stdout or into a file."""
    workshop = Workshop(options, read_only=True)
    try:
        plan = workshop.compiled().plan
        table = workshop.table(plan.project, plain_screen())
        try:
            judge = workshop.judge(plan, table, workshop.observer(table))
            states: dict[str, str] = {v.step: v.verdict for v in foresee_plan(plan, judge, workshop.journal)}
        except KdevError:
            states = {}  # a picture needs no engine; without one it has no colours
    finally:
        workshop.close()
    form = "json" if options.output == "json" else options.format
    steps = [step.id for step in plan.steps]
    edges = [(need, step.id) for step in plan.steps for need in step.needs]
    if form == "tree":
        picture = tree(steps, edges, states, paint_for(sys.stdout))
    else:
        picture = {"dot": dot, "mermaid": mermaid, "json": as_json, "svg": svg}[form](steps, edges, states)
    if options.file:
        with open(options.file, "w", encoding="utf-8") as file:
            file.write(picture + "\n")
    else:
        print(picture)
    return EXIT_OK
