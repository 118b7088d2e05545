"""Who the user is at a registry: config.json, stored logins, and credential helpers that are real programs."""

from __future__ import annotations

import base64
import json
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kdev.drivers.docker.credentials import Credentials, credentials_for, credentials_identity, registry_of
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.errors import Cancelled, TargetError
from kdev.runner.cancel import Cancellation

HUB = "https://index.docker.io/v1/"
SECRET = "s3cret:with a colon"

Make = Callable[..., DockerSettings]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(config, name=script)`: settings with this config.json and these credential helpers in PATH."""

    def made(config: object, **helpers: str) -> DockerSettings:
        folder, programs = tmp_path / "config", tmp_path / "bin"
        folder.mkdir()
        programs.mkdir()
        (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        for name, script in helpers.items():
            program = programs / f"docker-credential-{name}"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        path = f"{programs}:/usr/bin:/bin"
        return DockerSettings(config=str(folder), environment=(("PATH", path), ("WHO", "from the environment")))

    return made


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def login(credentials: Credentials) -> dict[str, str]:
    return credentials.as_auth_config()


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        pytest.param("busybox", "docker.io", id="one word"),
        pytest.param("team/app:1", "docker.io", id="a user of Docker Hub"),
        pytest.param("index.docker.io/team/app", "docker.io", id="Docker Hub's old name"),
        pytest.param("localhost/app", "localhost", id="localhost"),
        pytest.param("localhost:5000/app:1", "localhost:5000", id="a port"),
        pytest.param("registry.example.com/team/app", "registry.example.com", id="a host name"),
    ],
)
def test_the_registry_of_a_reference(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "https://docker.io/v2/"])
def test_docker_hub_is_found_under_every_name_it_ever_had(make: Make, key: str) -> None:
    settings = make({"auths": {key: auth("ann", SECRET)}})
    assert login(credentials_for(settings, "team/app")) == {
        "serveraddress": HUB, "username": "ann", "password": SECRET
    }


@pytest.mark.parametrize("key", ["r.example:5000", "https://r.example:5000", "https://r.example:5000/v2/"])
def test_a_stored_login_is_found_whatever_its_key_looks_like(make: Make, key: str) -> None:
    settings = make({"auths": {"other.example": auth("bob", "x"), key: auth("ann", SECRET)}})
    assert login(credentials_for(settings, "r.example:5000/app"))["username"] == "ann"


def test_a_login_is_for_its_own_registry_only(make: Make) -> None:
    settings = make({"auths": {"r.example": auth("ann", SECRET), "r.example:5000": auth("bob", SECRET)}})
    assert login(credentials_for(settings, "r.example:6000/app")) == {}
    assert login(credentials_for(settings, "r.example.evil/app")) == {}
    assert not credentials_for(settings, "busybox")


def test_no_config_means_no_login(tmp_path: Path) -> None:
    assert not credentials_for(DockerSettings(config=str(tmp_path / "none")), "r.example/app")


def test_an_identity_token_takes_the_password_s_place(make: Make) -> None:
    settings = make({"auths": {"r.example": {**auth("ann", ""), "identitytoken": "long token"}}})
    assert login(credentials_for(settings, "r.example/app")) == {
        "serveraddress": "r.example", "identitytoken": "long token"
    }


ANSWER = """test "$1" = get || exit 9
read -r server || true
printf '{"ServerURL":"%s","Username":"%s at %s","Secret":"hush"}' "$server" "$WHO" "$server\""""


def test_a_helper_is_asked_on_its_stdin_with_the_users_environment(make: Make) -> None:
    settings = make({"credHelpers": {"r.example": "mine"}, "credsStore": "broken"}, mine=ANSWER, broken="exit 3")
    assert login(credentials_for(settings, "r.example/app")) == {
        "serveraddress": "r.example", "username": "from the environment at r.example", "password": "hush",
    }


def test_the_store_is_asked_for_all_other_registries(make: Make) -> None:
    settings = make({"credHelpers": {"r.example": "broken"}, "credsStore": "mine"}, mine=ANSWER, broken="exit 3")
    assert login(credentials_for(settings, "team/app"))["username"] == f"from the environment at {HUB}"


def test_a_helpers_token_is_an_identity_token(make: Make) -> None:
    token = """echo '{"Username":"<token>","Secret":"long token"}'"""
    settings = make({"credsStore": "mine"}, mine=token)
    assert login(credentials_for(settings, "r.example/app"))["identitytoken"] == "long token"


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_a_helper_that_knows_nothing_leaves_the_stored_login(make: Make, stream: str) -> None:
    script = f"echo 'credentials not found in native keychain'{stream}; exit 1"
    settings = make({"credsStore": "mine", "auths": {"r.example": auth("ann", "x")}}, mine=script)
    assert login(credentials_for(settings, "r.example/app"))["username"] == "ann"
    assert not credentials_for(settings, "other.example/app")


@pytest.mark.parametrize(
    ("config", "script", "words"),
    [
        pytest.param({"credsStore": "gone"}, "", "docker-credential-gone, which cannot be started", id="not there"),
        pytest.param({"credsStore": "../mine"}, "", "no program's name", id="a path"),
        pytest.param({"credsStore": "mine"}, "echo locked keychain >&2; exit 1", "locked keychain", id="fails"),
        pytest.param({"credsStore": "mine"}, "echo hush", "cannot be read", id="no JSON"),
        pytest.param({"credsStore": "mine"}, """echo '["hush"]'""", "cannot be read", id="no object"),
        pytest.param({"auths": {"r.example": {"auth": "%%hush%%"}}}, "", "login for r.example", id="no base64"),
        pytest.param("{hush", "", "config.json", id="config is no JSON"),
        pytest.param("[]", "", "not a JSON object", id="config is no object"),
    ],
)
def test_what_is_broken_is_named_with_a_hint_and_without_the_secret(
    make: Make, config: object, script: str, words: str
) -> None:
    settings = make(config, mine=script)
    with pytest.raises(TargetError, match=words) as caught:
        credentials_for(settings, "r.example/app")
    assert "hush" not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"


@pytest.mark.parametrize(
    "config", [{"auths": []}, {"auths": {"r.example": "x"}}, {"credHelpers": "x"}, {"credsStore": 3}, {"auths": None}]
)
def test_keys_of_another_shape_are_no_login(make: Make, config: object) -> None:
    assert not credentials_for(make(config), "r.example/app")


def test_a_helper_that_hangs_is_cancelled_at_once(make: Make) -> None:
    settings, cancel = make({"credsStore": "mine"}, mine="exec sleep 60"), Cancellation()
    timer = threading.Timer(0.2, cancel.trigger)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        credentials_for(settings, "r.example/app", cancel)
    assert time.monotonic() - begun < 2
    timer.join()


def test_no_text_form_shows_a_secret(make: Make) -> None:
    settings = make({"auths": {"r.example": {**auth("ann", "hush"), "identitytoken": "hush too"}}})
    found = credentials_for(settings, "r.example/app")
    assert "ann" in repr(found)
    assert "hush" not in f"{found!r} {found}"


def test_the_identity_is_the_users_and_never_the_secrets(make: Make, tmp_path: Path) -> None:
    settings = make({"auths": {"r.example": auth("ann", "one"), "s.example": auth("ann", "one")}})
    before = credentials_identity(settings, "r.example/app")
    assert before != credentials_identity(settings, "s.example/app")
    file = tmp_path / "config" / "config.json"
    file.write_text(json.dumps({"auths": {"r.example": auth("ann", "two")}}))
    assert credentials_identity(settings, "r.example/app") == before
    file.write_text(json.dumps({"auths": {"r.example": auth("bob", "one")}}))
    assert credentials_identity(settings, "r.example/app") != before
