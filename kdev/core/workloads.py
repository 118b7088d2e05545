"""What a target tells about workloads, as values: objects, pods, containers, log lines."""

from __future__ import annotations

from typing import NamedTuple


class ObjectRef(NamedTuple):
    """A Kubernetes object that was applied. `digest` is over what was applied; namespace "" when cluster-wide."""

    api_version: str
    kind: str
    namespace: str
    name: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Container(NamedTuple):
    """A container of a pod. `state` is Kubernetes' word: `waiting`, `running` or `terminated`."""

    name: str
    image: str
    state: str = "running"
    ready: bool = True
    restarts: int = 0
    init: bool = False
    tty: bool = False
    reason: str = ""  # of waiting or terminated: CrashLoopBackOff, ImagePullBackOff, Error…
    exit_code: int = 0


class Pod(NamedTuple):
    """A pod as it was when asked. `phase` is Kubernetes' word; `created` is RFC 3339."""

    namespace: str
    name: str
    uid: str
    phase: str
    created: str
    labels: tuple[tuple[str, str], ...]
    containers: tuple[Container, ...]
    terminating: bool = False

    @property
    def ready(self) -> bool:
        return self.phase == "Running" and not self.terminating and all(c.ready for c in self.containers if not c.init)

    def __str__(self) -> str:
        return f"pod/{self.name}"


class LogLine(NamedTuple):
    """One line of a container's output. `time` is RFC 3339 with nanoseconds, as the engine or the kubelet wrote it."""

    time: str
    text: str
    error: bool = False
