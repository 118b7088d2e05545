"""Which builder there is: BuildKit through the docker CLI's buildx plugin, or the engine's. Lean: asked every run."""

from __future__ import annotations

import os
from typing import NamedTuple

from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.docker.probe import Probe

_PLUGIN = "docker-buildx"
_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)


class Builder(NamedTuple):
    """`docker` and `plugin` are paths; both "" when images are built through the Engine API."""

    docker: str = ""
    plugin: str = ""

    @property
    def is_buildkit(self) -> bool:
        return bool(self.plugin)

    def __str__(self) -> str:
        return "BuildKit (docker buildx)" if self.is_buildkit else "the engine's own builder"


def find_builder(settings: DockerSettings) -> Builder:
    """The plugin as the docker CLI would find it; without the CLI it is of no use. DOCKER_BUILDKIT=0 turns it down."""
    environment = dict(settings.environment)
    if environment.get("DOCKER_BUILDKIT") == "0":
        return Builder()
    docker = _on_path("docker", environment.get("PATH", os.defpath))
    for folder in (os.path.join(settings.config, "cli-plugins"), *_FOLDERS):
        plugin = os.path.join(folder, _PLUGIN)
        if docker and os.access(plugin, os.X_OK):
            return Builder(docker, plugin)
    return Builder()


def builder_identity(settings: DockerSettings, probe: Probe) -> str:
    """Which builder, and its version: an input of every build. The plugin's size stands for its version; to ask it
    would cost a process on every run."""
    builder = find_builder(settings)
    kind = f"buildkit {os.path.getsize(builder.plugin)}" if builder.is_buildkit else "engine"
    return f"{kind}, engine {probe.engine_version()}"


def _on_path(program: str, path: str) -> str:
    for folder in path.split(os.pathsep):
        found = os.path.join(folder, program)
        if os.access(found, os.X_OK) and os.path.isfile(found):
            return found
    return ""
