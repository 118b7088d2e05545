"""Push: images to a real registry that wants a login, without and with TLS. It runs on the loopback and is ended."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from docker.errors import NotFound

from kdev.core.actions import Push
from kdev.core.step import ReasonKind, Result
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import DockerSettings
from kdev.drivers.docker.push import PushDriver
from kdev.errors import Cancelled, KdevError, StepFailed, TargetError
from tests.fakes.job import FakeJob

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        not (shutil.which("docker-registry") and shutil.which("htpasswd")),
        reason="needs the packages docker-registry and apache2-utils",
    ),
]

USER, PASSWORD = "ann", "open sesame"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """`docker-registry serve` in a folder, on a port of the loopback."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.folder = folder
        self.context: ssl.SSLContext | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        logins = folder / "htpasswd"
        logins.write_bytes(subprocess.check_output(["htpasswd", "-Bbn", USER, PASSWORD], stderr=subprocess.DEVNULL))
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
            "auth": {"htpasswd": {"realm": "test", "path": str(logins)}},
        }
        if tls:
            config["http"]["tls"] = self._certificate()
        (folder / "config.yml").write_text(json.dumps(config))
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def _certificate(self) -> dict[str, str]:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        files = {"certificate": self.folder / "server.pem", "key": self.folder / "server.key"}
        files["certificate"].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        files["key"].write_bytes(issued.private_key_pem.bytes())
        return {name: str(path) for name, path in files.items()}

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(self.folder / "config.yml")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError):
                assert self.ask("GET", "/v2/")[0] == 200
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """(status, digest) of a request with the right login."""
        kind = http.client.HTTPSConnection if self.context else http.client.HTTPConnection
        options: dict[str, Any] = {"context": self.context} if self.context else {}
        connection = kind(self.host, timeout=10, **options)
        try:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            connection.request(method, path, headers={"Authorization": f"Basic {login}", "Accept": MANIFEST})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("Docker-Content-Digest", "")
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["http", "https"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    found = Registry(tmp_path_factory.mktemp("registry"), tls=request.param == "https")
    try:
        yield found
    finally:
        found.stop()
        shutil.rmtree(found.folder)


@pytest.fixture
def image(registry: Registry) -> Iterator[Callable[[str], str]]:
    """`image("busybox:1.36")`: a new reference in the registry's name for it, taken off the engine at the end."""
    clients = Clients(DockerSettings())
    api = clients.api()
    repository = f"{registry.host}/team/app-{secrets.token_hex(4)}"

    def tagged(source: str) -> str:
        tag = f"kdev-{secrets.token_hex(6)}"
        api.tag(source, repository, tag)
        return f"{repository}:{tag}"

    try:
        yield tagged
    finally:
        # A push leaves a digest behind too, by which the engine knows the image in that registry.
        for found in api.images(repository):
            for reference in (*(found["RepoTags"] or ()), *(found["RepoDigests"] or ())):
                if reference.startswith(repository) and not reference.endswith("<none>"):
                    with suppress(NotFound):
                        api.remove_image(reference, noprune=True)
        assert api.images(repository) == []
        api.close()


@pytest.fixture
def another() -> Iterator[str]:
    """A second image, different from any other."""
    api = Clients(DockerSettings()).api()
    name = f"kdev-test-push-{secrets.token_hex(4)}:1"
    container = api.create_container("busybox:1.36", ["true"])["Id"]
    try:
        api.commit(container, *name.split(":"), message=name)
        yield name
    finally:
        api.remove_container(container)
        api.remove_image(name)
        api.close()


def driver(folder: Path, host: str, user: str = USER, password: str = PASSWORD) -> PushDriver:
    """A driver whose user has logged in at `host`, or has no login for user ""."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}} if user else {}}))
    return PushDriver(Clients(DockerSettings(config=str(folder))))


def job_for(reference: str) -> tuple[Push, FakeJob]:
    action = Push(image="app", build="build:app", repository=reference.rpartition(":")[0])
    built = Result("sha256:0", (("image_id", "sha256:0"), ("reference", reference)))
    return action, FakeJob("push:app", results={"build:app": built})


Image = Callable[[str], str]


def test_what_was_pushed_is_in_the_registry_and_verified_there(
    registry: Registry, image: Image, tmp_path: Path
) -> None:
    reference = image("busybox:1.36")
    action, job = job_for(reference)
    push = driver(tmp_path, registry.host)
    result = push.run(action, job)
    repository, _, tag = reference.removeprefix(f"{registry.host}/").rpartition(":")
    assert registry.ask("HEAD", f"/v2/{repository}/manifests/{tag}") == (200, result.digest)
    assert result.value("reference") == reference
    assert result.value("repository_digest") == result.digest
    assert push.verify(action, result) == ()
    assert push.run(action, job).digest == result.digest
    assert any(total and done <= total for _, done, total in job.progresses)
    assert PASSWORD not in f"{job.outputs}{job.progresses}{job.notices}{result}"


def test_an_image_that_left_the_registry_is_pushed_again(registry: Registry, image: Image, tmp_path: Path) -> None:
    reference = image("busybox:1.36")
    action, job = job_for(reference)
    push = driver(tmp_path, registry.host)
    result = push.run(action, job)
    repository = reference.removeprefix(f"{registry.host}/").rpartition(":")[0]
    assert registry.ask("DELETE", f"/v2/{repository}/manifests/{result.digest}")[0] == 202
    (reason,) = push.verify(action, result)
    assert reason.kind is ReasonKind.RESULT_GONE
    assert reference in reason.subject
    assert push.run(action, job).digest == result.digest
    assert push.verify(action, result) == ()


def test_another_image_under_the_same_name_is_a_reason(
    registry: Registry, image: Image, another: str, tmp_path: Path
) -> None:
    reference = image("busybox:1.36")
    action, job = job_for(reference)
    push = driver(tmp_path, registry.host)
    result = push.run(action, job)
    repository, _, tag = reference.rpartition(":")
    Clients(DockerSettings()).api().tag(another, repository, tag)
    other = push.run(action, job)
    assert other.digest != result.digest
    (reason,) = push.verify(action, result)
    assert reason.kind is ReasonKind.RESULT_GONE
    assert "another image" in reason.detail


@pytest.mark.parametrize(
    ("user", "password", "who"),
    [pytest.param("", "", "without a login", id="none"), pytest.param(USER, "hush", f"as {USER}", id="wrong")],
)
def test_a_refused_login_says_who_and_how_to_log_in(
    registry: Registry, image: Image, tmp_path: Path, user: str, password: str, who: str
) -> None:
    action, job = job_for(image("busybox:1.36"))
    with pytest.raises(KdevError, match=who) as caught:
        driver(tmp_path, registry.host, user, password).run(action, job)
    assert caught.value.hint == f"docker login {registry.host}"
    assert "hush" not in f"{caught.value.message}{caught.value.detail}{job.outputs}"


def test_an_image_that_is_not_on_the_engine_cannot_be_pushed(registry: Registry, tmp_path: Path) -> None:
    action, job = job_for(f"{registry.host}/team/none-{secrets.token_hex(4)}:1")
    with pytest.raises(StepFailed, match="does not exist"):
        driver(tmp_path, registry.host).run(action, job)


def test_a_registry_that_is_down_fails_a_push_and_leaves_what_was_pushed(
    registry: Registry, image: Image, tmp_path: Path
) -> None:
    action, job = job_for(image("busybox:1.36"))
    push = driver(tmp_path, registry.host)
    result = push.run(action, job)
    registry.stop()
    try:
        assert push.verify(action, result) == ()
        with pytest.raises((StepFailed, TargetError), match="connection refused"):
            push.run(action, job)
    finally:
        registry.start()


def test_a_push_to_a_registry_that_hangs_is_cancelled_within_a_second(tmp_path: Path) -> None:
    clients = Clients(DockerSettings())
    api = clients.api()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        reference = f"{host}/app:1"
        api.tag("busybox:1.36", f"{host}/app", "1")
        try:
            action, job = job_for(reference)
            times: list[float] = []

            def later() -> None:
                times.append(time.monotonic())
                job.cancel.trigger()

            timer = threading.Timer(0.5, later)
            timer.start()
            with pytest.raises(Cancelled):
                driver(tmp_path, host).run(action, job)
            timer.join()
            assert time.monotonic() - times[0] < 1
        finally:
            api.remove_image(reference, noprune=True)
            api.close()
