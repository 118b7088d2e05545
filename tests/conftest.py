"""What every test may ask for: a Docker Engine, a project to run kdev in. And nothing may be left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.project import TOKEN, Project, docker, labelled

BASE_IMAGES = ("busybox:1.36",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--alone",
        action="store_true",
        help="nobody else uses this Docker Engine: a missing engine is a failure, and so is anything of kdev's that is "
        "left on it",
    )


def pytest_report_header() -> str:
    engine = what_is_missing() or f"Docker Engine {docker('version', '-f', '{{.Server.Version}}')}"
    return f"docker: {engine.splitlines()[0]}"


def what_is_missing() -> str:
    """"" when tests with the real engine can run here, else what to do."""
    if "answer" not in STATE:
        STATE["answer"] = ask_engine()
    return STATE["answer"]


STATE: dict[str, str] = {}


def ask_engine() -> str:
    try:
        subprocess.run(["docker", "version"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "no Docker Engine answers; start one: ./inv engine.up"
    for image in BASE_IMAGES:
        if not docker("image", "inspect", "-f", "{{.Id}}", image):
            return f"there is no image {image}; get it: ./inv images"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and (missing := what_is_missing()):
        if item.config.getoption("--alone"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No container, network or volume of kdev's outlives the tests."""
    marked = any(item.get_closest_marker("docker") for item in request.session.items)
    if not marked or what_is_missing():
        yield
        return
    # Others may work on the same engine: then only this run's own projects can be told to be leftovers.
    prefix = "" if request.config.getoption("--alone") else TOKEN
    before = labelled(prefix)
    yield
    left = {kind: sorted(found - before[kind]) for kind, found in labelled(prefix).items() if found - before[kind]}
    assert not left, f"left on the engine: {left}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Makes projects: `project()`, `project(example="quickstart")`. What they made is taken back afterwards."""
    made: list[Project] = []

    def make(name: str = "project", example: str = "") -> Project:
        made.append(Project.at(tmp_path, example or name, example))
        return made[-1]

    yield make
    for one in reversed(made):
        one.clean_up()


@pytest.fixture
def buildx_config() -> str:
    """A DOCKER_CONFIG folder whose client has the buildx plugin, "" when the client has it anyway."""
    if docker("buildx", "version"):
        return ""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    config = os.path.join(cache, "kdev", "docker-config")
    if not os.path.exists(os.path.join(config, "cli-plugins", "docker-buildx")):
        pytest.skip("docker buildx is missing; fetch it: ./inv buildx")
    return config
