"""dev → forward, sync, open, logs, terminal steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kdev.compiler.deployments import Deployed
from kdev.compiler.images import BuiltImage, interactive_image
from kdev.compiler.request import Scope
from kdev.core.actions import Action, Forward, Logs, Open, Sync, Terminal
from kdev.core.inputs import Input, Pods, PodSelector, TargetIdentity
from kdev.core.step import Role, Step, StepId
from kdev.spec import model


class _Builder:
    """Makes the service steps of one project."""

    def __init__(self, scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...]) -> None:
        self.scope = scope
        self.built = built
        self.deployed = deployed
        self.names: dict[str, int] = {}

    def selector(self, selector: model.Selector) -> PodSelector:
        hosts = self.hosts(selector)
        namespace = selector.namespace or (hosts[0].namespace if hosts else self.scope.namespace)
        image = self.built.get(selector.image)
        return PodSelector(namespace, selector.labels, image.step if image else "", selector.container)

    def hosts(self, selector: model.Selector) -> list[Deployed]:
        """The deployments whose pods may be meant."""
        if selector.image:
            return [d for d in self.deployed if selector.image in d.images]
        wanted = dict(selector.labels)
        return [d for d in self.deployed if any(wanted.items() <= one.labels.items() for one in d.workloads)]

    def needs(self, selector: model.Selector) -> tuple[StepId, ...]:
        """The deployments that make the pod are ready; all of them when it cannot be told which. And the image that
        the pod is found by is known."""
        hosts = self.hosts(selector) or list(self.deployed)
        image = self.built.get(selector.image)
        return (*((image.step,) if image else ()), *(host.ready for host in hosts))

    def name(self, selector: model.Selector, fallback: str) -> str:
        """A name that a person recognises, made unique by a number."""
        base = selector.image or "-".join(value for _, value in selector.labels[-1:]) or fallback
        self.names[base] = self.names.get(base, 0) + 1
        return base if self.names[base] == 1 else f"{base}-{self.names[base]}"

    def service(
        self, kind: str, name: str, action: Action, at: str, *selectors: model.Selector, after: Iterable[StepId] = ()
    ) -> Step:
        """A service that is connected to the pods of `selectors`."""
        needs = dict.fromkeys(need for selector in selectors for need in self.needs(selector))
        pods: list[Input] = [Pods(self.selector(selector)) for selector in selectors]
        inputs = (self.scope.setting(f"dev.{kind}.{name}", action[0:]), TargetIdentity(), *pods)
        return Step(self.scope.id(kind, name), Role.SERVICE, action, tuple(needs), tuple(after), inputs, "", at)


def compile_dev(scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...]) -> list[Step]:
    """The services of `dev`. The last of them, a terminal or the logs, begins when the others are up."""
    dev = scope.workspace.project.dev
    steps = _forwards(scope, built, deployed) if scope.wish.forward else []
    steps += _syncs(scope, built, deployed) if scope.wish.sync else []
    first = tuple(step.id for step in steps)
    forwards = tuple(step.id for step in steps if isinstance(step.action, Forward))
    at = f"{scope.path('devspace.yaml')}:1:1"
    for number, url in enumerate(dev.open, 1):
        needs = forwards or tuple(d.ready for d in deployed)
        inputs = (scope.setting(f"dev.open.{number}", url),)
        steps.append(Step(scope.id("open", str(number)), Role.SERVICE, Open(url), needs, (), inputs, "", at))
    terminal = dev.terminal
    wanted = scope.wish.terminal
    if wanted is None:
        wanted = scope.wish.interactive or (terminal is not None and terminal.enabled)
    if wanted:
        steps.append(_terminal(scope, built, deployed, first))
    elif not dev.logs.disabled:
        steps += _logs(scope, built, deployed, first)
    return steps


def _forwards(scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...]) -> list[Step]:
    builder = _Builder(scope, built, deployed)
    steps = []
    for entry in scope.workspace.project.dev.ports:
        name = builder.name(entry.selector, "pods")
        binds: dict[str, list[tuple[int, int]]] = {}
        for mapping in entry.forward:
            binds.setdefault(mapping.bind_address, []).append((mapping.local, mapping.remote))
        for number, (bind, ports) in enumerate(binds.items()):
            own = name if number == 0 else f"{name}@{bind}"
            action = Forward(builder.selector(entry.selector), tuple(ports), bind)
            steps.append(builder.service("forward", own, action, scope.at(entry.at), entry.selector))
    return steps


def _syncs(scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...]) -> list[Step]:
    builder = _Builder(scope, built, deployed)
    steps = []
    for entry in scope.workspace.project.dev.sync:
        action = Sync(
            selector=builder.selector(entry.selector),
            local=scope.path(entry.local),
            remote=entry.remote,
            excludes=entry.exclude_paths,
            download_excludes=entry.download_exclude_paths,
            upload_excludes=entry.upload_exclude_paths,
            initial=entry.initial,
            wait_initial=entry.wait_initial_sync,
            upload_limit=entry.upload_limit,
            download_limit=entry.download_limit,
        )
        name = builder.name(entry.selector, "pods")
        steps.append(builder.service("sync", name, action, scope.at(entry.at), entry.selector))
    return steps


def _logs(
    scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...], after: tuple[StepId, ...]
) -> list[Step]:
    dev = scope.workspace.project.dev
    names = dev.logs.images or tuple(name for name in built if any(name in d.images for d in deployed))
    builder = _Builder(scope, built, deployed)
    at = f"{scope.path('devspace.yaml')}:1:1"
    steps = []
    for name in names:
        selector = model.Selector(image=name)
        action = Logs((builder.selector(selector),), dev.logs.show_last)
        # The stream follows pods by itself: a replaced pod is the next source, not a reason to begin again. One step
        # for each image, so that a new image of one service does not cut the lines of another.
        inputs = (scope.setting(f"dev.logs.{name}", action[0:]), TargetIdentity())
        steps.append(
            Step(scope.id("logs", name), Role.SERVICE, action, builder.needs(selector), after, inputs, "", at)
        )
    return steps


def _terminal(
    scope: Scope, built: Mapping[str, BuiltImage], deployed: tuple[Deployed, ...], after: tuple[StepId, ...]
) -> Step:
    terminal = scope.workspace.project.dev.terminal
    builder = _Builder(scope, built, deployed)
    selector = terminal.selector if terminal else model.Selector()
    if not selector.image and not selector.labels:
        overridden = [override.image for override in scope.workspace.project.dev.overrides]
        chosen = overridden[0] if overridden else interactive_image(scope)
        selector = model.Selector(image=chosen if chosen in built else "", container=selector.container)
    action = Terminal(builder.selector(selector), terminal.command if terminal else ())
    at = scope.at(terminal.at) if terminal else f"{scope.path('devspace.yaml')}:1:1"
    return builder.service("terminal", builder.name(selector, "shell"), action, at, selector, after=after)
