"""What the compiler is asked for: a tree of projects, the command line's wishes, and a way to read named files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kdev.core.inputs import Secret, Setting, digest_of
from kdev.core.step import StepId
from kdev.errors import Mark
from kdev.spec.model import Dependency, Project


class Sources(Protocol):
    """The files that shape the graph (Dockerfiles, manifests). Whoever supplies it remembers what was read."""

    def read(self, path: str) -> str | None:
        """The text of a file, relative to the main project's root; None when it is not there."""

    def glob(self, pattern: str) -> Sequence[str]:
        """The files that match a glob, a folder (every YAML and JSON file in it) or a path; sorted."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for. `pipeline` is dev, deploy or build."""

    pipeline: str
    interactive: bool = False
    namespace: str = "default"
    target: str = "docker"
    push: bool = False
    terminal: bool | None = None  # None: as the configuration says
    timeout: int = 120
    builder: str = "auto"
    sync: bool = True
    forward: bool = True


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project and the projects it depends on. `prefix` is its root relative to the main project's ("" for that one);
    `name` is "" for the main project. `entry` is where it was named."""

    project: Project
    prefix: str = ""
    name: str = ""
    entry: Dependency | None = None
    dependencies: tuple[Workspace, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Scope:
    """What the modules of this room need to make steps of one project."""

    workspace: Workspace
    wish: Wish
    sources: Sources
    namespace: str

    def id(self, kind: str, name: str) -> StepId:
        """`kind:name`, with `dep/NAME::` in front inside a dependency."""
        own = f"{kind}:{name}"
        return StepId(f"dep/{self.workspace.name}::{own}" if self.workspace.name else own)

    def path(self, written: str) -> str:
        """A path of this project, as one relative to the main project's root, in POSIX form without `.` and `..`
        where that is possible."""
        return join(self.workspace.prefix, written)

    def setting(self, name: str, value: object) -> Setting | Secret:
        """A piece of configuration as an input. `value` is made of strings, numbers, booleans, None, tuples and dicts;
        one that holds a secret is kept apart, so that not even its digest can be guessed at."""
        text = canonical(value)
        if any(repr(secret)[1:-1] in text for secret in self.workspace.project.secrets):
            return Secret(name, text)
        return Setting(name, digest_of(text))

    def at(self, mark: Mark) -> str:
        return f"{self.path(mark.file)}:{mark.line}:{mark.column}"

    def mark(self, mark: Mark) -> Mark:
        return mark._replace(file=self.path(mark.file))


def join(prefix: str, written: str) -> str:
    """Both parts as one normal POSIX path; `.` for the root itself. Absolute paths stay as they are."""
    if written.startswith("/"):
        return written
    parts: list[str] = []
    for part in f"{prefix}/{written}".split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts) or "."


def canonical(value: object) -> str:
    """A text that is equal exactly for equal values; mappings without regard to order."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in sorted(value, key=str)) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(map(canonical, value)) + "]"
    return f"{type(value).__name__}:{value!r}"
