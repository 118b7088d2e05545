"""Which pod and container `enter` and `logs` mean: by flags, else the only one there is, else a question."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from kdev.cli.options import Options
from kdev.cli.reporting import plain_screen
from kdev.cli.workshop import Workshop
from kdev.core.actions import Build, CustomBuild, Deploy
from kdev.core.plan import Plan
from kdev.core.ports import Screen, Target
from kdev.core.workloads import Container, Pod
from kdev.errors import InputNeeded, StepFailed, UsageError

Thing = TypeVar("Thing")


def pods_of(workshop: Workshop, plan: Plan, target: Target) -> list[Pod]:
    """The project's pods that the flags allow, newest first."""
    options = workshop.options
    namespaces = dict.fromkeys(step.action.namespace for step in plan.steps if isinstance(step.action, Deploy))
    if options.namespace:
        namespaces = {options.namespace: None}
    image = _reference(workshop, plan) if options.image else ""
    labels = _labels(options.label_selector)
    found = [pod for namespace in namespaces for pod in target.pods(namespace, labels, image)]
    return [pod for pod in found if options.pod in ("", pod.name) and not pod.terminating]


def pick_one(workshop: Workshop, plan: Plan, target: Target) -> tuple[Pod, str]:
    """One running pod and container. StepFailed when there is none, InputNeeded when there are several off a tty."""
    options = workshop.options
    running = [pod for pod in pods_of(workshop, plan, target) if pod.phase == "Running"]
    if not running:
        raise StepFailed("no running pod matches", hint="`kdev status` shows the pods; `kdev run deploy` starts them")
    pod = running[0] if len(running) == 1 else _ask("pod", running, [one.name for one in running])
    containers = [container for container in pod.containers if not container.init]
    if options.container:
        names = [container.name for container in containers]
        if options.container not in names:
            raise UsageError(f"{pod} has no container {options.container}", hint=f"it has {', '.join(names)}")
        return pod, options.container
    if len(containers) == 1:
        return pod, containers[0].name
    return pod, _ask_container(containers)


class Chosen(NamedTuple):
    """A running container, and what it takes to talk with it."""

    target: Target
    screen: Screen
    pod: Pod
    container: str


@contextmanager
def chosen(options: Options) -> Iterator[Chosen]:
    """The container that the flags mean. Read-only and without the lock: it disturbs no session."""
    workshop = Workshop(options._replace(pipeline="deploy"), read_only=True)
    try:
        plan, screen = workshop.compiled().plan, plain_screen()
        target = workshop.table(plan.project, screen).target
        yield Chosen(target, screen, *pick_one(workshop, plan, target))
    finally:
        workshop.close()


def _ask_container(containers: list[Container]) -> str:
    return _ask("container", containers, [container.name for container in containers]).name


def _ask(what: str, things: Sequence[Thing], names: Sequence[str]) -> Thing:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputNeeded(f"there are several {what}s: {', '.join(names)}", hint=f"say which with --{what}")
    for number, name in enumerate(names, 1):
        print(f"  {number}  {name}", file=sys.stderr)
    while True:
        print(f"which {what}? [1] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise InputNeeded(f"no {what} was chosen", hint=f"say which with --{what}")
        answer = answer.strip() or "1"
        if answer in names:
            return things[names.index(answer)]
        if answer.isdigit() and 1 <= int(answer) <= len(things):
            return things[int(answer) - 1]


def _reference(workshop: Workshop, plan: Plan) -> str:
    """The image that was built last for `--image`."""
    wanted = workshop.options.image
    for step in plan.steps:
        if isinstance(step.action, (Build, CustomBuild)) and step.action.image == wanted:
            latest = workshop.journal.latest(step.id)
            if latest is None:
                raise StepFailed(f"the image {wanted} was not built yet", hint="run `kdev run build`")
            return latest.result.value("reference")
    known = sorted({s.action.image for s in plan.steps if isinstance(s.action, (Build, CustomBuild))})
    raise UsageError(f"--image {wanted}: there is no such image", hint=f"known: {', '.join(known) or 'none'}")


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--label-selector {text}: expected KEY=VALUE,…")
        labels[key.strip()] = value.strip("= ")
    return labels
