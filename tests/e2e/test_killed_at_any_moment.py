"""kill -9 at every boundary of a step, and in mid-build: the next run is correct and keeps what was finished."""

from __future__ import annotations

import signal
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.e2e.scenes import DOCKERFILE, one_image, services
from tests.project import Event, Project, Running, docker, free_port, kind

pytestmark = [pytest.mark.docker, pytest.mark.slow]
MakeProject = Callable[..., Project]
BOUNDARIES = ("started", "finished")


def is_boundary(event: Event) -> bool:
    return event["event"] in BOUNDARIES


def kill_at(session: Running, number: int) -> list[Event]:
    """SIGKILL at the boundary with that number, counted from 0; the boundaries that were told before it died."""
    seen = -1

    def reached(event: Event) -> bool:
        nonlocal seen
        seen += is_boundary(event)
        return seen >= number

    session.wait(reached)
    assert session.stop(signal.SIGKILL) == -signal.SIGKILL
    return [event for event in session.events if is_boundary(event)]


@pytest.mark.timeout(900)
def test_the_next_run_finishes_what_a_kill_cut_off(project: MakeProject) -> None:
    """At every boundary in turn, in a project whose every service has work to do."""
    names = ("one", "two")
    pair = services(project(), *names)
    pair.run("run", "deploy").ok()

    def edit(number: int) -> None:
        pair.write({f"{name}/mark.txt": f"{number}\n" for name in names})

    edit(-1)
    boundaries = sum(map(is_boundary, pair.run("run", "deploy").ok().events))
    assert boundaries == 2 * 2 * len(("build", "render", "deploy", "ready"))
    for number in range(boundaries):
        edit(number)
        told = kill_at(pair.start("run", "deploy"), number)
        done = {event["step"] for event in told if event["event"] == "finished"}
        after = pair.run("run", "deploy").ok()
        again = {step for step in after.ran & done if kind(step) in {"build", "render", "deploy"}}
        assert not again, f"killed at boundary {number}: finished steps ran again: {again}"
        assert marks(pair) == [str(number)] * len(names), f"killed at boundary {number}: not what was asked for"
        assert pair.run("run", "deploy").ok().ran == set(), f"killed at boundary {number}: the third run has work"


def marks(pair: Project) -> list[str]:
    """What the services' containers hold. The sandbox of each pod has no program that could tell."""
    running = docker("ps", "-q", "--filter", f"label=kdev.dev/project={pair.root.name}").split()
    held = [docker("exec", container, "cat", "/mark.txt") for container in running]
    return [mark for mark in held if mark.lstrip("-").isdigit()]


def test_a_kill_in_mid_build_leaves_a_build_to_be_done(project: MakeProject) -> None:
    app = one_image(project(), Dockerfile=DOCKERFILE + "RUN sleep 2\n")
    session = app.start("run", "build")
    session.wait(lambda event: event["event"] == "started" and event["step"] == "build:app")
    time.sleep(1)
    session.stop(signal.SIGKILL)
    assert app.run("run", "build").ok().ran == {"build:app"}
    assert app.run("run", "build").ok().ran == set()


def test_a_killed_session_holds_neither_port_nor_lock(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    session = quickstart.start("run", "dev")
    session.ready()
    session.stop(signal.SIGKILL)
    again = quickstart.start("run", "dev")
    again.ready()
    port = next(int(line.split(":")[1]) for line in quickstart.read("devspace.yaml").splitlines() if "- port:" in line)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert b"Hello from kdev" in answer.read()
    assert again.stop() == 0


def test_purge_after_a_kill_takes_everything(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    session = quickstart.start("run", "dev")
    session.wait(lambda event: event["event"] == "finished" and event["step"] == "deploy:web")
    session.stop(signal.SIGKILL)
    quickstart.run("purge").ok()
    own = f"label=kdev.dev/project={quickstart.root.name}"
    assert docker("ps", "-aq", "--filter", own) == ""
    assert docker("network", "ls", "-q", "--filter", own) == ""
    assert free_port()
