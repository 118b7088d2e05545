"""The one table of drivers: which module means which action, loaded on first use. No plugin magic.

Adding a driver is one file, one line in `_DRIVERS`, one test file. Lean: a run with nothing to do loads none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from threading import RLock
from typing import Any, NamedTuple

from kdev.core.actions import Action
from kdev.core.inputs import BuildContext, Entry, Files, Pods
from kdev.core.ports import Driver, Screen, Target
from kdev.core.step import Reason, Result, Step, StepId
from kdev.drivers.docker.builder import builder_identity, find_builder
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.docker.probe import Probe
from kdev.drivers.files import FileObserver


class Surroundings(NamedTuple):
    """What drivers need to know beside their action. `root` and `state` are absolute folders."""

    root: str
    state: str
    project: str
    session: str
    target: str
    docker: DockerSettings
    environment: tuple[tuple[str, str], ...]
    screen: Screen
    verbose_sync: bool = False


_DRIVERS: dict[str, tuple[str, str]] = {
    "EnsureNamespace": ("deploy", "NamespaceDriver"),
    "Override": ("override", "OverrideDriver"),
    "Build": ("docker.build", "BuildDriver"),
    "CustomBuild": ("custom", "CustomBuildDriver"),
    "Push": ("docker.push", "PushDriver"),
    "Render": ("manifests", "RenderDriver"),
    "Deploy": ("deploy", "DeployDriver"),
    "Ready": ("deploy", "ReadyDriver"),
    "Hook": ("hook", "HookDriver"),
    "Forward": ("forward", "ForwardDriver"),
    "Sync": ("sync", "SyncDriver"),
    "Logs": ("logs", "LogsDriver"),
    "Terminal": ("terminal", "TerminalDriver"),
    "Open": ("open_url", "OpenDriver"),
}
"""Action → module below kdev.drivers, and the class in it."""


class DriverTable:
    """Meets core.ports.Drivers, and answers what observers ask of the engine. Safe to share between threads."""

    def __init__(self, surroundings: Surroundings, files: FileObserver) -> None:
        self._at = surroundings
        self._files = files
        self._lock = RLock()
        self._made: dict[str, Any] = {}
        self._probe = Probe(surroundings.docker)

    def driver(self, action: Action) -> Driver[Any]:
        """The driver for an action, made on first use."""
        name = type(action).__name__
        module, cls = _DRIVERS[name]
        driver: Driver[Any] = self._once(name, lambda: self._make(name, getattr(_module(module), cls)))
        return driver

    def _make(self, name: str, cls: Callable[..., Driver[Any]]) -> Driver[Any]:
        at = self._at
        arguments: dict[str, Callable[[], tuple[Any, ...]]] = {
            "EnsureNamespace": lambda: (self.target,),
            "Override": lambda: (at.root,),
            "Build": lambda: (at.root, self.clients, self._probe, self._files),
            "CustomBuild": lambda: (at.root, self._probe, dict(at.environment)),
            "Push": lambda: (self.clients,),
            "Render": lambda: (at.root, self._files),
            "Deploy": lambda: (self.target,),
            "Ready": lambda: (self.target,),
            "Hook": lambda: (at.root, dict(at.environment)),
            "Forward": lambda: (self.target, self.finder),
            "Sync": lambda: (self.target, self.finder, at.root, at.state, at.verbose_sync),
            "Logs": lambda: (self.target,),
            "Terminal": lambda: (self.target, self.finder),
            "Open": lambda: (),
        }
        return cls(*arguments[name]())

    # -- what is shared -------------------------------------------------------------------------------------------

    @property
    def clients(self) -> Any:
        """The Docker SDK's clients, one per thread."""
        return self._once("clients", lambda: _module("docker.client").Clients(self._at.docker))

    @property
    def target(self) -> Target:
        """Where steps act. Raises TargetError when it cannot be reached."""
        target: Target = self._once("target", self._make_target)
        return target

    def _make_target(self) -> Target:
        at = self._at
        target: Target = _module("docker.target").DockerTarget(
            self.clients, self._probe, project=at.project, session=at.session
        )
        return target

    @property
    def finder(self) -> Any:
        """How every service finds its pod."""
        return self._once("finder", lambda: _module("pods").TargetPodFinder(self.target))

    # -- what is asked on the way of every run --------------------------------------------------------------------

    def verify(self, action: Action, result: Result) -> Sequence[Reason]:
        """Why `result` no longer stands, through the leanest module that can tell."""
        kind = type(action).__name__
        if kind in ("Build", "CustomBuild"):
            reasons: Sequence[Reason] = self._probe.missing_image(result)
            return reasons
        if kind in ("Deploy", "Ready", "EnsureNamespace"):
            found: Sequence[Reason] = _module("docker.drift").verify(self._probe, action, result)
            return found
        if kind == "Push":
            return self.driver(action).verify(action, result)
        return ()

    def base_image(self, reference: str, platform: str) -> str:
        """The id of the image that the engine holds under `reference`, "" for none."""
        del platform  # an engine holds one image per reference
        return self._probe.image_id(reference)

    def tool(self, name: str) -> str:
        """Which builder, and its version: the only tool that steps ask for."""
        assert name == "builder", name
        return builder_identity(self._at.docker, self._probe)

    @property
    def builder(self) -> str:
        """What images are built with, for people."""
        return str(find_builder(self._at.docker))

    def target_identity(self) -> str:
        """Which engine this is."""
        return self._probe.engine_id()

    def login(self, repository: str) -> str:
        """Who the user is to the registry of `repository`."""
        return str(_module("docker.credentials").credentials_identity(self._at.docker, repository))

    def pods(self, wanted: Pods, needs: Mapping[StepId, Result]) -> Entry:
        """Which pod and container a service would be connected to now."""
        selector = wanted.selector
        image = needs[StepId(selector.image_step)].value("reference") if selector.image_step else ""
        found = self.target.pods(selector.namespace, dict(selector.labels), image)
        entry: Entry = _module("pods").entry_for(wanted, found, image)
        return entry

    def touches(self, step: Step, paths: frozenset[str]) -> bool:
        """Whether a change of these paths can change an input of the step."""
        return any(
            self._files.touches(wanted, path)
            for wanted in step.inputs
            if isinstance(wanted, (Files, BuildContext))
            for path in paths
        )

    def forget(self) -> None:
        """The world may have changed: ask again."""
        self._probe.forget()

    def close(self) -> None:
        """Let connections go."""
        target = self._made.get("target")
        if target is not None:
            target.close()

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]


def _module(name: str) -> Any:
    return import_module(f"kdev.drivers.{name}")
