"""A build through the Engine API's own builder, for machines without the buildx plugin."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any

from kdev.core.actions import Build
from kdev.core.ports import Job
from kdev.drivers.docker.client import Clients, json_lines, streaming
from kdev.drivers.docker.context import packed
from kdev.drivers.files import FileObserver
from kdev.errors import StepFailed

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_TAIL = 20


def build_with_engine(
    root: str, files: FileObserver, clients: Clients, action: Build, *, dockerfile: bytes, job: Job
) -> str:
    """The image id. StepFailed with the last lines of the build."""
    api = clients.fresh()
    try:
        with packed(root, files, action, dockerfile) as (tar, name):
            request = {
                "params": _parameters(clients, action, name),
                "data": tar,
                "headers": {"Content-Type": "application/x-tar"},
            }
            with streaming(api, "POST", "/build", job.cancel, **request) as response:
                return _followed(json_lines(response), action, job)
    finally:
        api.close()


def _arguments(clients: Clients, action: Build) -> dict[str, str]:
    """The build arguments; one without a value takes it from the environment, and is left out when that has none."""
    environment = dict(clients.settings.environment)
    return {
        name: environment[name] if value is None else value
        for name, value in action.build_args
        if value is not None or name in environment
    }


def _parameters(clients: Clients, action: Build, dockerfile: str) -> dict[str, Any]:
    return {
        "dockerfile": dockerfile,
        "buildargs": json.dumps(_arguments(clients, action)),
        "target": action.target or None,
        "networkmode": action.network or None,
        "platform": action.platform or None,
        "rm": "1",
        "forcerm": "1",
    }


def _followed(stream: Any, action: Build, job: Job) -> str:
    image_id = ""
    tail: deque[str] = deque(maxlen=_TAIL)
    for message in stream:
        if "error" in message:
            # The line that failed is the last one; the message repeats it with the exit code.
            raise StepFailed(f"the build of {action.image} failed: {message['error'].strip()}", detail="\n".join(tail))
        image_id = (message.get("aux") or {}).get("ID", image_id)
        for line in str(message.get("stream", "")).splitlines():
            if line.strip():
                tail.append(line)
                _tell(line, job)
        if message.get("status") and message.get("id"):
            job.progress(f"{message['status']} {message['id']}")
    if not image_id:
        raise StepFailed(f"the build of {action.image} gave no image", detail="\n".join(tail))
    return image_id


def _tell(line: str, job: Job) -> None:
    step = _STEP.match(line)
    if step:
        job.progress(step[3], int(step[1]), int(step[2]))
    job.output(line.rstrip())
