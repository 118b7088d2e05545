"""`kdev status`: who holds the project, what the last run left, and the pods as they are now."""

from __future__ import annotations

import json
import sys

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.core.actions import Deploy
from kdev.core.plan import Plan
from kdev.core.workloads import Pod
from kdev.errors import EXIT_OK
from kdev.report import explain
from kdev.state.history import Note
from kdev.state.lock import current_holder


def main(options: Options) -> int:
    """Print it. Changes nothing."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=True)
    try:
        plan = workshop.compiled().plan
        holder = current_holder(workshop.folder)
        runs = workshop.history.runs(1)
        notes = workshop.history.of_run(runs[0].run) if runs else []
        pods = _pods(workshop, plan)
        now = workshop.clock.now()
    finally:
        workshop.close()
    last = {note.step: note for note in notes}
    if options.output == "json":
        print(json.dumps({
            "project": plan.project,
            "target": options.target,
            "session": holder._asdict() if holder else None,
            "steps": [{"step": n.step, "verdict": n.verdict, "detail": n.detail, "at": n.at} for n in last.values()],
            "pods": [_pod_document(pod) for pod in pods],
        }))
        return EXIT_OK
    print(f"{plan.project} on {options.target}: " + (f"held by {holder}" if holder else "no session"))
    _steps(list(last.values()), now)
    _show_pods(pods)
    return EXIT_OK


def _pods(workshop: Workshop, plan: Plan) -> list[Pod]:
    target = workshop.table(plan.project, plain_screen()).target
    namespaces = dict.fromkeys(step.action.namespace for step in plan.steps if isinstance(step.action, Deploy))
    return [pod for namespace in namespaces for pod in target.pods(namespace, {})]


def _steps(notes: list[Note], now: float) -> None:
    paint = paint_for(sys.stdout)
    width = max((len(note.step) for note in notes), default=0)
    for note in notes:
        because = explain.summary(note.reasons) or note.detail
        style = {"failed": "red", "blocked": "red", "ran": "green"}.get(note.verdict, "dim")
        when = explain.ago(now - note.at)
        print(f"  {note.step.ljust(width)}  {paint(style, note.verdict)} {when}  {because}".rstrip())


def _show_pods(pods: list[Pod]) -> None:
    for pod in pods:
        containers = [container for container in pod.containers if not container.init]
        ready = sum(container.ready for container in containers)
        restarts = sum(container.restarts for container in containers)
        word = next((c.reason for c in containers if c.reason), pod.phase)
        print(f"  {pod}  {ready}/{len(containers)} ready  {word}  {explain.count(restarts, 'restart')}")


def _pod_document(pod: Pod) -> dict[str, object]:
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "phase": pod.phase,
        "ready": pod.ready,
        "containers": [container._asdict() for container in pod.containers],
    }
