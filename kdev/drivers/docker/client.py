"""Docker SDK clients: one per worker thread, all with the API version learnt by one request.

A client is a requests.Session, so it is never shared between threads. It refuses to read the process environment.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
import docker.errors
import docker.tls
import requests
from docker.constants import MINIMUM_DOCKER_API_VERSION

from kdev.core.ports import Cancellation
from kdev.drivers.docker.endpoint import DockerSettings, Endpoint, resolve
from kdev.drivers.docker.errors import translated
from kdev.errors import Cancelled, KdevError

TIMEOUT = 60
"""Seconds that an ordinary request may take. Streams wait without an end and are cut by their closer."""


class Clients:
    """Makes the clients of one engine. Safe to share between threads; what it returns is not."""

    def __init__(self, settings: DockerSettings) -> None:
        self.settings = settings
        self._own = threading.local()
        self._lock = threading.Lock()
        self._version = settings.api_version
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where the engine is. Raises TargetError when the docker context cannot be read."""
        if self._endpoint is None:
            self._endpoint = resolve(self.settings)
        return self._endpoint

    def api(self) -> docker.APIClient:
        """This thread's client. Raises TargetError when the engine cannot be reached.

        Never keep it open over a stream that another call of the same thread needs: take `fresh` for that.
        """
        client: docker.APIClient | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self.fresh()
        return client

    def fresh(self) -> docker.APIClient:
        """A client of its own, for a stream. The caller closes it."""
        endpoint = self.endpoint
        with translated(endpoint.host):
            with self._lock:
                if not self._version:
                    # Not the SDK's own "auto": it asks in its constructor, before it can be told to trust no
                    # environment.
                    with closing(self._make(endpoint, MINIMUM_DOCKER_API_VERSION)) as probe:
                        self._version = str(probe.version(api_version=False)["ApiVersion"])
            return self._make(endpoint, self._version)

    def get_json(self, path: str) -> Any:
        """The JSON at an Engine API path, for who has no way of their own to the engine. Raises as `translate` does."""
        api = self.api()
        with translated(self.endpoint.host):
            response = api.get(f"{api.base_url}/v{api.api_version}{path}", timeout=TIMEOUT)
            raise_for_status(response)
            return response.json()

    def _make(self, endpoint: Endpoint, version: str) -> docker.APIClient:
        # The SDK wants TLS material as an object, and an `https` address only through `tls`.
        tls: docker.tls.TLSConfig | bool = False
        if endpoint.tls:
            pair = (endpoint.cert, endpoint.key) if endpoint.cert and endpoint.key else None
            tls = docker.tls.TLSConfig(
                client_cert=pair, ca_cert=endpoint.ca or None, verify=endpoint.verify,
            )
        ssh = endpoint.host.startswith("ssh://")
        # The user's own ssh program knows their agent, keys and jump hosts; the SDK's paramiko does not.
        client = docker.APIClient(base_url=endpoint.host, version=version, tls=tls, timeout=TIMEOUT, use_ssh_client=ssh)
        # Else REQUESTS_CA_BUNDLE, meant for the web, would be trusted in place of the engine's own authority.
        client.trust_env = False
        return client


@contextmanager
def streaming(
    api: docker.APIClient, method: str, path: str, cancel: Cancellation, **request: Any
) -> Iterator[requests.Response]:
    """An Engine API request whose answer is read as it comes; `path` without the version, e.g. `/build`.

    `request` goes to requests (params, headers, data, json). When cancelled, the answer is cut and errors.Cancelled
    comes out of the `with`, whatever the reader made of the end. Else raises as `errors.translate` does.
    """
    cancel.check()
    try:
        with translated(api.base_url):
            response = api.request(
                method, f"{api.base_url}/v{api.api_version}{path}", stream=True, timeout=(TIMEOUT, None), **request
            )
            try:
                with cancel.closing(lambda: cut(response)):
                    raise_for_status(response)
                    yield response
            finally:
                response.close()
    except KdevError as error:
        if cancel.triggered:
            raise Cancelled from error
        raise
    cancel.check()


def raise_for_status(response: requests.Response) -> None:
    """Raise the SDK's own exception for an error answer, with the engine's message in it."""
    if not response.ok:
        try:
            response.raise_for_status()
        except requests.exceptions.HTTPError as error:
            raise docker.errors.create_api_error_from_http_exception(error) from error


def cut(response: requests.Response) -> None:
    """End a streaming answer from another thread: the reader's blocked call returns. Never blocks.

    It shuts the socket down and leaves closing to the reader: a descriptor closed here could already be another
    file's when the reader touches it.
    """
    reader = getattr(getattr(response.raw, "_fp", None), "fp", None)
    process = getattr(getattr(reader, "channel", None), "proc", None)
    handle = getattr(reader, "raw", reader)
    for name in ("_sock", "sock"):
        handle = getattr(handle, name, handle)
    if process is not None:  # ssh:// through the ssh program
        process.kill()
    elif handle is not None and hasattr(handle, "shutdown"):
        handle.shutdown(socket.SHUT_RDWR)


def json_lines(response: requests.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of a build, push or events stream, one by one, each as soon as its line is complete."""
    rest = b""
    for data in response.raw.stream(65536, decode_content=True):
        *lines, rest = (rest + data).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())
    if rest.strip():
        yield json.loads(rest)
