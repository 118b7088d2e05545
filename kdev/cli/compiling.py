"""devspace.yaml to a compiled plan: loads the project and its dependencies, reads what the graph depends on.

Imported only when there is no plan in the cache: it brings YAML, networkx and the compiler.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kdev.cli.compiled import Compiled, Shape, environment_digest
from kdev.cli.options import Options
from kdev.compiler.lower import compile_graph
from kdev.compiler.request import Wish, Workspace, join
from kdev.core.actions import Build, CustomBuild, Deploy, Push, Ready, Render
from kdev.core.graph import Graph
from kdev.core.inputs import Files
from kdev.core.plan import Plan
from kdev.core.step import Role
from kdev.drivers.files import FileObserver
from kdev.drivers.git_source import fetch
from kdev.drivers.manifest_files import manifest_paths
from kdev.errors import ConfigError, Mark, Problem, UsageError
from kdev.spec.load import Loaded, Question, Settings, load
from kdev.spec.model import Dependency, Project
from kdev.state.key import SecretKey

Ask = Callable[[Question], str] | None


class ReadFiles:
    """compiler.request.Sources over the project's folder; remembers what was looked at, and what it held then."""

    def __init__(self, root: str, files: FileObserver) -> None:
        self._root = root
        self._files = files
        self.patterns: dict[str, None] = {}
        self._texts: dict[str, str | None] = {}

    def read(self, path: str) -> str | None:
        """The text of a file, None when it is not there. Bytes that are no UTF-8 are kept as they are."""
        self.patterns[path] = None
        if path not in self._texts:
            try:
                with open(os.path.join(self._root, path), "rb") as file:
                    self._texts[path] = file.read().decode("utf-8", "surrogateescape")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._texts[path] = None
        return self._texts[path]

    def glob(self, pattern: str) -> list[str]:
        """The manifests that a glob, a folder or a path means; sorted."""
        self.patterns[pattern] = None
        return manifest_paths(self._files, self._root, (pattern,))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a project is reached: its folder relative to the main project, its name, who asks for it, and the folders
    on the way to it."""

    prefix: str = ""
    name: str = ""
    entry: Dependency | None = None
    way: tuple[str, ...] = ("this project",)


class Loader:
    """Loads a project and, once each, the projects that it depends on. `skipped` are names of dependencies."""

    def __init__(self, root: str, settings: Settings, skipped: tuple[str, ...]) -> None:
        self._root = root
        self._settings = settings
        self._skipped = skipped
        self.loaded: list[tuple[str, Loaded]] = []
        self._known: dict[str, Workspace] = {}

    def workspace(self) -> Workspace:
        """The main project with everything below it. Raises ConfigError for a circle of dependencies, as a path."""
        return self._load(_Place(), self._settings)

    def _load(self, place: _Place, settings: Settings) -> Workspace:
        found = load(Path(os.path.join(self._root, place.prefix)), settings)
        self.loaded.append((place.prefix, found))
        wanted = () if place.entry and place.entry.ignore_dependencies else found.project.dependencies
        below = [self._dependency(place, dependency) for dependency in wanted]
        return Workspace(found.project, place.prefix, place.name, place.entry, tuple(filter(None, below)))

    def _source(self, place: _Place, dependency: Dependency, at: Mark) -> str:
        if not dependency.git:
            return join(place.prefix, dependency.path)
        clone = fetch(dependency, at, environment=os.environ, home=os.path.expanduser("~"))
        # Every path of a plan is relative to the main project, also this one.
        return os.path.relpath(clone, self._root).replace(os.sep, "/")

    def _dependency(self, place: _Place, dependency: Dependency) -> Workspace | None:
        at = dependency.at._replace(file=join(place.prefix, dependency.at.file))
        source = self._source(place, dependency, at)
        folder = join(source, dependency.sub_path)
        name = os.path.basename(os.path.abspath(os.path.join(self._root, folder))).lower()
        if name in self._skipped:
            return None
        if folder in place.way:
            circle = " → ".join((*place.way[place.way.index(folder) :], folder))
            raise ConfigError((Problem(at, f"the projects depend on each other in a circle: {circle}"),))
        key = f"{folder}\0{dependency.profile}"
        if key not in self._known:
            chosen = dependency.profile
            settings = replace(self._settings, profile=chosen, config_name=chosen, config_file="")
            self._known[key] = self._load(_Place(folder, name, dependency, (*place.way, folder)), settings)
        return self._known[key]


def compile_plan(
    root: str, options: Options, *, key: SecretKey, files: FileObserver, ask: Ask, answers: Mapping[str, str]
) -> Compiled:
    """Everything from text to plan. Raises ConfigError with every problem, InputNeeded, UsageError."""
    loader = Loader(root, settings_of(options, ask, answers), options.skip_dependency)
    workspace = loader.workspace()
    sources = ReadFiles(root, files)
    graph = compile_graph(workspace, _wish(options, workspace.project), sources)
    graph = _selected(graph, options)
    plan = graph.lower(project=workspace.project.name, pipeline=options.pipeline)
    return _compiled(plan, loader, sources, files, key)


def settings_of(options: Options, ask: Ask, answers: Mapping[str, str]) -> Settings:
    """What the command line and the environment say to the configuration."""
    return Settings(
        profile=options.profile,
        config_file=os.path.basename(options.config),
        config_name=options.profile,
        variables=dict(options.variables),
        environment=os.environ,
        answers=answers,
        ask=ask,
    )


def _wish(options: Options, project: Project) -> Wish:
    return Wish(
        pipeline=options.pipeline,
        interactive=options.interactive,
        namespace=options.namespace or project.namespace or "default",
        target=options.target,
        push=options.push and not options.skip_push,
        terminal=options.terminal,
        timeout=options.timeout,
        builder=options.builder,
        sync=options.sync,
        forward=options.portforwarding,
    )


def _compiled(plan: Plan, loader: Loader, sources: ReadFiles, files: FileObserver, key: SecretKey) -> Compiled:
    looked_at = dict(sources.patterns)
    environment: dict[str, str] = {}
    answers: dict[str, str] = {}
    for prefix, loaded in loader.loaded:
        looked_at |= {join(prefix, path): None for path in loaded.files}
        environment |= {name: environment_digest(key, name) for name in loaded.environment}
        answers |= loaded.answers
    patterns = tuple(sorted(looked_at))
    digest = files.observe(Files("configuration", patterns)).digest
    projects = [loaded.project for _, loaded in loader.loaded]
    secrets = tuple(sorted({secret for project in projects for secret in project.secrets}))
    volatile = any(loaded.volatile for _, loaded in loader.loaded)
    warnings = tuple(dict.fromkeys(warning for project in projects for warning in project.warnings))
    shape = Shape(patterns, digest, environment)
    return Compiled(plan, shape, warnings, secrets, answers, reusable=not volatile and not secrets)


def _selected(graph: Graph, options: Options) -> Graph:
    """The graph with what the command line leaves out taken away."""
    actions = [step.action for step in graph.steps.values()]
    _known("images", options.images, {one.image for one in actions if isinstance(one, (Build, CustomBuild))})
    _known("deployments", options.deployments, {one.deployment for one in actions if isinstance(one, Deploy)})
    steps = graph.steps.values()
    goals = [step.id for step in steps if _chosen(step.action, options) or step.role is Role.SERVICE]
    return graph.slice(goals) if options.images or options.deployments else graph


def _chosen(action: object, options: Options) -> bool:
    if isinstance(action, (Build, CustomBuild, Push)):
        return action.image in options.images
    if isinstance(action, (Render, Deploy, Ready)):
        return action.deployment in options.deployments
    return False


def _known(flag: str, names: tuple[str, ...], known: set[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = f"known: {', '.join(sorted(known)) or 'none'}"
        raise UsageError(f"--{flag}: there is no {', '.join(unknown)}", hint=hint)
