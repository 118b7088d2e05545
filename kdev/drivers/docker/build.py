"""Build: an image from a Dockerfile, through BuildKit where the plugin is, else through the Engine API. One result.

The tag is by content unless the user names one: an equal image has an equal reference, and everything behind it rests.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from kdev.core import actions
from kdev.core.ports import Job
from kdev.core.step import Reason, Result
from kdev.drivers.docker.builder import Builder, find_builder
from kdev.drivers.docker.buildx import build_with_buildx
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.engine_build import build_with_engine
from kdev.drivers.docker.errors import translated
from kdev.drivers.docker.probe import Probe
from kdev.drivers.files import FileObserver
from kdev.errors import StepFailed

CONTENT_TAG = "kdev-"
_DIGITS = 12


class BuildDriver:
    """Meets core.ports.Driver for actions.Build. `root` is the project's folder."""

    def __init__(self, root: str, clients: Clients, probe: Probe, files: FileObserver) -> None:
        self._root = root
        self._clients = clients
        self._probe = probe
        self._files = files

    def run(self, action: actions.Build, job: Job) -> Result:
        """StepFailed with the last lines of the build."""
        builder = self._builder(action)
        job.progress(f"building with {builder}")
        dockerfile = self._dockerfile(action, job)
        try:
            if not builder.is_buildkit:
                made = build_with_engine(self._root, self._files, self._clients, action, dockerfile=dockerfile, job=job)
                return tagged(self._clients, action.repository, made, action.tags)
            name = build_with_buildx(self._root, builder, self._clients, action, dockerfile=dockerfile, job=job)
            return self._renamed(action, name)
        finally:
            self._probe.forget()

    def _renamed(self, action: actions.Build, name: str) -> Result:
        """The image `name` under its real tags, and under `name` no more."""
        api = self._clients.api()
        with translated(self._clients.endpoint.host):
            image_id = str(api.inspect_image(name)["Id"])
            result = tagged(self._clients, action.repository, image_id, action.tags)
            # It has another name now, so only this one goes.
            api.remove_image(name, noprune=True)
        return result

    def verify(self, action: actions.Build, result: Result) -> tuple[Reason, ...]:
        return self._probe.missing_image(result)

    def _builder(self, action: actions.Build) -> Builder:
        builder = Builder() if action.builder == "engine" else find_builder(self._clients.settings)
        demands = action.builder == "buildkit" or action.secrets or action.ssh or action.cache_from or action.cache_to
        if demands and not builder.is_buildkit:
            raise StepFailed(
                f"the image {action.image} asks for BuildKit, and the docker CLI has no buildx plugin",
                hint="install it (on Debian and Ubuntu: docker-buildx)",
            )
        return builder

    def _dockerfile(self, action: actions.Build, job: Job) -> bytes:
        if action.override:
            return job.blob(action.override).encode("utf-8", "surrogateescape")
        try:
            with open(os.path.join(self._root, action.dockerfile), "rb") as file:
                return file.read()
        except OSError as error:
            raise StepFailed(f"{action.dockerfile} cannot be read: {error.strerror}") from error


def tagged(clients: Clients, repository: str, image_id: str, tags: Sequence[str]) -> Result:
    """The image under all its tags; the first one is what manifests are given."""
    names = list(tags) or [f"{CONTENT_TAG}{image_id.removeprefix('sha256:')[:_DIGITS]}"]
    api = clients.api()
    with translated(clients.endpoint.host):
        for name in names:
            api.tag(image_id, repository, name, force=True)
    reference = f"{repository}:{names[0]}"
    values = [("image_id", image_id), ("reference", reference)]
    if len(names) > 1:
        values.append(("references", " ".join(f"{repository}:{name}" for name in names)))
    return Result(image_id, tuple(values))
