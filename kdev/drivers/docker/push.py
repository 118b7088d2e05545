"""Push: an image in its registry, through the engine and with the user's own login.

The engine does the talking, also for `verify`: mirrors, certificates and insecure registries are as it is configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from kdev.core import actions
from kdev.core.ports import Job
from kdev.core.step import Reason, ReasonKind, Result
from kdev.drivers.docker.client import TIMEOUT, Clients, json_lines, raise_for_status, streaming
from kdev.drivers.docker.credentials import Credentials, credentials_for, registry_of
from kdev.drivers.docker.errors import limited, status_of, translated
from kdev.errors import KdevError, StepFailed, TargetError

_DENIED = ("denied", "unauthorized", "no basic auth", "authentication required", "insufficient_scope")
_REFUSED = (401, 403, 404)


class PushDriver:
    """Meets core.ports.Driver for actions.Push."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def run(self, action: actions.Push, job: Job) -> Result:
        """Push every tag of the build's image. StepFailed with the registry's answer, TargetError for a bad login."""
        built = dict(job.result(action.build).values)
        references = built.get("references", built["reference"]).split()
        login = credentials_for(self._clients.settings, action.repository, job.cancel)
        job.progress(f"pushing to {registry_of(action.repository)}")
        digests = [self._push(reference, login, job) for reference in references]
        return Result(digests[0], (("reference", references[0]), ("repository_digest", digests[0])))

    def verify(self, action: actions.Push, result: Result) -> tuple[Reason, ...]:
        """RESULT_GONE when the registry says that it has another image, or none. A registry that cannot be asked says
        nothing, and what was pushed stands: who works offline is not to be stopped by it."""
        reference = result.value("reference")
        try:
            login = credentials_for(self._clients.settings, action.repository)
            found = self._digest_in_registry(reference, login)
        except KdevError as error:
            if status_of(error) not in _REFUSED:
                return ()
            found = ""
        if found == result.digest:
            return ()
        detail = "the registry has another image under this name" if found else "not in the registry"
        return (Reason(ReasonKind.RESULT_GONE, f"image {reference}", detail),)

    def _push(self, reference: str, login: Credentials, job: Job) -> str:
        repository, _, tag = reference.rpartition(":")
        api = self._clients.fresh()
        try:
            with streaming(
                api, "POST", f"/images/{quote(repository, safe='/:')}/push", job.cancel,
                params={"tag": tag}, headers={"X-Registry-Auth": login.as_header()},
            ) as response:
                digest = _followed(json_lines(response), reference, login, job)
        finally:
            api.close()
        job.output(f"pushed {reference} ({digest})")
        return digest

    def _digest_in_registry(self, reference: str, login: Credentials) -> str:
        api = self._clients.api()
        with translated(self._clients.endpoint.host):
            response = api.get(
                f"{api.base_url}/v{api.api_version}/distribution/{quote(reference, safe='/:')}/json",
                headers={"X-Registry-Auth": login.as_header()}, timeout=TIMEOUT,
            )
            raise_for_status(response)
            return str(response.json()["Descriptor"]["digest"])


def _followed(stream: Iterable[Mapping[str, Any]], reference: str, login: Credentials, job: Job) -> str:
    """The digest that the registry gave the image, told by the last message."""
    digest = ""
    layers: dict[str, tuple[int, int]] = {}
    for message in stream:
        if "error" in message:
            raise _failure(reference, login, str(message["error"]))
        digest = (message.get("aux") or {}).get("Digest", digest)
        layer, sizes = message.get("id"), message.get("progressDetail") or {}
        if layer and sizes.get("total"):
            layers[str(layer)] = (int(sizes.get("current", 0)), int(sizes["total"]))
            done, total = (sum(numbers) for numbers in zip(*layers.values(), strict=True))
            job.progress(f"pushing {reference}, bytes", min(done, total), total)
        elif layer and message.get("status") in ("Pushed", "Layer already exists"):
            job.output(f"{layer}: {message['status']}")
    if not digest:
        raise StepFailed(f"the push of {reference} ended without a digest")
    return digest


def _failure(reference: str, login: Credentials, text: str) -> KdevError:
    registry = registry_of(reference)
    said = limited(text)
    if any(word in said.lower() for word in _DENIED):
        who = f"as {login.username or 'the bearer of a token'}" if login else "without a login"
        return TargetError(f"{registry} refused the push of {reference} {who}: {said}", hint=_login_hint(registry))
    return StepFailed(f"the push of {reference} failed: {said}")


def _login_hint(registry: str) -> str:
    return "docker login" if registry == "docker.io" else f"docker login {registry}"
