"""The targets that the contract holds for: `world` is each of them in turn, `engine` the real one only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from kdev.core.ports import Manifest, Target
from kdev.core.workloads import ObjectRef, Pod
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.docker.probe import Probe
from kdev.drivers.docker.target import DockerTarget
from tests.fakes.job import FakeJob
from tests.fakes.target import FakeTarget
from tests.project import TOKEN


@dataclass
class World:
    """A target with a namespace and a project of its own."""

    target: Target
    project: str
    namespace: str
    probe: Probe | None = None
    job: FakeJob = field(default_factory=FakeJob)

    def apply(self, *objects: Manifest, owner: str = "deploy:one", force: bool = False) -> tuple[ObjectRef, ...]:
        self.target.check(objects)
        refs = self.target.apply(owner, self.namespace, objects, self.job, force=force)
        self.forget()
        return refs

    def up(self, *objects: Manifest, timeout: int = 30, **more: Any) -> tuple[ObjectRef, ...]:
        refs = self.apply(*objects, **more)
        self.target.wait_ready(refs, timeout, self.job)
        return refs

    def forget(self) -> None:
        if self.probe is not None:
            self.probe.forget()

    def pods(self, app: str = "") -> tuple[Pod, ...]:
        """Pods that are not on their way out."""
        found = self.target.pods(self.namespace, {"app": app} if app else {})
        return tuple(pod for pod in found if not pod.terminating)

    def drift(self, refs: Sequence[ObjectRef]) -> list[str]:
        self.forget()
        return [str(reason.kind) for reason in self.target.drift(refs)]

    def run(self, pod: Pod, container: str, *argv: str) -> tuple[int, str]:
        """(exit code, output) of a program in a container."""
        process = self.target.exec(pod, container, argv, cancel=self.job.cancel)
        output = b""
        try:
            while (piece := process.read(65536))[0]:
                output += piece[1]
            return process.exit_code(), output.decode()
        finally:
            process.close()


def docker_world() -> World:
    settings = DockerSettings(host=os.environ.get("DOCKER_HOST", ""))
    mark = f"{TOKEN}-{secrets.token_hex(3)}"
    clients, probe = Clients(settings), Probe(settings)
    return World(DockerTarget(clients, probe, project=mark, session="s"), mark, mark, probe)


def cleaned(world: World) -> Iterator[World]:
    try:
        yield world
    finally:
        world.target.delete(world.target.owned(world.project), FakeJob().cancel)
        world.target.close()
        assert world.target.owned(world.project) == ()


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield from cleaned(World(FakeTarget(), "test", "ns"))
    else:
        yield from cleaned(docker_world())


@pytest.fixture
def engine() -> Iterator[World]:
    yield from cleaned(docker_world())
