"""Where the engine is, what is said when it is not there, and what a probe makes of an answer."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from kdev.core.step import ReasonKind, Result
from kdev.drivers.docker.client import Clients, json_lines, streaming
from kdev.drivers.docker.endpoint import DEFAULT_HOST, DockerSettings, Endpoint, resolve, settings_from
from kdev.drivers.docker.errors import LIMIT, limited, translate
from kdev.drivers.docker.probe import Probe
from kdev.errors import Cancelled, StepFailed, TargetError
from kdev.runner.cancel import Cancellation


def add_context(config: Path, name: str, meta: object, tls: tuple[str, ...] = ()) -> None:
    identifier = hashlib.sha256(name.encode()).hexdigest()
    folder = config / "contexts/meta" / identifier
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    certificates = config / "contexts/tls" / identifier / "docker"
    certificates.mkdir(parents=True)
    for file in tls:
        (certificates / file).touch()


def docker_at(host: str, **more: object) -> object:
    return {"Name": "x", "Metadata": {}, "Endpoints": {"docker": {"Host": host, **more}}}


@pytest.mark.parametrize(
    ("environment", "current", "found"),
    [
        pytest.param({}, "", Endpoint(DEFAULT_HOST), id="nothing said"),
        pytest.param({}, "default", Endpoint(DEFAULT_HOST), id="the default context"),
        pytest.param({}, "desktop", Endpoint("unix:///desktop.sock", context="desktop"), id="config.json"),
        pytest.param({"DOCKER_CONTEXT": "desktop"}, "", Endpoint("unix:///desktop.sock", context="desktop"),
                     id="variable"),
        pytest.param({"DOCKER_CONTEXT": "default"}, "desktop", Endpoint(DEFAULT_HOST),
                     id="a variable wins over the file"),
        pytest.param({"DOCKER_HOST": "ssh://a", "DOCKER_CONTEXT": "desktop"}, "", Endpoint("ssh://a"), id="host wins"),
        pytest.param({"DOCKER_HOST": "1.2.3.4:2375"}, "", Endpoint("tcp://1.2.3.4:2375"), id="without a scheme"),
    ],
)
def test_the_engine_is_the_one_that_the_docker_cli_means(
    tmp_path: Path, environment: dict[str, str], current: str, found: Endpoint
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": current}))
    add_context(tmp_path, "desktop", docker_at("unix:///desktop.sock"))
    assert resolve(settings_from({**environment, "DOCKER_CONFIG": str(tmp_path)}, "/nowhere")) == found


def test_certificates_come_from_the_context_or_the_named_folder(tmp_path: Path) -> None:
    files = ("ca.pem", "cert.pem", "key.pem")
    add_context(tmp_path, "far", docker_at("tcp://far:2376", SkipTLSVerify=True), files)
    far = resolve(settings_from({"DOCKER_CONTEXT": "far", "DOCKER_CONFIG": str(tmp_path)}, ""))
    assert (far.tls, far.verify, os.path.basename(far.ca)) == (True, False, "ca.pem")
    for file in files:
        (tmp_path / file).touch()
    environment = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_CERT_PATH": str(tmp_path)}
    assert resolve(settings_from(environment, "")).tls is False
    verified = resolve(settings_from({**environment, "DOCKER_TLS_VERIFY": "1"}, ""))
    assert (verified.tls, verified.verify, verified.key) == (True, True, str(tmp_path / "key.pem"))


@pytest.mark.parametrize("meta", ["{", "[]", '{"Endpoints": {}}', '{"Endpoints": {"docker": 1}}'])
def test_a_context_that_cannot_be_read_is_named(tmp_path: Path, meta: str) -> None:
    add_context(tmp_path, "broken", meta)
    with pytest.raises(TargetError, match="cannot read the docker context 'broken'"):
        resolve(DockerSettings(context="broken", config=str(tmp_path)))
    with pytest.raises(TargetError, match="'absent' does not exist"):
        resolve(DockerSettings(context="absent", config=str(tmp_path)))


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_an_engine_that_is_not_there_is_told_with_its_address(host: str) -> None:
    for ask in (lambda: Clients(DockerSettings(host=host)).api(), lambda: Probe(DockerSettings(host=host)).images()):
        with pytest.raises(TargetError) as caught:
            ask()
        assert host in caught.value.message
        assert caught.value.hint
    # The SDK drops a unix socket that it could not connect, and leaves closing it to the collector.
    del ask, caught
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_no_permission_is_told_as_such() -> None:
    error = requests.exceptions.ConnectionError(PermissionError(13, "Permission denied"))
    found = translate(error, "unix:///var/run/docker.sock")
    assert isinstance(found, TargetError)
    assert "no permission" in found.message
    assert "group `docker`" in found.hint


def test_what_an_engine_says_is_shortened_and_loses_credentials() -> None:
    text = limited("x" * 10 * LIMIT + " https://user:secret@host/")
    assert len(text) < LIMIT + 10
    assert "secret" not in text


@contextmanager
def engine(folder: Path, answers: dict[str, bytes]) -> Iterator[tuple[Probe, list[str]]]:
    """Something that answers on a unix socket, path by path, and what it was asked."""
    path = folder / "d.sock"
    asked: list[str] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536).split(b" ")[1].decode())
                connection.sendall(answers.get(asked[-1], b""))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Probe(DockerSettings(host=f"unix://{path}")), asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


IMAGES = json.dumps(
    [
        {"Id": "sha256:a", "RepoTags": ["web:1", "busybox:1.36"], "RepoDigests": ["busybox@sha256:d"]},
        {"Id": "sha256:b", "RepoTags": None, "RepoDigests": None},
    ]
).encode()


def response(body: bytes, *, status: int = 200, chunked: bool = False) -> bytes:
    if not chunked:
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    half = len(body) // 2
    pieces = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
    return b"HTTP/1.1 %d X\r\ntransfer-encoding: chunked\r\n\r\n%s0\r\n\r\n" % (status, pieces)


@pytest.mark.parametrize(
    "answer",
    [response(IMAGES), response(IMAGES, chunked=True), b"HTTP/1.0 200 OK\r\n\r\n" + IMAGES],
    ids=["with a length", "chunked", "to the end"],
)
def test_all_images_cost_one_request_until_told_to_forget(tmp_path: Path, answer: bytes) -> None:
    with engine(tmp_path, {"/images/json": answer}) as (probe, asked):
        for name in ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox@sha256:d", "sha256:a"):
            assert probe.image_id(name) in ("sha256:a", ""), name
        assert probe.image_id("docker.io/library/busybox:1.36") == "sha256:a"
        assert probe.image_id("absent") == ""
        assert asked == ["/images/json"]
        probe.forget()
        assert "sha256:b" in probe.images()
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("image_id", "reference", "gone"),
    [
        pytest.param("sha256:a", "web:1", False, id="as it was"),
        pytest.param("sha256:a", "web:2", True, id="without its name"),
        pytest.param("sha256:b", "web:1", True, id="the name is another's"),
        pytest.param("sha256:c", "web:1", True, id="removed"),
        pytest.param("", "far/web:1", False, id="never was on this engine"),
    ],
)
def test_a_built_image_stands_while_its_name_leads_to_it(
    tmp_path: Path, image_id: str, reference: str, gone: bool
) -> None:
    with engine(tmp_path, {"/images/json": response(IMAGES)}) as (probe, _):
        reasons = probe.missing_image(Result(image_id, (("image_id", image_id), ("reference", reference))))
    assert [reason.kind for reason in reasons] == [ReasonKind.RESULT_GONE] * gone


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", id="another protocol"),
        pytest.param(response(IMAGES)[:-5], id="cut short"),
        pytest.param(response(IMAGES, chunked=True)[:-20], id="cut short in a chunk"),
        pytest.param(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", id="a chunk without a size"),
        pytest.param(response(b"<html>"), id="no JSON"),
        pytest.param(response(b'{"message": "no"}', status=500), id="an error"),
    ],
)
def test_an_answer_that_is_none_is_an_expected_error(tmp_path: Path, answer: bytes) -> None:
    with engine(tmp_path, {"/images/json": answer}) as (probe, _), pytest.raises(TargetError):
        probe.images()


@pytest.mark.docker
def test_a_silent_stream_ends_at_once_when_cancelled() -> None:
    clients = Clients(settings_from({}, "/nowhere"))
    api = clients.fresh()
    cancel = Cancellation()
    threading.Timer(0.2, cancel.trigger).start()
    began = time.monotonic()
    nothing = {"filters": '{"label":["kdev.dev/never"]}'}
    with pytest.raises(Cancelled), streaming(api, "GET", "/events", cancel, params=nothing) as told:
        assert list(json_lines(told)) == []
    assert time.monotonic() - began < 2
    api.close()


@pytest.mark.docker
def test_every_thread_has_its_own_client_of_one_version() -> None:
    clients = Clients(settings_from({}, "/nowhere"))
    made = [clients.api(), clients.api()]
    thread = threading.Thread(target=lambda: made.append(clients.api()))
    thread.start()
    thread.join()
    assert made[0] is made[1]
    assert made[2] is not made[0]
    assert made[2].api_version == made[0].api_version
    for one in made:
        one.close()


@pytest.mark.docker
def test_what_the_engine_refuses_is_a_failed_step() -> None:
    api = Clients(settings_from({}, "/nowhere")).fresh()
    path = "/images/kdev-absent/json"
    with pytest.raises(StepFailed, match="No such image"), streaming(api, "GET", path, Cancellation()):
        pass
    api.close()
