"""Whose login a registry gets, by tables of config.json; and what is said when it cannot be read."""

from __future__ import annotations

import base64
import json
import threading
import time
from pathlib import Path

import pytest

from kdev.drivers.docker.credentials import credentials_for, credentials_identity, registry_of
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.errors import Cancelled, TargetError
from kdev.runner.cancel import Cancellation


def settings(folder: Path, config: object, helper: str = "") -> DockerSettings:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{helper}\n")
    program.chmod(0o755)
    return DockerSettings(config=str(folder), environment=(("PATH", f"{folder}:/usr/bin:/bin"),))


def encoded(login: str) -> str:
    return base64.b64encode(login.encode()).decode()


@pytest.mark.parametrize(
    ("repository", "registry"),
    [
        ("web", "docker.io"),
        ("team/web", "docker.io"),
        ("docker.io/team/web:1", "docker.io"),
        ("index.docker.io/web", "docker.io"),
        ("registry.example/web", "registry.example"),
        ("localhost/web", "localhost"),
        ("host:5000/web:1", "host:5000"),
        ("web:5000", "docker.io"),
    ],
)
def test_the_registry_is_the_first_part_when_it_looks_like_a_host(repository: str, registry: str) -> None:
    assert registry_of(repository) == registry


@pytest.mark.parametrize(
    ("config", "repository", "login"),
    [
        pytest.param({}, "r.io/a", {}, id="nothing"),
        pytest.param(
            {"auths": {"r.io": {"auth": encoded("u:p:q")}}}, "r.io/a",
            {"serveraddress": "r.io", "username": "u", "password": "p:q"}, id="a password with a colon",
        ),
        pytest.param(
            {"auths": {"http://r.io/v1/": {"username": "u", "password": "p"}}}, "r.io/a",
            {"serveraddress": "r.io", "username": "u", "password": "p"}, id="an old key, plain fields",
        ),
        pytest.param(
            {"auths": {"https://index.docker.io/v1/": {"auth": encoded("u:p")}}}, "team/web",
            {"serveraddress": "https://index.docker.io/v1/", "username": "u", "password": "p"}, id="Docker Hub",
        ),
        pytest.param(
            {"auths": {"r.io": {"auth": encoded("u:"), "identitytoken": "t"}}}, "r.io/a",
            {"serveraddress": "r.io", "identitytoken": "t"}, id="an identity token",
        ),
        pytest.param({"auths": {"r.io:5000": {"auth": encoded("u:p")}}}, "r.io/a", {}, id="another port"),
        pytest.param({"auths": "?", "credHelpers": []}, "r.io/a", {}, id="sections of other kinds"),
    ],
)
def test_a_stored_login_is_found(tmp_path: Path, config: object, repository: str, login: dict[str, str]) -> None:
    found = credentials_for(settings(tmp_path, config), repository)
    assert found.as_auth_config() == login
    assert json.loads(base64.urlsafe_b64decode(found.as_header())) == login
    assert "p:q" not in repr(found)


def test_a_helper_for_the_registry_comes_before_the_store(tmp_path: Path) -> None:
    config = {"credHelpers": {"r.io": "test"}, "credsStore": "absent", "auths": {"r.io": {"auth": encoded("old:old")}}}
    asked = settings(tmp_path, config, "read -r server; echo '{\"Username\": \"'$server'\", \"Secret\": \"s\"}'")
    assert credentials_for(asked, "r.io/a").as_auth_config() == {
        "serveraddress": "r.io", "username": "r.io", "password": "s",
    }


def test_docker_hub_is_asked_for_by_its_old_name(tmp_path: Path) -> None:
    asked = settings(
        tmp_path, {"credsStore": "test"}, "read -r server; echo '{\"Username\": \"'$server'\", \"Secret\": \"s\"}'"
    )
    assert credentials_for(asked, "team/web").username == "https://index.docker.io/v1/"


def test_a_helper_that_knows_nothing_leaves_the_stored_login(tmp_path: Path) -> None:
    config = {"credsStore": "test", "auths": {"r.io": {"auth": encoded("u:p")}}}
    asked = settings(tmp_path, config, "echo 'credentials not found in native keychain'; exit 1")
    assert credentials_for(asked, "r.io/a").username == "u"


@pytest.mark.parametrize(
    ("config", "helper", "message"),
    [
        pytest.param({"credsStore": "test"}, "echo the keychain is locked >&2; exit 2", "the keychain is locked",
                     id="locked"),
        pytest.param({"credsStore": "test"}, "echo top-secret", "an answer that cannot be read", id="no JSON"),
        pytest.param({"credsStore": "test"}, "echo '{\"Secret\": \"top-secret\"}'", "cannot be read",
                     id="no user name"),
        pytest.param({"credsStore": "absent"}, "", "docker-credential-absent, which cannot be started", id="not there"),
        pytest.param({"credsStore": "../x"}, "", "no program's name", id="a path"),
        pytest.param({"auths": {"r.io": {"auth": "top-secret!"}}}, "", "the login for r.io", id="no base64"),
        pytest.param("{", "", "cannot read .*config.json", id="no JSON in config.json"),
        pytest.param("[]", "", "is not a JSON object", id="a list"),
    ],
)
def test_trouble_is_told_without_the_secret(tmp_path: Path, config: object, helper: str, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        credentials_for(settings(tmp_path, config, helper), "r.io/a")
    assert "top-secret" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"


def test_a_helper_that_waits_for_a_person_ends_when_cancelled(tmp_path: Path) -> None:
    asked = settings(tmp_path, {"credsStore": "test"}, "exec sleep 60")
    cancel = Cancellation()
    threading.Timer(0.2, cancel.trigger).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        credentials_for(asked, "r.io/a", cancel)
    assert time.monotonic() - began < 5


def test_the_identity_changes_with_the_user_and_not_with_the_password(tmp_path: Path) -> None:
    def of(login: str) -> str:
        return credentials_identity(settings(tmp_path, {"auths": {"r.io": {"auth": encoded(login)}}}), "r.io/a")

    assert of("u:p") == of("u:q")
    assert of("u:p") != of("v:p")
