"""A result that was made before is not made again, and an equal result stops the wave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.scenes import one_image
from tests.project import Project

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def test_a_source_that_goes_back_to_what_it_was_builds_nothing(project: MakeProject) -> None:
    app = one_image(project())
    app.run("run", "build").ok()
    app.write({"src/main.txt": "two\n"})
    assert app.run("run", "build").ok().ran == {"build:app"}
    app.write({"src/main.txt": "one\n"})
    assert app.run("run", "build").ok().ran == set()


def test_going_back_rolls_the_workload_back_without_a_build(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    quickstart.edit("www/index.html", "Hello from kdev", "Something else")
    assert {"build:web", "deploy:web"} <= quickstart.run("run", "deploy").ok().ran
    quickstart.edit("www/index.html", "Something else", "Hello from kdev")
    back = quickstart.run("run", "deploy").ok()
    assert "build:web" not in back.ran
    assert "deploy:web" in back.ran


def test_a_comment_in_the_dockerfile_stops_at_the_equal_image(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    quickstart.write({"Dockerfile": quickstart.read("Dockerfile") + "# served by busybox\n"})
    again = quickstart.run("run", "deploy").ok()
    assert again.ran == {"build:web"}
    assert [e["changed"] for e in again.events if e["event"] == "finished"] == [False]


def test_force_runs_what_it_names_and_says_so(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    quickstart.run("run", "deploy").ok()
    built = quickstart.run("run", "deploy", "-b").ok()
    assert built.ran == {"build:web"}
    assert all("forced" in reason for reason in built.reasons("build:web"))
    deployed = quickstart.run("run", "deploy", "--force", "deploy:web").ok()
    assert "deploy:web" in deployed.ran
    assert "build:web" not in deployed.ran
