"""A build through `docker buildx build`: BuildKit with its secrets, caches and mounts.

The Dockerfile and the ignore rules are handed over in a folder of ours: nothing is written into the user's tree,
a changed Dockerfile needs no other way, and kdev's own folders are never sent.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from kdev.core.actions import Build
from kdev.core.inputs import BuildContext
from kdev.core.ports import Job
from kdev.drivers.docker.build_arguments import build_arguments
from kdev.drivers.docker.build_log import BuildLog
from kdev.drivers.docker.builder import Builder
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.files import ignore_candidates
from kdev.drivers.process import run
from kdev.drivers.selection import OWN_FOLDERS

_LONGEST = 8 << 20
"""Characters of one progress message. More is no message that BuildKit writes."""
_VERSION = re.compile(r"\sv?(\d+)\.(\d+)\.")
_FIRST_WITH_RAWJSON = (0, 13)
_PLAIN_STEP = re.compile(r"#\d+ (\[(?!internal).*)")
_RESERVED = ("DOCKER_", "BUILDX_", "BUILDKIT_", "LD_", "DYLD_", "SSH_", "GO")
_PLAIN_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


def build_with_buildx(
    root: str, builder: Builder, clients: Clients, action: Build, *, dockerfile: bytes, job: Job
) -> str:
    """The name under which the engine now has the image; the caller gives it its real one and takes this one away.

    An image id would not do: what BuildKit tells is another digest than the engine's id in some set-ups. StepFailed
    with the last lines of the build.
    """
    name = f"{action.repository}:kdev-build-{secrets.token_hex(6)}"
    log = BuildLog(job, action.image, build_arguments(clients, action))
    environment = docker_environment(clients.settings)
    with TemporaryDirectory(prefix="kdev-build-") as folder:
        path = os.path.join(folder, os.path.basename(action.dockerfile))
        _write(path, dockerfile)
        _write(f"{path}.dockerignore", _ignore_rules(root, action))
        argv = [builder.docker, "buildx", "build", "--load", "--progress", _progress_kind(builder, clients.settings)]
        argv += ["--file", path, "--tag", name, *_arguments(action, environment), *_flags(action)]
        argv.append(os.path.join(root, action.context))
        progress = _Progress(log)
        ended = run(argv, job.cancel, lambda text, _: progress.take(text), cwd=root, env=environment)
    if ended.code:
        raise log.failure(progress.error or ended.how())
    return name


def docker_environment(settings: DockerSettings) -> dict[str, str]:
    """The environment for the docker CLI: the user's, aimed at the engine that `settings` mean."""
    environment = dict(settings.environment)
    for name, value in (
        ("DOCKER_HOST", settings.host), ("DOCKER_CONTEXT", settings.context), ("DOCKER_CONFIG", settings.config),
        ("DOCKER_CERT_PATH", settings.cert_path), ("DOCKER_TLS_VERIFY", "1" if settings.tls_verify else ""),
    ):
        if value:
            environment[name] = value
    # An attestation holds the time of the build: equal images would have different ids.
    environment.setdefault("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
    return environment


def _arguments(action: Build, environment: dict[str, str]) -> list[str]:
    """`--build-arg` flags. Values go through `environment` where they can: process lists are public."""
    flags: list[str] = []
    for name, value in action.build_args:
        special = name.startswith(_RESERVED) or "proxy" in name.lower() or not set(name) <= set(_PLAIN_NAME)
        if value is None:
            flags += ["--build-arg", name]
        elif special or name in environment:
            # The same variable means something to the docker CLI itself, or may.
            flags += ["--build-arg", f"{name}={value}"]
        else:
            flags += ["--build-arg", name]
            environment[name] = value
    return flags


def _flags(action: Build) -> list[str]:
    flags: list[str] = []
    for option, text in (("--target", action.target), ("--network", action.network), ("--platform", action.platform)):
        flags += [option, text] if text else []
    for option, values in (
        ("--secret", action.secrets), ("--ssh", action.ssh), ("--cache-from", action.cache_from),
        ("--cache-to", action.cache_to),
    ):
        for value in values:
            flags += [option, value]
    return [*flags, *action.extra_args]


def _ignore_rules(root: str, action: Build) -> bytes:
    """The rules of the ignore file that applies, and ours behind them."""
    rules = b""
    for path in ignore_candidates(BuildContext("sent", action.context, action.dockerfile, action.ignore_file)):
        try:
            with open(os.path.join(root, path), "rb") as file:
                rules = file.read()
            break
        except OSError:
            continue
    own = "".join(f"\n**/{folder}" for folder in sorted(OWN_FOLDERS))
    return rules + own.encode() + b"\n"


@cache
def _progress_kind(builder: Builder, settings: DockerSettings) -> str:
    """`rawjson` where the plugin knows it. Its help did not say so at first; its version tells."""
    done = subprocess.run(
        [builder.docker, "buildx", "version"], capture_output=True, text=True, check=False,
        env=docker_environment(settings), stdin=subprocess.DEVNULL,
    )
    version = _VERSION.search(done.stdout)
    return "rawjson" if version and (int(version[1]), int(version[2])) >= _FIRST_WITH_RAWJSON else "plain"


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)


class _Progress:
    """BuildKit's progress messages: which step runs, and what it prints. `error` is what the build failed with."""

    def __init__(self, log: BuildLog) -> None:
        self._log = log
        self._message = ""
        self._pretty = False
        self._names: dict[str, str] = {}
        self._done: set[str] = set()
        self._begun: dict[tuple[str, object], str] = {}
        self.error = ""

    def take(self, text: str) -> None:
        """One line, or a piece of a long one. Old plugins write a message over many lines, new ones in one."""
        if not self._message:
            if not text.startswith("{"):
                self._plain(text)
                return
            self._pretty = text == "{"
        self._message += text
        if text != "}" if self._pretty else not text.endswith("}"):
            if len(self._message) > _LONGEST:
                self._message = ""
            return
        try:
            message = json.loads(self._message)
        except ValueError:
            return  # a piece that happens to end with a brace; the rest comes next
        self._message = ""
        self._follow(message)

    def _plain(self, text: str) -> None:
        if text.startswith("ERROR: "):
            self.error = text.removeprefix("ERROR: ").removeprefix("failed to solve: ")
        step = _PLAIN_STEP.match(text)
        if step:
            self._log.progress(step[1])
        self._log.line(text)

    def _follow(self, message: dict[str, list[dict[str, Any]]]) -> None:
        for vertex in message.get("vertexes") or ():
            self._step(str(vertex.get("digest")), str(vertex.get("name")), vertex)
        for status in message.get("statuses") or ():
            if status.get("total") and not status.get("completed"):
                name = self._names.get(str(status.get("vertex")), "")
                self._log.progress(f"{name} {status.get('id', '')}", int(status["current"]), int(status["total"]))
        for log in message.get("logs") or ():
            key = (str(log.get("vertex")), log.get("stream"))
            text = base64.b64decode(str(log.get("data") or "")).decode("utf-8", "replace")
            *lines, self._begun[key] = (self._begun.get(key, "") + text).split("\n")
            for line in lines:
                self._log.line(line)

    def _step(self, digest: str, name: str, vertex: dict[str, Any]) -> None:
        self._names[digest] = name
        internal = name.startswith("[internal]")
        if vertex.get("error"):
            self.error = str(vertex["error"])
        if vertex.get("started") and not vertex.get("completed") and not internal:
            self._log.progress(name, len(self._done), len(self._names))
        if vertex.get("completed") and digest not in self._done:
            self._done.add(digest)
            for key in [key for key in self._begun if key[0] == digest]:
                self._log.line(self._begun.pop(key))
            if not internal:
                self._log.line(f"{name}{' (cached)' if vertex.get('cached') else ''}")
