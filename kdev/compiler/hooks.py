"""hooks → hook steps, woven between the stages they belong to.

A hook before a stage has the inputs of that stage: it runs when something of the stage will be looked at anew. A hook
after a stage has the stage's results as inputs: it runs when one of them differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kdev.compiler.request import Scope
from kdev.core.actions import Build, CustomBuild, Deploy, Hook, Push, Render
from kdev.core.step import Role, Step, StepId
from kdev.errors import Problem
from kdev.spec import model


@dataclass(frozen=True, slots=True)
class Woven:
    """All steps of the project with its hooks among them; `goals` are the hooks after the last stage."""

    steps: tuple[Step, ...]
    goals: tuple[StepId, ...]
    problems: tuple[Problem, ...]


def weave_hooks(scope: Scope, steps: Sequence[Step]) -> Woven:
    """Put every hook in. Hooks of one stage run one after the other, in the order in which they are written."""
    by_id = {step.id: step for step in steps}
    goals: list[StepId] = []
    problems: list[Problem] = []
    previous: dict[tuple[str, str], StepId] = {}
    for number, hook in enumerate(scope.workspace.project.hooks, 1):
        names = set(hook.which.split(",")) if hook.which != "all" else None
        stage = [s for s in by_id.values() if _of_stage(s, hook.what, names)]
        if not stage:
            message = f"hooks[{number - 1}]: there is no {hook.what.rstrip('s')} called {hook.which}"
            problems.append(Problem(scope.mark(hook.at), message, _known(by_id.values(), hook.what)))
            continue
        before = hook.event == "before"
        step = _before(scope, hook, number, stage, by_id) if before else _after(scope, hook, number, stage)
        key = (hook.event, hook.what)
        if key in previous:
            step = step._replace(after=(*step.after, previous[key]))
        previous[key] = step.id
        by_id[step.id] = step
        if before:
            for later in stage:
                by_id[later.id] = later._replace(needs=(*later.needs, step.id))
        else:
            goals.append(step.id)
    return Woven(tuple(by_id.values()), tuple(goals), tuple(problems))


def _of_stage(step: Step, what: str, names: set[str] | None) -> bool:
    action = step.action
    if what == "images" and isinstance(action, (Build, CustomBuild, Push)):
        return names is None or action.image in names
    return what == "deployments" and isinstance(action, Deploy) and (names is None or action.deployment in names)


def _known(steps: Iterable[Step], what: str) -> str:
    names = sorted({_name(s) for s in steps if _of_stage(s, what, None)})
    return f"known: all, {', '.join(names)}" if names else f"the configuration has no {what}"


def _name(step: Step) -> str:
    return step.id.rpartition(":")[2]


def _step(scope: Scope, hook: model.Hook, number: int) -> Step:
    action = Hook(hook.command, hook.args, scope.path("."))
    name = f"{hook.event}-{hook.what}-{number}"
    inputs = (scope.setting(f"hooks.{number - 1}", (hook.command, hook.args)),)
    return Step(scope.id("hook", name), Role.EFFECT, action, inputs=inputs, pool="hook", at=scope.at(hook.at))


def _before(scope: Scope, hook: model.Hook, number: int, stage: list[Step], by_id: dict[StepId, Step]) -> Step:
    looked_at = list(stage)
    for step in stage:
        # What a deploy applies is decided by its render step: the hook before it looks at the same things.
        looked_at += [by_id[n] for n in step.needs if n in by_id and isinstance(by_id[n].action, Render)]
    members = {step.id for step in looked_at}
    inputs = dict.fromkeys(entry for step in looked_at for entry in step.inputs)
    needs = dict.fromkeys(n for step in looked_at for n in step.needs if n not in members)
    step = _step(scope, hook, number)
    return step._replace(inputs=(*step.inputs, *inputs), needs=tuple(needs))


def _after(scope: Scope, hook: model.Hook, number: int, stage: list[Step]) -> Step:
    return _step(scope, hook, number)._replace(needs=tuple(step.id for step in stage))
