"""The one place where exceptions of the docker and requests packages become kdev's. Length-limited, chained."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker.errors
import requests
import urllib3.exceptions

from kdev.errors import KdevError, StepFailed, TargetError

LIMIT = 600
"""Characters of an engine's message that are kept."""

FOREIGN = (
    docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError,
    http.client.HTTPException, json.JSONDecodeError, OSError,
)
"""What the SDK and what it stands on raise. OSError: a socket that was cut, a TLS file that cannot be read."""

_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")


@contextmanager
def translated(host: str = "") -> Iterator[None]:
    """Exceptions of the SDK that leave the `with` come out as `translate` makes them."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error, host) from error


def translate(error: Exception, host: str = "") -> KdevError:
    """The KdevError for an exception of the SDK: TargetError when the engine cannot be reached or is not well,
    StepFailed when it answered that what was asked cannot be done. `host` is the engine's address, for the hint."""
    if isinstance(error, docker.errors.APIError):
        text = limited(_explanation(error))
        if error.status_code in (401, 403):
            return TargetError(f"the Docker Engine refused: {text}")
        return StepFailed(f"the Docker Engine answered: {text}")
    if _is_permission(error):
        return TargetError(
            f"no permission to talk to the Docker Engine at {limited(host) or 'its socket'}",
            hint="add yourself to the group `docker` and log in again, or set DOCKER_HOST",
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        return TargetError(f"the Docker Engine at {limited(host)} did not answer in time", hint="see `docker info`")
    return TargetError(
        f"cannot reach the Docker Engine{' at ' + limited(host) if host else ''}: {limited(_innermost(error))}",
        hint="is it running? See `docker info`, or choose another with DOCKER_HOST or `docker context use`",
    )


def status_of(error: KdevError) -> int:
    """The HTTP status behind an error that `translated` raised, 0 when there was none."""
    cause = error.__cause__
    return int(cause.status_code or 0) if isinstance(cause, docker.errors.APIError) else 0


def limited(text: Any, limit: int = LIMIT) -> str:
    """`text` without credentials in URLs, shortened in the middle when it is longer than `limit`."""
    clean = _CREDENTIALS.sub(r"\1", str(text)).strip()
    if len(clean) <= limit:
        return clean
    half = limit // 2
    return f"{clean[:half]} … {clean[-half:]}"


def _explanation(error: docker.errors.APIError) -> str:
    text: object = error.explanation  # bytes from some proxies, whatever the type stubs say
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return str(text or f"status {error.status_code}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue: list[Any] = [error]
    while queue:
        link = queue.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            # requests and urllib3 wrap the reason in their arguments, not only in __cause__.
            queue += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _is_permission(error: Exception) -> bool:
    return any(isinstance(link, PermissionError) for link in _chain(error))


def _innermost(error: Exception) -> str:
    systems = [link for link in _chain(error) if isinstance(link, OSError) and link.strerror]
    return systems[0].strerror or "" if systems else str(error)
