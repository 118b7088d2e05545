"""Looks at the engine without the SDK: one GET over its socket, remembered until told to forget. Changes nothing.

On the way of every run, so it speaks just enough HTTP/1.1 over a Unix or TCP socket. An engine behind TLS or ssh is
asked through the SDK, which is loaded then. `_socket` is `socket` without the 10 ms that its import takes.
"""

from __future__ import annotations

import json
from _socket import AF_UNIX, SOCK_STREAM, getaddrinfo
from _socket import socket as Socket
from collections.abc import Callable, Mapping
from importlib import import_module
from threading import RLock
from typing import Any

from kdev.core.step import Reason, ReasonKind, Result
from kdev.drivers.docker.endpoint import DockerSettings, resolve
from kdev.errors import TargetError

_TIMEOUT = 10.0
_MOST = 256 << 20


class Probe:
    """Answers about one engine. Raises TargetError when it cannot be reached. Safe to share between threads."""

    def __init__(self, settings: DockerSettings) -> None:
        self._settings = settings
        self._lock = RLock()
        self._answers: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        """The JSON at an Engine API path, e.g. `/images/json`; asked once until `forget`."""
        with self._lock:
            if path not in self._answers:
                self._answers[path] = self._ask(path)
            return self._answers[path]

    def forget(self) -> None:
        """The world may have changed: ask again next time. What an engine is does not change."""
        with self._lock:
            self._answers = {path: answer for path, answer in self._answers.items() if path in ("/info", "/version")}

    def images(self) -> Mapping[str, str]:
        """Every reference (repository:tag) and every image id → image id."""
        with self._lock:
            known: Mapping[str, str] | None = self._answers.get("images")
            if known is None:
                found: dict[str, str] = {}
                for image in self.get("/images/json"):
                    found[image["Id"]] = image["Id"]
                    found.update(dict.fromkeys(image.get("RepoTags") or (), image["Id"]))
                    found.update(dict.fromkeys(image.get("RepoDigests") or (), image["Id"]))
                known = self._answers["images"] = found
            return known

    def image_id(self, reference: str) -> str:
        """The id of the image that the engine holds under `reference`, "" for none."""
        images = self.images()
        for name in _spellings(reference):
            if name in images:
                return images[name]
        return ""

    def missing_image(self, result: Result) -> tuple[Reason, ...]:
        """RESULT_GONE when the image of a build's result, or its reference, is not on the engine any more."""
        reference, image_id = result.value("reference"), result.value("image_id")
        if image_id and self.images().get(image_id) is None:
            return (Reason(ReasonKind.RESULT_GONE, f"image {reference}", "not on the engine"),)
        if image_id and self.image_id(reference) != image_id:
            return (Reason(ReasonKind.RESULT_GONE, f"image {reference}", "the name stands for another image, or none"),)
        return ()

    def engine_id(self) -> str:
        """Which engine this is."""
        return str(self.get("/info").get("ID", ""))

    def engine_version(self) -> str:
        """The engine's version, e.g. `20.10.24`."""
        return str(self.get("/version").get("Version", ""))

    def _ask(self, path: str) -> Any:
        endpoint = resolve(self._settings)
        scheme, _, address = endpoint.host.partition("://")
        if endpoint.tls or scheme not in ("unix", "tcp"):
            return import_module("kdev.drivers.docker.client").Clients(self._settings).get_json(path)
        try:
            connection = _connected(scheme, address)
            try:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
                status, body = read_response(connection.recv)
                answer = json.loads(body) if status == 200 else None
            finally:
                connection.close()
        except (OSError, ValueError) as error:
            raise TargetError(
                f"the Docker Engine at {endpoint.host} does not answer: {error}",
                hint="is it running? `docker version` tells",
            ) from error
        if status != 200:
            raise TargetError(f"the Docker Engine answered {path} with {status}: {body[:200].decode(errors='replace')}")
        return answer


def read_response(recv: Callable[[int], bytes]) -> tuple[int, bytes]:
    """(status, body) of an HTTP/1.1 response up to the end of the stream. ValueError when it is none, is cut short, or
    is larger than an engine's ever is."""
    data = bytearray()
    while piece := recv(1 << 20):
        data += piece
        if len(data) > _MOST:
            raise ValueError("the answer is too large")
    head, blank, body = bytes(data).partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if not blank or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("this is no HTTP server")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return int(words[1]), _chunks(body)
    length = headers.get(b"content-length", b"")
    if length.isdigit() and len(body) < int(length):
        raise ValueError("the answer was cut short")
    return int(words[1]), body


def _chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16) if end >= 0 else -1
        if size < 0 or len(body) < end + 2 + size:
            raise ValueError("the answer was cut short")
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def _connected(scheme: str, address: str) -> Socket:
    family: int = AF_UNIX
    where: Any = address
    if scheme == "tcp":
        host, _, port = address.rstrip("/").rpartition(":")
        family, _, _, _, where = getaddrinfo(host.strip("[]"), int(port or 2375), 0, SOCK_STREAM)[0]
    connection = Socket(family, SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    try:
        connection.connect(where)
    except BaseException:
        connection.close()
        raise
    return connection


def _spellings(reference: str) -> tuple[str, ...]:
    """The names under which an engine may list what a Dockerfile calls `reference`."""
    name = reference.partition("@")[0]
    tagged = reference if "@" in reference or ":" in name.rpartition("/")[2] else f"{reference}:latest"
    short = tagged
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/"):
        short = short.removeprefix(prefix)
    return (tagged, short)
