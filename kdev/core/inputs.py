"""What a step's fingerprint is made of: declared inputs, their observed entries, and the digest over them.

Rules: paths are POSIX and relative to the project; no absolute path, time, host or user name enters; fields are
length-prefixed and start with a schema number; secrets enter as keyed HMAC, never as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SCHEMA = 1
"""Part of every fingerprint. Raise it when the meaning of an entry changes; every step then runs once more."""

UNKNOWN = ""
"""The digest of an input that cannot be known yet, e.g. a base image that the build itself will pull."""


class Setting(NamedTuple):
    """A piece of configuration, digested by the compiler. `name` is its key, e.g. `images.web.build.docker`."""

    name: str
    digest: str


class Files(NamedTuple):
    """The files that match any of `patterns` (globs relative to the project; `**` crosses folders)."""

    name: str
    patterns: tuple[str, ...]


class BuildContext(NamedTuple):
    """A docker build context: every path under `root` that the ignore file lets through, plus the Dockerfile.

    `ignore_file` is the ignore file that applies, or "" when there is none at compile time; adding one later
    recompiles the plan. `extra_excludes` are further patterns in the same dialect.
    """

    name: str
    root: str
    dockerfile: str
    ignore_file: str = ""
    extra_excludes: tuple[str, ...] = ()


class BaseImage(NamedTuple):
    """An image that a build starts from; its entry is the image id the engine holds under `reference` now."""

    reference: str
    platform: str = ""


class Tool(NamedTuple):
    """A program whose version matters: `builder` (which builder, and its version), `helm`, `kubectl`."""

    name: str


class Login(NamedTuple):
    """Who the user is to the registry of `repository`; never the password."""

    repository: str


class Pods(NamedTuple):
    """The pod a service is connected to: its uid and the restart count of the container are the entry."""

    selector: PodSelector


class EachRun(NamedTuple):
    """Differs in every session: the user's command gives no way to know whether it is up to date.

    `name` says why, e.g. `images.web.build.custom has no onChange`.
    """

    name: str


class Environment(NamedTuple):
    """A variable of the user's environment that is handed on. Its entry is an HMAC, as a Secret's."""

    name: str


class Secret(NamedTuple):
    """A value that must not be shown. Its entry is an HMAC with a key that never leaves the state directory."""

    name: str
    value: str


class TargetIdentity(NamedTuple):
    """Which engine or cluster the step acts on. What was done to one does not count as done to another."""


class PodSelector(NamedTuple):
    """How a service finds its pod and container.

    `image_step` is the id of the build step whose image the container runs, "" when selected by labels.
    `labels` are sorted (key, value) pairs. `container` is a name, "" for the obvious one.
    """

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    image_step: str = ""
    container: str = ""


Input = (
    Setting | Secret | Environment | Files | BuildContext | BaseImage | Tool | Login | Pods | EachRun | TargetIdentity
)


class Entry(NamedTuple):
    """One observed input. `listed` says that a per-path listing can be had for `digest` (see Observer.listing)."""

    name: str
    digest: str
    listed: bool = False


def digest_of(*parts: str | bytes) -> str:
    """SHA-256 over length-prefixed `parts`, as 64 hex digits. ("ab","c") and ("a","bc") differ."""
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        state.update(b"%d:" % len(raw))
        state.update(raw)
    return state.hexdigest()


def fingerprint(entries: Iterable[Entry]) -> str:
    """The digest of a step's inputs: 64 hex digits, independent of the order in which they were observed."""
    parts: list[str] = [str(SCHEMA)]
    for entry in sorted(entries):
        parts += (entry.name, entry.digest)
    return digest_of(*parts)


def changed_paths(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The paths that were added, removed or altered between two listings (path → digest), sorted."""
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
