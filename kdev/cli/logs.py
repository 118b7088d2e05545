"""`kdev logs`: what the project's containers printed, and with -f what they print from now on."""

from __future__ import annotations

import json
import sys

from kdev.cli.colours import paint_for
from kdev.cli.options import Options
from kdev.cli.picking import pods_of
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.core.actions import Logs
from kdev.core.events import Event, Output
from kdev.core.inputs import PodSelector
from kdev.core.plan import Seen
from kdev.core.ports import Target
from kdev.core.step import Role, Step, StepId
from kdev.core.workloads import Pod
from kdev.drivers.logs import LogsDriver
from kdev.errors import EXIT_OK, Cancelled, StepFailed
from kdev.report.plain import Plain
from kdev.runner.cancel import Cancellation
from kdev.runner.job import Job


def main(options: Options) -> int:
    """Print. Needs no lock: it disturbs no session."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=True)
    try:
        plan = workshop.compiled().plan
        target = workshop.table(plan.project, plain_screen()).target
        pods = pods_of(workshop, plan, target)
        if not pods:
            raise StepFailed("no pod matches", hint="`kdev status` shows the pods; `kdev run deploy` starts them")
        show = _Show(workshop)
        if options.follow:
            _follow(workshop, target, pods, show)
        else:
            _print(options, target, pods, show)
    finally:
        workshop.close()
    return EXIT_OK


class _Show:
    """Lines as the session's reporter draws them, or as JSON."""

    def __init__(self, workshop: Workshop) -> None:
        self._plain = Plain(sys.stdout, workshop.clock, paint=paint_for(sys.stdout))
        self._json = workshop.options.output == "json"

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Output):
            return
        if self._json:
            print(json.dumps({"source": event.source, "text": event.text, "error": event.error}), flush=True)
        else:
            self._plain.tell(event)


def _print(options: Options, target: Target, pods: list[Pod], show: _Show) -> None:
    for pod in reversed(pods):
        for container in pod.containers:
            if options.container in ("", container.name) and not (container.init and not options.container):
                source = f"{pod.name}/{container.name}"
                for line in target.logs(pod, container.name, last=options.lines, cancel=Cancellation()):
                    show(Output(StepId("logs"), line.text, source, line.error))


def _follow(workshop: Workshop, target: Target, pods: list[Pod], show: _Show) -> None:
    """Until Ctrl-C. The pods are followed by their labels, so that a replaced one is read on."""
    selectors = dict.fromkeys(
        PodSelector(pod.namespace, pod.labels, container=workshop.options.container) for pod in pods
    )
    action = Logs(tuple(selectors), workshop.options.lines)
    step = Step(StepId("logs:all"), Role.SERVICE, action)
    job = Job(
        step, Seen((), {}), "",
        screen=plain_screen(), cancel=Cancellation(), remake=lambda need: "", post=show, up=lambda detail: None,
    )
    try:
        LogsDriver(target).run(action, job)
    except (KeyboardInterrupt, Cancelled):
        job.cancel.trigger()
