"""A build through the Engine API's own builder, for machines without the buildx plugin."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kdev.core.actions import Build
from kdev.core.ports import Cancellation, Job
from kdev.drivers.docker.build_arguments import build_arguments, proxy_arguments
from kdev.drivers.docker.build_log import BuildLog
from kdev.drivers.docker.client import Clients, json_lines, streaming
from kdev.drivers.docker.context import packed
from kdev.drivers.docker.credentials import credentials_for
from kdev.drivers.files import FileObserver
from kdev.errors import StepFailed
from kdev.spec.dockerfile import base_images

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_NEEDS_BUILDKIT = ("unknown instruction", "requires buildkit", "unknown flag")


def build_with_engine(
    root: str, files: FileObserver, clients: Clients, action: Build, *, dockerfile: bytes, job: Job
) -> str:
    """The image id. StepFailed with the last lines of the build."""
    given = build_arguments(clients, action)
    log = BuildLog(job, action.image, given)
    api = clients.fresh()
    try:
        with packed(root, files, action, dockerfile) as (tar, name):
            request = {
                "params": {
                    "dockerfile": name,
                    "buildargs": json.dumps({**proxy_arguments(clients), **given}),
                    "target": action.target or None,
                    "networkmode": action.network or None,
                    "platform": action.platform or None,
                    "rm": "1",
                    "forcerm": "1",
                },
                "data": tar,
                "headers": {
                    "Content-Type": "application/x-tar",
                    "X-Registry-Config": _logins(clients, action, dockerfile, job.cancel),
                },
            }
            with streaming(api, "POST", "/build", job.cancel, **request) as response:
                return _followed(json_lines(response), log)
    except StepFailed as error:
        _explain(error)
        raise
    finally:
        api.close()


def _logins(clients: Clients, action: Build, dockerfile: bytes, cancel: Cancellation) -> str:
    """The user's logins for the registries that base images come from, and for no others."""
    text = dockerfile.decode("utf-8", "surrogateescape")
    logins: dict[str, dict[str, str]] = {}
    for image in base_images(text, build_arguments(clients, action), action.target, file=action.dockerfile):
        login = credentials_for(clients.settings, image, cancel)
        if login:
            logins[login.server] = login.as_auth_config()
    return base64.urlsafe_b64encode(json.dumps(logins).encode()).decode()


def _followed(stream: Iterable[Mapping[str, Any]], log: BuildLog) -> str:
    image_id = begun = ""
    for message in stream:
        # A message is what came out of the container at once: any piece of a line, or several.
        *lines, begun = (begun + str(message.get("stream", ""))).split("\n")
        for line in lines:
            _tell(line, log)
        if "error" in message:
            _tell(begun, log)
            raise log.failure(str(message["error"]))
        image_id = (message.get("aux") or {}).get("ID", image_id)
        if message.get("status") and message.get("id"):
            sizes = message.get("progressDetail") or {}
            done, total = int(sizes.get("current", 0)), int(sizes.get("total", 0))
            log.progress(f"{message['status']} {message['id']}", done, total)
    _tell(begun, log)
    if not image_id:
        raise log.failure("the engine gave no image")
    return image_id


def _tell(line: str, log: BuildLog) -> None:
    step = _STEP.match(line)
    if step:
        log.progress(step[3], int(step[1]), int(step[2]))
    log.line(line)


def _explain(error: StepFailed) -> None:
    """Add a hint where only BuildKit understands the Dockerfile."""
    if any(sign in error.message.lower() for sign in _NEEDS_BUILDKIT) and not error.hint:
        error.hint = "heredocs and RUN --mount need BuildKit; install the buildx plugin (Debian, Ubuntu: docker-buildx)"
