"""A dry run as text and as JSON (schemas/plan.schema.json): what will run, what may run, what is up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kdev.core.plan import Verdict
from kdev.core.step import StepId
from kdev.report.clean import clean
from kdev.report.explain import summary
from kdev.report.jsonl import reason_document
from kdev.report.paint import STATES, Paint

SCHEMA = 1
_WORDS = {"run": "will run", "may": "may run", "skip": "up to date"}
Needs = Mapping[StepId, Sequence[StepId]]
"""The steps that each step needs."""


def text(verdicts: Sequence[Verdict], needs: Needs, paint: Paint | None = None, *, builder: str = "") -> str:
    """One line per step, in the order in which they could run, and the counts. `builder` is what images are built with,
    "" when there are none."""
    paint = paint or Paint(False)
    states = {item.step: item.verdict for item in verdicts}
    column = max((len(item.step) for item in verdicts), default=0)
    lines = [_line(item, column, waits_for(item.step, needs, states), paint) for item in verdicts]
    counts = counted(verdicts)
    total = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in ("run", "may", "skip"))
    note = [paint("dim", f"images are built with {builder}")] if builder else []
    return "\n".join([*lines, *note, paint("bold", total)])


def document(
    verdicts: Sequence[Verdict], needs: Needs, *, pipeline: str, project: str, target: str, builder: str = ""
) -> dict[str, Any]:
    """The plan as JSON types."""
    states = {item.step: item.verdict for item in verdicts}
    return {
        "schema": SCHEMA,
        "pipeline": pipeline,
        "project": project,
        "target": target,
        "builder": builder,
        "steps": [
            {
                "step": item.step,
                "verdict": item.verdict,
                "reasons": [reason_document(reason) for reason in item.reasons],
                "needs": list(needs.get(item.step, ())),
                "waits_for": waits_for(item.step, needs, states) if item.verdict == "may" else [],
            }
            for item in verdicts
        ],
        "counts": counted(verdicts),
    }


def dumps(plan: Mapping[str, Any]) -> str:
    """The document as one line of JSON."""
    return json.dumps(plan, separators=(",", ":"))


def counted(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many steps have each verdict; all three keys are there."""
    return {verdict: sum(item.verdict == verdict for item in verdicts) for verdict in _WORDS}


def waits_for(step: StepId, needs: Needs, states: Mapping[StepId, str]) -> list[StepId]:
    """The needs of `step` that are not up to date: on their results it depends whether a `may` runs."""
    return [need for need in needs.get(step, ()) if states.get(need, "skip") != "skip"]


def _line(item: Verdict, column: int, upstream: list[StepId], paint: Paint) -> str:
    because = summary(item.reasons)
    if item.verdict == "may" and not because:
        because = f"if the result of {' or '.join(upstream)} changes" if upstream else "waits for an earlier step"
    word = paint(STATES[item.verdict], _WORDS[item.verdict].ljust(10))
    return f"{word}  {clean(item.step).ljust(column)}  {clean(because)}".rstrip()
