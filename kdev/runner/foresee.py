"""A dry run: every step of a plan judged as a run would, with nothing run, written or changed."""

from __future__ import annotations

from kdev.core.plan import Plan, Verdict, foresee, usable
from kdev.core.ports import Journal
from kdev.core.step import Reason, ReasonKind, Result, Role, Step, StepId
from kdev.runner.judge import Judge


def foresee_plan(plan: Plan, judge: Judge, journal: Journal) -> list[Verdict]:
    """One verdict per step, in an order in which they could run. will ⊆ what a run then runs ⊆ will ∪ may."""
    verdicts: list[Verdict] = []
    results: dict[StepId, Result] = {}
    for step in plan.steps:
        if step.role is Role.SERVICE:
            verdicts.append(Verdict(step.id, "run", (Reason(ReasonKind.NOT_RUNNING),)))
        elif all(need in results for need in step.needs):
            judged = judge.judge(step, {need: results[need] for need in step.needs})
            if judged.decision.trace is not None:
                results[step.id] = judged.decision.trace.result
            verdicts.append(Verdict(step.id, "run" if judged.decision.runs else "skip", judged.decision.reasons))
        else:
            verdicts.append(_waiting(step, judge, journal))
    return verdicts


def _waiting(step: Step, judge: Judge, journal: Journal) -> Verdict:
    """A step behind one that will or may run."""
    if forced := judge.forced(step.id):
        return Verdict(step.id, "run", (forced,))
    latest = journal.latest(step.id)
    own = judge.observe(step, {}).entries
    if step.role is Role.VALUE:
        history = [trace for trace in journal.history(step.id) if usable(step, latest, trace)]
    else:
        history = [latest] if latest else []
    verdict = foresee(step, own, history)
    if latest is not None:
        verdict = verdict._replace(reasons=judge.named(verdict.reasons, latest, own))
    return verdict
