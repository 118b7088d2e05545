"""A build through `docker buildx build`: BuildKit with its secrets, caches and mounts.

The Dockerfile and the ignore rules are handed over in a folder of ours: nothing is written into the user's tree, a
changed Dockerfile needs no other way, and kdev's own folders are never sent.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections import deque
from tempfile import TemporaryDirectory

from kdev.core.actions import Build
from kdev.core.inputs import BuildContext
from kdev.core.ports import Job
from kdev.drivers.docker.builder import Builder
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.errors import translated
from kdev.drivers.files import ignore_candidates
from kdev.drivers.process import run
from kdev.errors import StepFailed

_TAIL = 20
_OWN_FOLDERS = b"\n.kdev\n.devspace\n"


def build_with_buildx(
    root: str, builder: Builder, clients: Clients, action: Build, *, dockerfile: bytes, job: Job
) -> str:
    """The image id on the engine. StepFailed with the last lines of the build."""
    environment = dict(clients.settings.environment)
    # What the image is called while it is being made: with some builders only a name leads to the loaded image's id.
    name = f"{action.repository}:kdev-build-{secrets.token_hex(6)}"
    with TemporaryDirectory(prefix="kdev-build-") as folder:
        path = os.path.join(folder, "Dockerfile")
        _write(path, dockerfile)
        _write(f"{path}.dockerignore", _ignore_rules(root, action) + _OWN_FOLDERS)
        progress = _Progress(job)
        argv = [builder.docker, "buildx", "build", "--load", "--progress", _progress_kind(builder, environment)]
        argv += ["--file", path, "--tag", name, *_flags(clients, action), os.path.join(root, action.context)]
        ended = run(argv, job.cancel, lambda text, error: progress.take(text), cwd=root, env=environment)
    if ended.code:
        raise StepFailed(f"the build of {action.image} failed{progress.failure()}", detail="\n".join(progress.tail))
    api = clients.api()
    with translated(clients.endpoint.host):
        image_id = str(api.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
        # The image stays: the caller gives it its real name before this one goes.
        api.tag(image_id, action.repository, f"kdev-{image_id.removeprefix('sha256:')[:12]}", force=True)
        api.remove_image(name, noprune=True)
    return image_id


def _flags(clients: Clients, action: Build) -> list[str]:
    flags: list[str] = []
    for option, text in (("--target", action.target), ("--network", action.network), ("--platform", action.platform)):
        flags += [option, text] if text else []
    for name, given in action.build_args:
        # Without a value it is handed over in the environment, where the user keeps it: process lists are public.
        flags += ["--build-arg", name if given is None else f"{name}={given}"]
    for option, values in (
        ("--secret", action.secrets), ("--ssh", action.ssh), ("--cache-from", action.cache_from),
        ("--cache-to", action.cache_to),
    ):
        for value in values:
            flags += [option, value]
    return [*flags, *action.extra_args]


def _ignore_rules(root: str, action: Build) -> bytes:
    """The rules of the ignore file that applies."""
    for path in ignore_candidates(BuildContext("sent", action.context, action.dockerfile, action.ignore_file)):
        try:
            with open(os.path.join(root, path), "rb") as file:
                return file.read()
        except OSError:
            continue
    return b""


def _progress_kind(builder: Builder, environment: dict[str, str]) -> str:
    """`rawjson` where the plugin knows it (0.13 and later)."""
    done = subprocess.run(
        [builder.docker, "buildx", "build", "--help"], capture_output=True, text=True, env=environment, check=False
    )
    return "rawjson" if "rawjson" in done.stdout else "plain"


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)


class _Progress:
    """BuildKit's progress lines: which step runs, and what it prints."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rest = ""
        self._names: dict[str, str] = {}
        self._done: set[str] = set()
        self._error = ""
        self.tail: deque[str] = deque(maxlen=_TAIL)

    def take(self, text: str) -> None:
        """One line, or a piece of a long one."""
        if not self._rest and not text.startswith("{"):
            self._say(text)
            return
        self._rest += text
        try:
            message = json.loads(self._rest)
        except ValueError:
            return  # the rest of the line comes next
        self._rest = ""
        self._follow(message)

    def failure(self) -> str:
        return f": {self._error}" if self._error else ""

    def _follow(self, message: dict[str, list[dict[str, object]]]) -> None:
        for vertex in message.get("vertexes") or ():
            digest, name = str(vertex.get("digest")), str(vertex.get("name"))
            if digest not in self._names:
                self._names[digest] = name
            if vertex.get("error"):
                self._error = str(vertex["error"])
            if vertex.get("started") and not vertex.get("completed"):
                self._job.progress(name, len(self._done), len(self._names))
            if vertex.get("completed") and digest not in self._done:
                self._done.add(digest)
                self._say(f"{name}{' (cached)' if vertex.get('cached') else ''}")
        for log in message.get("logs") or ():
            for line in base64.b64decode(str(log.get("data", ""))).decode("utf-8", "replace").splitlines():
                self._say(line)

    def _say(self, line: str) -> None:
        if line.strip():
            self.tail.append(line)
            self._job.output(line)
