"""Who the user is at a registry, from config.json: credential helpers, the store, stored logins, identity tokens.

Secrets live in the returned value only; its text form shows none. Helpers are the user's own programs.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext

from kdev.core.inputs import digest_of
from kdev.core.ports import Cancellation
from kdev.drivers.docker.endpoint import DockerSettings, read_config
from kdev.errors import Cancelled, TargetError

HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset((HUB, "index.docker.io"))
_HELPER_TIMEOUT = 30
_NOT_FOUND = "credentials not found"


class Credentials:
    """A login: a user name and password, or an identity token. Empty when the user has none for the registry."""

    def __init__(self, server: str, username: str = "", password: str = "", identity_token: str = "") -> None:
        self.server = server
        self.username = username
        self._password = password
        self._identity_token = identity_token

    def __bool__(self) -> bool:
        return bool(self.username or self._identity_token)

    def __repr__(self) -> str:
        return f"Credentials({self.server!r}, {self.username!r})"

    def as_auth_config(self) -> dict[str, str]:
        """What the Engine API calls an AuthConfig."""
        if self._identity_token:
            return {"serveraddress": self.server, "identitytoken": self._identity_token}
        if not self:
            return {}
        return {"serveraddress": self.server, "username": self.username, "password": self._password}

    def as_header(self) -> str:
        """The value of X-Registry-Auth. An engine wants the header also when there is nothing to tell."""
        return base64.urlsafe_b64encode(json.dumps(self.as_auth_config()).encode()).decode()


def registry_of(repository: str) -> str:
    """The registry that a repository or reference belongs to, `docker.io` when it names none."""
    first, slash, _ = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return HUB if first in _HUB_NAMES else first
    return HUB


def credentials_for(settings: DockerSettings, repository: str, cancel: Cancellation | None = None) -> Credentials:
    """The login that the docker CLI would use. Raises TargetError when config.json or a helper cannot be used."""
    registry = registry_of(repository)
    server = _HUB_KEY if registry == HUB else registry
    config = read_config(settings.config)
    helper = _helper(config, registry)
    if helper:
        found = _ask_helper(helper, server, dict(settings.environment), cancel)
        if found:
            return found
    return _stored(config, registry, server)


def credentials_identity(settings: DockerSettings, repository: str) -> str:
    """Who would push, without any secret and without asking a helper: an input of push steps. Cheap."""
    registry = registry_of(repository)
    config = read_config(settings.config)
    server = _HUB_KEY if registry == HUB else registry
    return digest_of(registry, _helper(config, registry), _stored(config, registry, server).username)


def _helper(config: Mapping[str, object], registry: str) -> str:
    """The suffix of the helper program in charge of a registry, "" for none."""
    helpers = config.get("credHelpers")
    if isinstance(helpers, dict):
        for name in (_HUB_KEY, *sorted(_HUB_NAMES)) if registry == HUB else (registry,):
            if isinstance(helpers.get(name), str):
                return str(helpers[name])
    store = config.get("credsStore")
    return store if isinstance(store, str) else ""


def _stored(config: Mapping[str, object], registry: str, server: str) -> Credentials:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return Credentials(server)
    for name, entry in auths.items():
        if isinstance(entry, dict) and (name == server or _host(str(name)) == registry):
            username, password = _login(entry, registry)
            token = str(entry.get("identitytoken") or "")
            return Credentials(server, username, password, token)
    return Credentials(server)


def _host(key: str) -> str:
    """The registry that a key of `auths` means: old versions wrote whole URLs."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB if host in _HUB_NAMES else host


def _login(entry: Mapping[str, object], registry: str) -> tuple[str, str]:
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        return str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        # No cause: its text would hold the secret.
        raise TargetError(
            f"the login for {registry} in config.json cannot be read", hint=f"docker login {registry}"
        ) from None
    return username, password.rstrip("\0")


def _ask_helper(
    helper: str, server: str, environment: dict[str, str], cancel: Cancellation | None
) -> Credentials | None:
    """What a credential helper knows; None when it knows nothing."""
    program = f"docker-credential-{helper}"
    if os.path.basename(program) != program:
        raise TargetError(f"config.json names the credential helper {helper!r}, which is no program's name")
    try:
        process = subprocess.Popen(
            [program, "get"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise TargetError(
            f"config.json names the credential helper {program}, which cannot be started: {error.strerror}",
            hint="install it, or take it out of config.json",
        ) from error
    with process, cancel.closing(process.kill) if cancel else nullcontext():
        try:
            output, errors = process.communicate(server.encode(), _HELPER_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TargetError(f"{program} did not answer within {_HELPER_TIMEOUT} s") from None
    if cancel and cancel.triggered:
        raise Cancelled
    if process.returncode:
        # Helpers write their errors to either stream. On failure neither holds a secret.
        said = (output + b" " + errors).decode("utf-8", "replace").strip()
        if _NOT_FOUND in said.lower():
            return None
        raise TargetError(f"{program} failed: {said[:300]}", hint=f"docker login {server}")
    return _helper_answer(program, server, output)


def _helper_answer(program: str, server: str, output: bytes) -> Credentials:
    try:
        answer = json.loads(output)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise TargetError(f"{program} gave an answer that cannot be read") from None
    if username == "<token>":
        return Credentials(server, identity_token=secret)
    return Credentials(server, username, secret)
