"""What both builders do beyond building: stop when told, hide secrets, explain failures. On the real engine."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdev.core.actions import Build, CustomBuild, Override
from kdev.core.step import Result
from kdev.drivers.custom import CustomBuildDriver
from kdev.drivers.docker.build import BuildDriver
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import settings_from
from kdev.drivers.docker.probe import Probe
from kdev.drivers.files import FileObserver
from kdev.drivers.override import OverrideDriver
from kdev.errors import Cancelled, KdevError, StepFailed
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache
from tests.fakes.job import FakeJob
from tests.project import docker

pytestmark = pytest.mark.docker
DEADLINE = 20


class Workplace:
    """A folder, a driver, and a repository whose images go afterwards."""

    def __init__(self, root: Path, environment: dict[str, str], builder: str) -> None:
        self.root = root
        self.builder = builder
        self.repository = f"kdev-test/{secrets.token_hex(4)}"
        self.settings = settings_from(environment, str(root / "nobody"))
        self.clients = Clients(self.settings)
        files = FileObserver(str(root), StatCache(StateFolder(str(root), read_only=True)))
        self.driver = BuildDriver(str(root), self.clients, Probe(self.settings), files)
        self.job = FakeJob("build:app")

    def build(self, dockerfile: str, **more: object) -> Result:
        (self.root / "Dockerfile").write_text(dockerfile)
        action = Build("app", self.repository, ".", "Dockerfile", builder=self.builder, **more)  # type: ignore[arg-type]
        return self.driver.run(action, self.job)

    def told(self) -> str:
        return repr((self.job.outputs, self.job.progresses, self.job.notices))

    def inspect(self, result: Result, field: str) -> str:
        return docker("image", "inspect", "-f", f"{{{{json .Config.{field}}}}}", result.value("reference"))

    def clean_up(self) -> None:
        for image in docker("images", "-q", self.repository).split():
            subprocess.run(["docker", "rmi", "-f", image], capture_output=True)
        self.clients.api().close()


@pytest.fixture(params=["engine", "buildkit"])
def builder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path, builder: str, request: pytest.FixtureRequest) -> Iterator[Workplace]:
    environment = {**os.environ, "FROM_OUTSIDE": "outside-value"}
    if builder == "buildkit":
        config = request.getfixturevalue("buildx_config")
        environment |= {"DOCKER_CONFIG": config} if config else {}
    made = Workplace(tmp_path, environment, builder)
    try:
        yield made
    finally:
        made.clean_up()


def test_a_cancelled_build_stops_soon_and_leaves_no_image(place: Workplace) -> None:
    started = threading.Event()
    output = place.job.progress
    mark = secrets.token_hex(8)

    def progress(text: str, done: int = 0, total: int = 0) -> None:
        output(text, done, total)
        if mark in text and "RUN" in text:
            started.set()

    place.job.progress = progress  # type: ignore[method-assign]
    caught: list[BaseException] = []

    def build() -> None:
        try:
            place.build(f"FROM busybox:1.36\nRUN echo {mark} && sleep 60\n")
        except (Cancelled, KdevError) as error:
            caught.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        assert started.wait(DEADLINE), place.told()
        began = time.monotonic()
    finally:
        place.job.cancel.trigger()
        thread.join(DEADLINE)
    assert time.monotonic() - began < 3
    assert [type(error) for error in caught] == [Cancelled]
    assert docker("images", "-q", place.repository) == ""
    until(lambda: mark not in docker("ps", "--no-trunc", "--format", "{{.Command}}"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_secret_arguments_reach_the_build_and_nobody_reads_them(place: Workplace) -> None:
    given = (("API_TOKEN", "s3cr3t-value"), ("VERSION", "v42"), ("FROM_OUTSIDE", None), ("NOT_SET", None))
    dockerfile = (
        "FROM busybox:1.36\nARG API_TOKEN\nARG VERSION\nARG FROM_OUTSIDE\nARG NOT_SET=own\n"
        f"RUN echo {secrets.token_hex(4)}: $API_TOKEN $VERSION $FROM_OUTSIDE $NOT_SET | tee /got\n"
    )
    result = place.build(dockerfile, build_args=given)
    got = docker("run", "--rm", "--network", "none", result.value("reference"), "cat", "/got")
    assert got.split(": ")[1] == "s3cr3t-value v42 outside-value own"
    assert "s3cr3t-value" not in place.told()
    assert "v42" in place.told()
    with pytest.raises(StepFailed) as caught:
        place.build(dockerfile + "RUN echo failing $API_TOKEN && false\n", build_args=given)
    assert "s3cr3t-value" not in f"{caught.value.message} {caught.value.detail}"
    assert "failing ***" in caught.value.detail


def test_steps_are_told_as_they_come_and_lines_one_by_one(place: Workplace) -> None:
    mark = secrets.token_hex(4)
    place.build(f"FROM busybox:1.36\nRUN printf 'one {mark}\\ntwo'; sleep 0.2; printf ' halves\\n'\n")
    printed = [text for text, _, _ in place.job.outputs]
    assert f"one {mark}" in printed
    assert "two halves" in printed
    assert any("RUN printf" in text and total for text, _, total in place.job.progresses)


def test_an_entrypoint_clears_a_cmd_of_the_base_image_but_not_of_its_own_stage(place: Workplace) -> None:
    """What kdev.spec.dockerfile.override promises, held against the real builders."""
    base = place.build('FROM busybox:1.36\nENTRYPOINT ["old"]\nCMD ["inherited"]\n', tags=("base",)).value("reference")
    inherited = place.build(f'FROM {base}\nENTRYPOINT ["new"]\n')
    assert (place.inspect(inherited, "Entrypoint"), place.inspect(inherited, "Cmd")) == ('["new"]', "null")
    own = place.build(f'FROM {base}\nCMD ["own"]\nENTRYPOINT ["new"]\n')
    assert (place.inspect(own, "Entrypoint"), place.inspect(own, "Cmd")) == ('["new"]', '["own"]')
    cleared = place.build(f"FROM {base}\nENTRYPOINT []\nCMD []\n")
    assert place.inspect(cleared, "Entrypoint") in ("null", "[]")
    assert place.inspect(cleared, "Cmd") in ("null", "[]")


def test_an_override_of_an_odd_dockerfile_is_what_the_builder_builds(place: Workplace) -> None:
    text = "# escape=`\r\nFROM busybox:1.36 AS App\r\nRUN echo a `\r\n  # not here `\r\n\r\n  b > /ab\r\nFROM scratch"
    (place.root / "odd.Dockerfile").write_bytes(text.encode())
    action = Override("app", "odd.Dockerfile", ("sh", "-c", 'cat /ab; echo "q" \\ ü'), (), target="app")
    driver = OverrideDriver(str(place.root))
    place.job.results["override:app"] = driver.run(action, place.job)
    build = Build("app", place.repository, ".", "odd.Dockerfile", override="override:app", target="app")
    result = place.driver.run(build._replace(builder=place.builder), place.job)
    printed = docker("run", "--rm", "--network", "none", result.value("reference"))
    assert printed.split() == ["a", "b", "q", "ü"]
    assert (place.root / "odd.Dockerfile").read_bytes() == text.encode()


def test_nothing_stays_behind_but_the_tag(place: Workplace) -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    result = place.build("FROM busybox:1.36\nRUN echo tidy\n")
    with pytest.raises(StepFailed):
        place.build("FROM busybox:1.36\nRUN false\n")
    mine = {name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("kdev-")}
    assert not mine
    tags = docker("images", "--format", "{{.Repository}}:{{.Tag}}", place.repository).split()
    assert tags == [result.value("reference")]
    assert sorted(path.name for path in place.root.iterdir()) == ["Dockerfile"]


@pytest.mark.parametrize("builder", ["engine"])
def test_a_dockerfile_that_needs_buildkit_says_so(place: Workplace) -> None:
    with pytest.raises(StepFailed) as caught:
        place.build("FROM busybox:1.36\nRUN --mount=type=cache,target=/c true\n")
    assert "buildx" in caught.value.hint
    with pytest.raises(StepFailed, match="asks for BuildKit"):
        place.build("FROM busybox:1.36\n", secrets=("id=a,src=/nowhere",))


@pytest.mark.parametrize("builder", ["buildkit"])
def test_buildkit_mounts_secrets_and_caches(place: Workplace) -> None:
    (place.root / "token.txt").write_text("from-a-file")
    result = place.build(
        "FROM busybox:1.36\nRUN --mount=type=cache,target=/c --mount=type=secret,id=t wc -c < /run/secrets/t > /size\n",
        secrets=(f"id=t,src={place.root / 'token.txt'}",),
    )
    assert docker("run", "--rm", "--network", "none", result.value("reference"), "cat", "/size") == "11"


def test_a_cancelled_command_ends_with_everything_it_started(tmp_path: Path) -> None:
    script = tmp_path / "build.sh"
    script.write_text("#!/bin/sh\nsleep 61 &\necho $! > child\necho started\nwait\n")
    script.chmod(0o755)
    job = FakeJob("build:app")
    driver = CustomBuildDriver(str(tmp_path), Probe(settings_from({}, "/nowhere")), dict(os.environ))
    caught: list[BaseException] = []

    def build() -> None:
        try:
            driver.run(CustomBuild("app", "kdev-test/never", "./build.sh"), job)
        except (Cancelled, KdevError) as error:
            caught.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        until(lambda: ("started", "", False) in job.outputs)
    finally:
        job.cancel.trigger()
        thread.join(DEADLINE)
    assert [type(error) for error in caught] == [Cancelled]
    child = (tmp_path / "child").read_text().strip()
    until(lambda: "sleep 61" not in subprocess.run(["ps", "-o", "args=", child], capture_output=True, text=True).stdout)
