"""The order of the passes: dependencies first, then each section of a project, then the goals of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from kdev.compiler.deployments import compile_deployments
from kdev.compiler.dev import compile_dev
from kdev.compiler.hooks import weave_hooks
from kdev.compiler.images import compile_images
from kdev.compiler.request import Scope, Sources, Wish, Workspace
from kdev.compiler.workloads import scan
from kdev.core.actions import Build, CustomBuild, Hook, Push, Ready
from kdev.core.graph import Graph
from kdev.core.step import Role, Step, StepId
from kdev.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class _Part:
    """The steps of one project with those it depends on; `ready` is what "it is deployed" means."""

    steps: tuple[Step, ...]
    ready: tuple[StepId, ...]
    hooks: tuple[StepId, ...]
    problems: tuple[Problem, ...]


def compile_graph(workspace: Workspace, wish: Wish, sources: Sources) -> Graph:
    """The graph of `wish.pipeline`. Raises ConfigError with the problems of every project at once."""
    part = _compile(workspace, wish, sources, wish.namespace)
    if part.problems:
        raise ConfigError(part.problems)
    graph = Graph({step.id: step for step in part.steps}.values())
    return graph.slice(_goals(graph, wish.pipeline))


def _compile(workspace: Workspace, wish: Wish, sources: Sources, namespace: str) -> _Part:
    inherited = workspace.entry.namespace if workspace.entry and workspace.entry.namespace else namespace
    scope = Scope(workspace, wish, sources, inherited)
    before = [_compile(dependency, wish, sources, inherited) for dependency in workspace.dependencies]
    first = tuple(ready for part in before for ready in part.ready)
    scans = tuple(scan(deployment, scope) for deployment in workspace.project.deployments)
    images = compile_images(scope, scans)
    deployments = compile_deployments(scope, scans, images.built, first)
    steps: list[Step] = [*images.steps, *deployments.steps]
    woven = weave_hooks(scope, steps)
    steps = list(woven.steps)
    if wish.pipeline == "dev" and not workspace.name:
        steps += compile_dev(scope, images.built, deployments.deployed)
    problems = [problem for part in before for problem in part.problems]
    problems += [*images.problems, *(problem for one in scans for problem in one.problems), *woven.problems]
    ready = tuple(d.ready for d in deployments.deployed)
    return _Part(
        (*(step for part in before for step in part.steps), *steps),
        ready or first,
        (*(hook for part in before for hook in part.hooks), *woven.goals),
        tuple(problems),
    )


def _goals(graph: Graph, pipeline: str) -> list[StepId]:
    """build: every image; deploy: every deployment ready, and the hooks after; dev: all that and the services."""
    kinds: dict[str, tuple[type, ...]] = {"build": (Build, CustomBuild, Push)}
    wanted = kinds.get(pipeline, (Build, CustomBuild, Push, Ready))
    goals = [step.id for step in graph.steps.values() if isinstance(step.action, wanted)]
    if pipeline == "dev":
        goals += [step.id for step in graph.steps.values() if step.role is Role.SERVICE]
    stages = set(goals)
    hooks = [step for step in graph.steps.values() if isinstance(step.action, Hook)]
    # A hook belongs to the pipeline when everything it waits for does.
    return goals + [hook.id for hook in hooks if pipeline != "build" or set(hook.needs) <= stages]
