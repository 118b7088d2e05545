"""Real builds on the real engine, once with its own builder and once with BuildKit: the same image contents."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdev.core.actions import Build, CustomBuild
from kdev.core.inputs import digest_of
from kdev.core.step import ReasonKind, Result
from kdev.drivers.custom import CustomBuildDriver
from kdev.drivers.docker.build import BuildDriver
from kdev.drivers.docker.builder import builder_identity, find_builder
from kdev.drivers.docker.client import Clients
from kdev.drivers.docker.endpoint import DockerSettings, settings_from
from kdev.drivers.docker.probe import Probe
from kdev.drivers.files import FileObserver
from kdev.errors import StepFailed
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache
from tests.fakes.job import FakeJob
from tests.project import docker

pytestmark = pytest.mark.docker
PLUGIN = Path.home() / ".cache/kdev/docker-config"


class Shop:
    """A folder to build from, and the driver."""

    def __init__(self, root: Path, builder: str) -> None:
        self.root = root
        self.builder = builder
        self.repository = f"kdev-test/{secrets.token_hex(4)}"
        environment = dict(os.environ)
        if builder == "buildkit" and (PLUGIN / "cli-plugins/docker-buildx").exists():
            environment["DOCKER_CONFIG"] = str(PLUGIN)
        self.settings: DockerSettings = settings_from(environment, str(Path.home()))
        self.clients = Clients(self.settings)
        self.probe = Probe(self.settings)
        files = FileObserver(str(root), StatCache(StateFolder(str(root), read_only=True)))
        self.driver = BuildDriver(str(root), self.clients, self.probe, files)
        self.job = FakeJob("build:app")

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self, **more: object) -> Result:
        fields: dict[str, object] = {"context": ".", "dockerfile": "Dockerfile", "builder": self.builder, **more}
        action = Build(image="app", repository=self.repository, **fields)  # type: ignore[arg-type]
        result = self.driver.run(action, self.job)
        self.probe.forget()
        return result

    def run(self, result: Result, *argv: str) -> str:
        return docker("run", "--rm", "--network", "none", result.value("reference"), *argv)

    def printed(self) -> str:
        return "\n".join(text for text, _, _ in self.job.outputs)


@pytest.fixture(params=["engine", "buildkit"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, request.param)
    if request.param == "buildkit" and not find_builder(made.settings).is_buildkit:
        pytest.skip("no buildx plugin; get it: ./inv buildx")
    try:
        yield made
    finally:
        for tag in docker("images", "-q", made.repository).split():
            subprocess.run(["docker", "rmi", "-f", tag], capture_output=True)
        made.clients.api().close()


def test_an_image_gets_a_tag_by_its_content(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nCOPY src /src\n", src__a="one")
    first = shop.build()
    assert first.value("reference") == f"{shop.repository}:kdev-{first.digest.removeprefix('sha256:')[:12]}"
    assert shop.run(first, "cat", "/src/a") == "one"
    shop.write(src__a="two")
    second = shop.build()
    assert second.digest != first.digest
    shop.write(src__a="one")
    assert shop.driver.verify(Build("app", shop.repository, ".", "Dockerfile"), first) == ()
    assert shop.probe.images()[f"{shop.repository}:kdev-{second.digest.removeprefix('sha256:')[:12]}"] == second.digest


def test_a_comment_in_the_dockerfile_gives_an_equal_image(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nRUN echo x > /x\n")
    first = shop.build()
    shop.write(Dockerfile="# why\nFROM busybox:1.36\nRUN echo x > /x\n")
    assert shop.build().digest == first.digest


def test_what_the_ignore_file_excludes_is_not_in_the_image(shop: Shop) -> None:
    shop.write(
        Dockerfile="FROM busybox:1.36\nCOPY . /all\n", DOTdockerignore="*.log\n!keep.log\nsecret\n", a__b="x",
        noDOTlog="", keepDOTlog="", secret__key="", DOTkdev__stateDOTdb="",
    )
    listing = shop.run(shop.build(), "sh", "-c", "cd /all && find . -type f | sort").split()
    assert listing == ["./.dockerignore", "./Dockerfile", "./a/b", "./keep.log"]


def test_the_dockerfiles_own_ignore_file_takes_precedence(shop: Shop) -> None:
    shop.write(
        build__Dockerfile="FROM busybox:1.36\nCOPY . /all\n", build__DockerfileDOTdockerignore="b\nbuild\n",
        DOTdockerignore="a\n", a="", b="",
    )
    result = shop.build(dockerfile="build/Dockerfile")
    names = shop.run(result, "ls", "/all").split()
    assert "a" in names
    assert "b" not in names


def test_a_dockerfile_that_is_ignored_or_outside_the_context_still_builds(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nCOPY . /all\n", ctx__a="", ctx__DOTdockerignore="DOTnothing\n")
    result = shop.build(context="ctx")
    assert shop.run(result, "ls", "-A", "/all").split() == [".dockerignore", "a"]
    shop.write(DOTdockerignore="Dockerfile\n.dockerignore\n", x="")
    listing = shop.run(shop.build(), "ls", "-A", "/all").split()
    assert listing == ["ctx", "x"]


def test_a_dockerfile_changed_in_memory_is_built_and_never_written(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nCOPY . /all\nCMD [\"app\"]\n")
    before = sorted(shop.root.rglob("*"))
    changed = "FROM busybox:1.36\nCOPY . /all\nENTRYPOINT [\"echo\", \"hé \\\"quoted\\\"\"]\n"
    shop.job.results["override:app"] = Result(digest_of(changed), blob=changed)
    result = shop.build(override="override:app")
    assert shop.run(result) == 'hé "quoted"'
    assert sorted(shop.root.rglob("*")) == before
    assert shop.run(result, "x").startswith("hé")
    listing = docker("run", "--rm", "--entrypoint", "ls", result.value("reference"), "-A", "/all").split()
    assert "Dockerfile" in listing
    assert not [name for name in listing if name.startswith(".kdev")]


def test_arguments_target_and_configured_tags_reach_the_builder(shop: Shop) -> None:
    shop.write(
        Dockerfile="FROM busybox:1.36 AS one\nARG WHO=nobody\nARG HOME_OF\nRUN echo $WHO $HOME_OF > /who\n"
        "FROM one AS two\nRUN rm /who\n"
    )
    result = shop.build(target="one", build_args=(("WHO", "me"), ("HOME_OF", None)), tags=("v1", "v2"))
    assert shop.run(result, "cat", "/who").split()[0] == "me"
    assert result.value("reference") == f"{shop.repository}:v1"
    assert shop.probe.image_id(f"{shop.repository}:v2") == result.digest


def test_a_failing_build_ends_with_what_it_printed(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nRUN echo before && false\n")
    with pytest.raises(StepFailed) as caught:
        shop.build()
    assert "app" in caught.value.message
    assert "before" in caught.value.detail


def test_an_image_that_was_removed_is_gone(shop: Shop) -> None:
    shop.write(Dockerfile="FROM busybox:1.36\nRUN echo removed > /x\n")
    result = shop.build()
    docker("rmi", "-f", result.value("reference"))
    shop.probe.forget()
    [reason] = shop.driver.verify(Build("app", shop.repository, ".", "Dockerfile"), result)
    assert reason.kind is ReasonKind.RESULT_GONE


def test_the_builder_is_an_input(shop: Shop) -> None:
    engine = builder_identity(settings_from({"PATH": ""}, "/nowhere")._replace(host=shop.settings.host), shop.probe)
    assert engine.startswith("engine, engine ")
    if shop.builder == "buildkit":
        assert builder_identity(shop.settings, shop.probe) != engine


def test_a_custom_command_is_told_its_tag_and_its_image_is_found(tmp_path: Path) -> None:
    one = Shop(tmp_path, "engine")
    one.write(Dockerfile="FROM busybox:1.36\nRUN echo custom > /x\n")
    script = tmp_path / "make.sh"
    script.write_text('#!/bin/sh\n[ "$1" = fast ] && [ "$2" = --tag ] || exit 9\ndocker build -q -t "$3" .\n')
    script.chmod(0o755)
    action = CustomBuild("app", one.repository, "./make.sh", args=("fast",), image_flag="--tag")
    driver = CustomBuildDriver(str(tmp_path), one.probe, dict(os.environ))
    try:
        result = driver.run(action, FakeJob(fingerprint="ab" * 32))
        assert result.value("reference") == f"{one.repository}:kdev-{'ab' * 6}"
        assert result.digest == one.probe.image_id(result.value("reference"))
        assert driver.verify(action, result) == ()
        with pytest.raises(StepFailed, match="exit code 9"):
            driver.run(action._replace(args=("slow",)), FakeJob())
    finally:
        docker("rmi", "-f", f"{one.repository}:kdev-{'ab' * 6}")
