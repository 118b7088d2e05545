"""Logins on their way to a real registry: stored, from helpers, and identity tokens, over http and TLS."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdev.core.actions import Push
from kdev.core.step import Result
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import settings_from
from kdev.drivers.docker.push import PushDriver
from tests.drivers.docker_build.registry import PASSWORD, USER, TokenServer, htpasswd, registry
from tests.fakes.job import FakeJob
from tests.project import docker

pytestmark = pytest.mark.docker


class Pushing:
    """A small image of its own, the driver, and a docker configuration folder to log in with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "docker"
        self.config.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        environment = {"DOCKER_CONFIG": str(self.config), "PATH": f"{self.bin}:{Path(shutil.which('sh') or '').parent}"}
        self.clients = Clients(settings_from(environment, str(folder)))
        self.driver = PushDriver(self.clients)
        self.references: list[str] = []
        container = docker("create", "busybox:1.36", secrets.token_hex(8))
        self.image_id = docker("commit", container)
        docker("rm", container)

    def log_in(self, **config: object) -> None:
        (self.config / "config.json").write_text(json.dumps(config))

    def push(self, address: str, *tags: str) -> tuple[Push, Result, FakeJob]:
        repository = f"{address}/team/web"
        references = [f"{repository}:{tag}" for tag in tags or ("kdev-1",)]
        for reference in references:
            docker("tag", self.image_id, reference)
        self.references += references
        values = (("reference", references[0]), ("references", " ".join(references)))
        job = FakeJob("push:web", results={"build:web": Result(self.image_id, values)})
        action = Push("web", "build:web", repository)
        return action, self.driver.run(action, job), job

    def clean_up(self) -> None:
        for reference in self.references:
            docker("rmi", reference)
        docker("rmi", "-f", self.image_id)
        self.clients.api().close()


@pytest.fixture
def pushing(tmp_path: Path) -> Iterator[Pushing]:
    made = Pushing(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


def stored(pushing: Pushing, address: str) -> None:
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    pushing.log_in(auths={"elsewhere.example": {"auth": "bm86bm8="}, f"https://{address}/v2/": {"auth": login}})


def helper(pushing: Pushing, address: str) -> None:
    write_helper(pushing.bin, "vault", address, {"Username": USER, "Secret": PASSWORD})
    pushing.log_in(credHelpers={address: "vault"}, credsStore="absent")


def store(pushing: Pushing, address: str) -> None:
    write_helper(pushing.bin, "desktop", address, {"Username": USER, "Secret": PASSWORD})
    pushing.log_in(auths={address: {}}, credsStore="desktop")


def write_helper(folder: Path, name: str, address: str, answer: dict[str, str]) -> None:
    """A credential helper that knows one registry."""
    program = folder / f"docker-credential-{name}"
    program.write_text(
        "#!/bin/sh\nread -r server || true\n"
        f'[ "$1 $server" = "get {address}" ] || {{ echo "credentials not found in native keychain"; exit 1; }}\n'
        f"echo '{json.dumps({'ServerURL': address, **answer})}'\n"
    )
    program.chmod(0o755)


@pytest.mark.parametrize("log_in", [stored, helper, store])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_the_users_login_opens_the_registry(
    pushing: Pushing, tmp_path: Path, tls: bool, log_in: Callable[[Pushing, str], None]
) -> None:
    with registry(tmp_path / "registry", tls=tls, auth=htpasswd(tmp_path / "registry")) as address:
        log_in(pushing, address)
        action, result, job = pushing.push(address)
        assert pushing.driver.verify(action, result) == ()
    assert PASSWORD not in repr((job.outputs, job.progresses, job.notices, result))


def test_an_identity_token_is_exchanged_for_a_bearer_token(pushing: Pushing, tmp_path: Path) -> None:
    with TokenServer(tmp_path / "tokens") as tokens, registry(tmp_path / "registry", auth=tokens.auth) as address:
        write_helper(pushing.bin, "cloud", address, {"Username": "<token>", "Secret": tokens.IDENTITY})
        pushing.log_in(credHelpers={address: "cloud"})
        action, result, _ = pushing.push(address)
        assert pushing.driver.verify(action, result) == ()
        pushing.log_in(auths={address: {"auth": "", "identitytoken": tokens.IDENTITY}})
        assert pushing.push(address)[1].digest == result.digest
    assert {fields["grant_type"] for fields in tokens.asked} == {"refresh_token"}
